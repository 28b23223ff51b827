#include "memory/backing_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace rdu::memory {
namespace {

constexpr uint64_t kPagesPerByte = 8;

uint64_t bitmap_bytes(uint64_t capacity) {
  const uint64_t pages = capacity / BackingStore::kPage;
  const uint64_t bytes = (pages + kPagesPerByte - 1) / kPagesPerByte;
  return (bytes + BackingStore::kPage - 1) / BackingStore::kPage * BackingStore::kPage;
}

}  // namespace

BackingStore::BackingStore(std::string name, uint64_t capacity, Kind kind)
    : name_(std::move(name)), capacity_(capacity), kind_(kind) {
  if (capacity == 0 || capacity % kPage != 0) {
    core::bad_input(
        fmt::format("{}: a capacity of {} bytes is no positive multiple of {}", name_, capacity, kPage));
  }
  if (kind == Kind::shared) {
    fd_ = memfd_create(name_.c_str(), MFD_CLOEXEC);
    if (fd_ < 0 || ftruncate(fd_, static_cast<off_t>(capacity)) != 0) {
      const int error = errno;
      if (fd_ >= 0) close(fd_);
      core::bad_input(fmt::format("{}: cannot make a memory file of {} bytes: {}", name_, capacity,
                                  std::strerror(error)));
    }
    try {
      base_ = map(capacity, fd_, "memory");
    } catch (...) {
      close(fd_);
      throw;
    }
    return;
  }
  base_ = map(capacity, -1, "memory");
  try {
    written_ = map(bitmap_bytes(capacity), -1, "the page bitmap of the memory");
  } catch (...) {
    munmap(base_, capacity);
    throw;
  }
}

BackingStore::~BackingStore() {
  munmap(base_, capacity_);
  if (written_) munmap(written_, bitmap_bytes(capacity_));
  if (fd_ >= 0) close(fd_);
}

uint8_t* BackingStore::map(uint64_t bytes, int fd, const char* what) const {
  const int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
  void* place = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, 0);
  if (place == MAP_FAILED) {
    core::bad_input(fmt::format(
        "{}: the host refuses to reserve {} bytes of address space for {}: {} (limits: 'ulimit -v', "
        "/proc/sys/vm/overcommit_memory must not be 2); a smaller capacity may fit",
        name_, bytes, what, std::strerror(errno)));
  }
  return static_cast<uint8_t*>(place);
}

void BackingStore::check(uint64_t offset, uint64_t length) const {
  if (contains(offset, length)) return;
  throw core::Error(
      core::ErrorKind::internal, name_,
      fmt::format("{} bytes at offset {:#x} lie outside {} bytes of memory", length, offset, capacity_));
}

void BackingStore::read(uint64_t offset, void* data, uint64_t length) const {
  check(offset, length);
  if (length != 0) std::memcpy(data, base_ + offset, length);
}

void BackingStore::write(uint64_t offset, const void* data, uint64_t length) {
  check(offset, length);
  if (length == 0) return;
  std::memcpy(base_ + offset, data, length);
  if (written_) mark(offset, length);
}

void BackingStore::mark(uint64_t offset, uint64_t length) {
  const uint64_t last = (offset + length - 1) / kPage;
  for (uint64_t page = offset / kPage; page <= last; ++page) {
    uint8_t& byte = written_[page / kPagesPerByte];
    const auto bit = static_cast<uint8_t>(1u << (page % kPagesPerByte));
    if (byte & bit) continue;
    byte = static_cast<uint8_t>(byte | bit);
    ++written_pages_;
  }
}

void BackingStore::zero(uint64_t offset, uint64_t length) {
  check(offset, length);
  const uint64_t end = offset + length;
  const uint64_t first = std::min(end, (offset + kPage - 1) / kPage * kPage);  // of the whole pages
  const uint64_t behind = std::max(first, end / kPage * kPage);
  const auto write_part = [this](uint64_t from, uint64_t to) {
    if (from == to || !any_written(from / kPage * kPage, to)) return;
    std::memset(base_ + from, 0, to - from);
  };
  write_part(offset, first);
  if (behind != first && any_written(first, behind)) drop(first, behind - first);
  write_part(behind, end);
}

/// Does the host hold a page of this range, which begins with a page?
bool BackingStore::any_written(uint64_t offset, uint64_t end) const {
  if (kind_ == Kind::shared) {
    const off_t data = lseek(fd_, static_cast<off_t>(offset), SEEK_DATA);
    return data >= 0 && static_cast<uint64_t>(data) < end;
  }
  const uint64_t behind = (end + kPage - 1) / kPage;
  for (uint64_t page = offset / kPage; page < behind;) {
    const uint8_t byte = written_[page / kPagesPerByte];
    if (byte >> (page % kPagesPerByte) & 1) return true;
    page += byte == 0 ? kPagesPerByte - page % kPagesPerByte : 1;
  }
  return false;
}

/// Whole pages go back to the host, and read as zero.
void BackingStore::drop(uint64_t offset, uint64_t length) {
  // A private mapping reads as zero after MADV_DONTNEED, a file's after a hole is punched (MADV_REMOVE).
  if (madvise(base_ + offset, length, kind_ == Kind::shared ? MADV_REMOVE : MADV_DONTNEED) != 0) {
    throw core::Error(core::ErrorKind::internal, name_,
                      fmt::format("cannot clear the memory: {}", std::strerror(errno)));
  }
  if (!written_) return;
  for (uint64_t page = offset / kPage; page < (offset + length) / kPage; ++page) {
    uint8_t& byte = written_[page / kPagesPerByte];
    const auto bit = static_cast<uint8_t>(1u << (page % kPagesPerByte));
    if (byte & bit) --written_pages_;
    byte = static_cast<uint8_t>(byte & ~bit);
  }
}

void BackingStore::clear() {
  const int advice = kind_ == Kind::shared ? MADV_REMOVE : MADV_DONTNEED;  // as drop()
  if (madvise(base_, capacity_, advice) != 0 ||
      (written_ && madvise(written_, bitmap_bytes(capacity_), MADV_DONTNEED) != 0)) {
    throw core::Error(core::ErrorKind::internal, name_,
                      fmt::format("cannot clear the memory: {}", std::strerror(errno)));
  }
  written_pages_ = 0;
}

uint64_t BackingStore::touched_bytes() const {
  if (kind_ == Kind::anonymous) return written_pages_ * kPage;
  struct stat status = {};
  if (fstat(fd_, &status) != 0) {
    throw core::Error(core::ErrorKind::internal, name_,
                      fmt::format("cannot ask for the memory file's size: {}", std::strerror(errno)));
  }
  constexpr uint64_t kStatBlock = 512;  // of st_blocks, whatever the file system
  return static_cast<uint64_t>(status.st_blocks) * kStatBlock;
}

}  // namespace rdu::memory
