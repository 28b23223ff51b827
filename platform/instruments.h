#pragma once

#include <memory>

namespace rdu::mgmt {
class Management;
}

namespace rdu::platform {

struct Options;

/// What options of the command line attach to the management subsystem to watch it: register coverage. None
/// of them changes a result; what is not asked for costs nothing.
class Instruments {
 public:
  /// After the platform is built, before the simulation starts. Opens all files, so that a wrong path is told
  /// before the run; throws bad_input.
  Instruments(const Options& options, mgmt::Management& management);
  ~Instruments();

  /// At the end: writes the files.
  void write();

 private:
  class Coverage;
  std::unique_ptr<Coverage> coverage_;
};

}  // namespace rdu::platform
