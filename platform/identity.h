#pragma once

#include <map>
#include <string>
#include <vector>

#include "platform/configuration.h"

namespace rdu::platform {

/// What a run is a run of: two with equal identities and equal hosts give equal results. The header of a
/// recording holds it.
struct Identity {
  std::string version;  ///< of rduvp
  std::string config;   ///< the configuration's name, for people
  /// Path -> value of every parameter but those of the coupling to the host, which a replay does not need.
  std::map<std::string, std::string> parameters;
  struct Image {
    std::string file;
    std::string sha256;
  };
  std::map<std::string, Image> images;  ///< "rom", "flash"

  void set_parameters(const Configuration& configuration);
  void set_image(const std::string& name, const std::string& file, const std::vector<uint8_t>& contents);

  std::string json() const;
  /// Throws bad_input; `what` names the file that it came from.
  static Identity parse(const std::string& what, const std::string& json);

  /// What is different in `other`, a line each: "socket.hbm.latency is 120 ns, here 100 ns".
  std::vector<std::string> differences(const Identity& other) const;
};

}  // namespace rdu::platform
