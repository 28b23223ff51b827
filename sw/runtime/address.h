// How a device is named.
#pragma once

#include <string>
#include <vector>

namespace rdu::runtime {

struct Address {
  enum class Kind {
    kNode,    // /dev/rduN of the kernel driver
    kSocket,  // of a simulator
  };
  Kind kind;
  std::string path;
};

// "/dev/rdu0", "rdu0" or any path of a character device; "unix:PATH", or any other path. Throws
// INVALID_ARGUMENT.
Address parse_address(const std::string& text);

// The kernel driver's devices, by number, as addresses.
std::vector<std::string> nodes(const std::string& folder = "/dev");

// What an application gets that names none: $RDU_DEVICE, else the first node, else RDU_DEFAULT_ADDRESS.
std::string default_address(const std::string& folder = "/dev");

// Every device that can be found: the nodes, $RDU_DEVICE and RDU_DEFAULT_ADDRESS if there is something at
// them; each once, the default one first.
std::vector<std::string> list_addresses(const std::string& folder = "/dev");

}  // namespace rdu::runtime
