#include "pcie/vfio_user/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "pcie/vfio_user/server.h"

namespace rdu::pcie::vfio_user::detail {

namespace {

constexpr int kBacklog = 16;  // clients that wait for the present one to leave; ours

UniqueFd make_socket() {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) throw SocketError(std::string("cannot make a UNIX socket: ") + std::strerror(errno));
  return socket;
}

enum class Holder { kNobody, kServer, kUnknown };

// Who answers at the address of a socket file.
Holder holder_of(const sockaddr_un& address) {
  const UniqueFd probe = make_socket();
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return Holder::kServer;
  if (errno == EAGAIN) return Holder::kServer;  // its backlog is full
  return errno == ECONNREFUSED ? Holder::kNobody : Holder::kUnknown;
}

}  // namespace

void Listener::open(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty()) throw SocketError("the path of the vfio-user socket is empty");
  if (path.size() >= sizeof address.sun_path)
    throw SocketError("the path of the vfio-user socket has " + std::to_string(path.size()) +
                      " bytes, the system takes at most " + std::to_string(sizeof address.sun_path - 1) +
                      ": " + path);
  std::memcpy(address.sun_path, path.data(), path.size());

  UniqueFd socket = make_socket();
  const auto bind_it = [&] {
    return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
  };
  int error = bind_it();
  if (error == EADDRINUSE) {
    struct stat status = {};
    if (::lstat(path.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode))
      throw SocketError(path + " exists and is not a socket; give another path or remove it");
    switch (holder_of(address)) {
      case Holder::kServer:
        throw SocketError(
            path + " is served by a running process (another simulator?); give another path or end it");
      case Holder::kUnknown:
        throw SocketError(path + " exists and cannot be examined: " + std::strerror(errno));
      case Holder::kNobody:
        break;
    }
    ::unlink(path.c_str());  // left behind by a process that is gone
    error = bind_it();
  }
  if (error != 0) throw SocketError("cannot make the socket " + path + ": " + std::strerror(error));
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0 || ::listen(socket.get(), kBacklog) != 0) {
    const int reason = errno;
    ::unlink(path.c_str());
    throw SocketError("cannot listen on " + path + ": " + std::strerror(reason));
  }
  socket_ = std::move(socket);
  path_ = path;
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

void Listener::close() {
  if (!socket_.valid()) return;
  struct stat status = {};
  if (::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_)
    ::unlink(path_.c_str());
  socket_.reset();
}

UniqueFd Listener::accept() {
  return UniqueFd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

}  // namespace rdu::pcie::vfio_user::detail
