#include "pcie/vfio_user/dma_map.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace rdu::pcie::vfio_user {

namespace {

constexpr uint64_t kPage = 4096;

bool multiple_of(uint64_t value, uint64_t unit) {
  return value % unit == 0;
}

}  // namespace

// A file may stand behind thousands of windows; it is kept open once, and only if its owner can still shorten
// it.
struct Mapping::File {
  UniqueFd fd;  // invalid if the file is sealed against shrinking

  bool holds(uint64_t end) const {
    if (!fd.valid()) return true;
    struct stat status = {};
    return ::fstat(fd.get(), &status) == 0 && end <= static_cast<uint64_t>(status.st_size);
  }
};

Mapping::~Mapping() {
  if (mapped_) ::munmap(mapped_, mapped_size_);
}

// Touching a page beyond the end of a file kills the process. A client that shortens its file after mapping
// it is caught here, except if it does so in the very moment of the copy.
bool Mapping::backed(uint64_t offset, uint64_t length) const {
  return file_->holds(file_offset_ + offset + length);
}

DmaMap::DmaMap(Messenger messenger, size_t max_windows)
    : messenger_(std::move(messenger)), max_windows_(max_windows) {}

DmaMap::~DmaMap() = default;

std::shared_ptr<Mapping::File> DmaMap::share(UniqueFd file, uint64_t device, uint64_t inode) {
  auto& known = files_[{device, inode}];
  if (auto held = known.lock()) return held;
  auto held = std::make_shared<Mapping::File>();
  const int seals = ::fcntl(file.get(), F_GET_SEALS);
  if (seals < 0 || !(seals & F_SEAL_SHRINK)) held->fd = std::move(file);
  known = held;
  return held;
}

int DmaMap::map(uint64_t iova, uint64_t size, bool readable, bool writable, UniqueFd file,
                uint64_t file_offset) {
  if (size == 0 || !multiple_of(iova, kPage) || !multiple_of(size, kPage)) return EINVAL;
  if (iova + (size - 1) < iova) return EINVAL;
  if (!readable && !writable) return EINVAL;
  const auto after = windows_.lower_bound(iova);
  if (after != windows_.end() && after->first - iova < size) return EEXIST;
  if (after != windows_.begin()) {
    const Mapping& before = *std::prev(after)->second;
    if (iova - before.iova() < before.size()) return EEXIST;
  }
  if (windows_.size() >= max_windows_) return ENOSPC;

  std::shared_ptr<Mapping> window(new Mapping);
  window->iova_ = iova;
  window->size_ = size;
  window->readable_ = readable;
  window->writable_ = writable;
  window->file_offset_ = file_offset;
  if (file.valid()) {
    struct stat status = {};
    if (::fstat(file.get(), &status) != 0) return errno;
    if (!S_ISREG(status.st_mode)) return EINVAL;
    if (!multiple_of(file_offset, kPage)) return EINVAL;
    const uint64_t length = static_cast<uint64_t>(status.st_size);
    if (file_offset > length || size > length - file_offset) return EINVAL;

    // A file of huge pages can only be mapped in whole ones.
    uint64_t unit = kPage;
    struct statfs system = {};
    if (::fstatfs(file.get(), &system) == 0 && system.f_type == HUGETLBFS_MAGIC)
      unit = static_cast<uint64_t>(system.f_bsize);
    const uint64_t first = file_offset / unit * unit;
    const uint64_t span = (file_offset + size - first + unit - 1) / unit * unit;
    const int protection = PROT_READ | (writable ? PROT_WRITE : 0);
    void* mapped =
        ::mmap(nullptr, span, protection, MAP_SHARED | MAP_NORESERVE, file.get(), static_cast<off_t>(first));
    if (mapped == MAP_FAILED) return errno;
    window->mapped_ = mapped;
    window->mapped_size_ = span;
    window->host_ = static_cast<uint8_t*>(mapped) + (file_offset - first);
    window->file_ = share(std::move(file), status.st_dev, status.st_ino);
  } else if (file_offset != 0) {
    return EINVAL;  // an offset into no file
  }
  windows_.emplace_hint(after, iova, std::move(window));
  return 0;
}

int DmaMap::unmap(uint64_t iova, uint64_t size) {
  const auto window = windows_.find(iova);
  if (window == windows_.end() || window->second->size() != size) return ENOENT;
  last_ = nullptr;
  windows_.erase(window);
  for (auto file = files_.begin(); file != files_.end();)
    file = file->second.expired() ? files_.erase(file) : std::next(file);
  return 0;
}

void DmaMap::clear() {
  last_ = nullptr;
  windows_.clear();
  files_.clear();
}

const Mapping* DmaMap::locate(uint64_t iova) const {
  if (last_ && iova - last_->iova() < last_->size()) return last_;
  auto window = windows_.upper_bound(iova);
  if (window == windows_.begin()) return nullptr;
  --window;
  const Mapping* found = window->second.get();
  if (iova - found->iova() >= found->size()) return nullptr;
  last_ = found;
  return found;
}

bool DmaMap::covered(uint64_t iova, uint64_t size, bool write) const {
  while (size > 0) {
    const Mapping* window = locate(iova);
    if (!window || !(write ? window->writable() : window->readable())) return false;
    const uint64_t offset = iova - window->iova();
    const uint64_t part = std::min(size, window->size() - offset);
    if (window->host() && !window->backed(offset, part)) return false;
    size -= part;
    if (size > 0 && iova + part < iova) return false;  // ran off the end of the address space
    iova += part;
  }
  return true;
}

uint8_t* DmaMap::translate(uint64_t iova, uint64_t size, bool write) const {
  const Mapping* window = locate(iova);
  if (!window || !window->host() || !(write ? window->writable() : window->readable())) return nullptr;
  const uint64_t offset = iova - window->iova();
  if (size > window->size() - offset || !window->backed(offset, size)) return nullptr;
  return window->host() + offset;
}

std::shared_ptr<const Mapping> DmaMap::find(uint64_t iova) const {
  const Mapping* window = locate(iova);
  if (!window) return nullptr;
  return windows_.at(window->iova());
}

int DmaMap::read(uint64_t iova, uint8_t* data, size_t size) const {
  if (!covered(iova, size, false)) return EFAULT;
  while (size > 0) {
    const Mapping* window = locate(iova);
    const uint64_t offset = iova - window->iova();
    const size_t part = static_cast<size_t>(std::min<uint64_t>(size, window->size() - offset));
    if (window->host()) {
      std::memcpy(data, window->host() + offset, part);
    } else if (const int error = messenger_.read(iova, data, part)) {
      return error;
    }
    iova += part;
    data += part;
    size -= part;
  }
  return 0;
}

int DmaMap::write(uint64_t iova, const uint8_t* data, size_t size) const {
  if (!covered(iova, size, true)) return EFAULT;
  while (size > 0) {
    const Mapping* window = locate(iova);
    const uint64_t offset = iova - window->iova();
    const size_t part = static_cast<size_t>(std::min<uint64_t>(size, window->size() - offset));
    if (window->host()) {
      std::memcpy(window->host() + offset, data, part);
    } else if (const int error = messenger_.write(iova, data, part)) {
      return error;
    }
    iova += part;
    data += part;
    size -= part;
  }
  return 0;
}

}  // namespace rdu::pcie::vfio_user
