// Who is connected to a UNIX socket, for messages about sockets that are in use.
#pragma once

#include <string>
#include <vector>

namespace rdu::user {

// The processes at the other end of the connections that the socket bound to `path` has, this one left out:
// "rdu-digits (pid 4711)". Those that this process may not look into are missing. Does not throw for what the
// system does not tell.
std::vector<std::string> socket_clients(const std::string& path);

}  // namespace rdu::user
