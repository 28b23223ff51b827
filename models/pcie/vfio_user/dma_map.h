// The host memory that the device may reach: what the client has mapped, and access to it by DMA address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "pcie/vfio_user/unique_fd.h"

namespace rdu::pcie::vfio_user {

// One window of host memory, [iova, iova + size). While anybody holds it, its pages stay mapped, even if the
// client has unmapped the window or died: a transfer that is under way then writes to memory that nobody else
// sees any more.
class Mapping {
 public:
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  uint64_t iova() const { return iova_; }
  uint64_t size() const { return size_; }
  bool readable() const { return readable_; }
  bool writable() const { return writable_; }
  // First byte of the window in this process; null if the client gave no file, so that accesses travel as
  // messages.
  uint8_t* host() const { return host_; }

 private:
  friend class DmaMap;
  struct File;  // the file behind one or more windows
  Mapping() = default;
  bool backed(uint64_t offset, uint64_t length) const;

  uint64_t iova_ = 0;
  uint64_t size_ = 0;
  bool readable_ = false;
  bool writable_ = false;
  uint8_t* host_ = nullptr;
  void* mapped_ = nullptr;  // what mmap() returned; may start before host_ where the file has huge pages
  size_t mapped_size_ = 0;
  uint64_t file_offset_ = 0;
  std::shared_ptr<File> file_;
};

// All windows of the present client. Used by the simulation's thread only.
//
// Addresses are DMA addresses, sizes are in bytes. Functions that return int return 0 or an errno value:
// EFAULT if any byte of the range is outside the windows or lacks the right (nothing is then touched),
// ETIMEDOUT or ECONNRESET if the client had to be asked for the data and did not answer.
class DmaMap {
 public:
  // How accesses to windows without a file reach the client: returns 0 or an errno value.
  struct Messenger {
    std::function<int(uint64_t iova, uint8_t* data, size_t size)> read;
    std::function<int(uint64_t iova, const uint8_t* data, size_t size)> write;
  };

  explicit DmaMap(Messenger messenger, size_t max_windows);
  ~DmaMap();

  // Adds a window. `file` may be invalid (access by message); else [file_offset, file_offset + size) of it is
  // mapped. EINVAL: size 0, address, size or offset no multiple of 4096, address overflow, no right at all,
  // not a regular file, range outside the file; EEXIST: overlaps a window; ENOSPC: too many windows; others
  // as mmap() sets them.
  int map(uint64_t iova, uint64_t size, bool readable, bool writable, UniqueFd file, uint64_t file_offset);
  // Removes a window, which must be exactly one that was added (ENOENT otherwise).
  int unmap(uint64_t iova, uint64_t size);
  void clear();

  // Host pointer to [iova, iova + size), if it lies in one window with the right and is mapped here; else
  // null. The pointer lives until the window is unmapped; hold the Mapping of find() to keep the pages
  // longer.
  uint8_t* translate(uint64_t iova, uint64_t size, bool write) const;
  // The window that holds `iova`, or null.
  std::shared_ptr<const Mapping> find(uint64_t iova) const;

  // Copies between host memory and `data`; a range may run through adjoining windows, mapped or not.
  int read(uint64_t iova, uint8_t* data, size_t size) const;
  int write(uint64_t iova, const uint8_t* data, size_t size) const;

  size_t windows() const { return windows_.size(); }
  // All windows, by address.
  const std::map<uint64_t, std::shared_ptr<Mapping>>& all() const { return windows_; }

 private:
  const Mapping* locate(uint64_t iova) const;
  bool covered(uint64_t iova, uint64_t size, bool write) const;
  std::shared_ptr<Mapping::File> share(UniqueFd file, uint64_t device, uint64_t inode);

  Messenger messenger_;
  size_t max_windows_;
  std::map<uint64_t, std::shared_ptr<Mapping>> windows_;
  std::map<std::pair<uint64_t, uint64_t>, std::weak_ptr<Mapping::File>> files_;  // by device and inode
  mutable const Mapping* last_ = nullptr;  // neighbouring accesses mostly hit the same window
};

}  // namespace rdu::pcie::vfio_user
