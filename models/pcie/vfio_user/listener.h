// The UNIX socket that clients connect to. Internal to the server.
#pragma once

#include <sys/types.h>

#include <string>

#include "pcie/vfio_user/unique_fd.h"

namespace rdu::pcie::vfio_user::detail {

class Listener {
 public:
  Listener() = default;
  ~Listener() { close(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Throws SocketError, see Server::start().
  void open(const std::string& path);
  // Also removes the socket from the file system, unless somebody has put another one there meanwhile.
  void close();

  bool valid() const { return socket_.valid(); }
  int fd() const { return socket_.get(); }
  // The next client, or an invalid descriptor with errno.
  UniqueFd accept();

 private:
  UniqueFd socket_;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace rdu::pcie::vfio_user::detail
