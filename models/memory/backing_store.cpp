#include "memory/backing_store.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "core/error.h"

namespace rdu::memory {
namespace {

constexpr uint64_t kPagesPerByte = 8;
constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

uint64_t bitmap_bytes(uint64_t capacity) {
  const uint64_t pages = capacity / BackingStore::kPage;
  const uint64_t bytes = (pages + kPagesPerByte - 1) / kPagesPerByte;
  return (bytes + BackingStore::kPage - 1) / BackingStore::kPage * BackingStore::kPage;
}

}  // namespace

BackingStore::BackingStore(std::string name, uint64_t capacity)
    : name_(std::move(name)), capacity_(capacity) {
  if (capacity == 0 || capacity % kPage != 0) {
    core::bad_input(
        fmt::format("{}: a capacity of {} bytes is no positive multiple of {}", name_, capacity, kPage));
  }
  base_ = map(capacity, "memory");
  try {
    written_ = map(bitmap_bytes(capacity), "the page bitmap of the memory");
  } catch (...) {
    munmap(base_, capacity);
    throw;
  }
}

BackingStore::~BackingStore() {
  munmap(base_, capacity_);
  munmap(written_, bitmap_bytes(capacity_));
}

uint8_t* BackingStore::map(uint64_t bytes, const char* what) const {
  void* place = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kPrivate, -1, 0);
  if (place == MAP_FAILED) {
    core::bad_input(fmt::format(
        "{}: the host refuses to reserve {} bytes of address space for {}: {} (limits: 'ulimit -v', "
        "/proc/sys/vm/overcommit_memory must not be 2); a smaller capacity may fit",
        name_, bytes, what, std::strerror(errno)));
  }
  return static_cast<uint8_t*>(place);
}

void BackingStore::fail(const char* what) const {
  throw core::Error(core::ErrorKind::internal, name_,
                    fmt::format("cannot {}: {}", what, std::strerror(errno)));
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
  mark(offset, length);
}

bool BackingStore::is_marked(uint64_t page) const {
  return written_[page / kPagesPerByte] >> (page % kPagesPerByte) & 1;
}

void BackingStore::mark(uint64_t offset, uint64_t length) const {
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
  notice_attached(offset, end);
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
  const uint64_t end = offset + length;
  if (madvise(base_ + offset, length, MADV_DONTNEED) != 0) fail("clear the memory");
  for (const auto& [start, part] : attached_) {  // there, MADV_DONTNEED changes nothing
    const uint64_t from = std::max(offset, start);
    const uint64_t to = std::min(end, start + part.length);
    if (from < to && madvise(base_ + from, to - from, MADV_REMOVE) != 0) fail("clear the memory");
  }
  for (uint64_t page = offset / kPage; page < end / kPage; ++page) {
    uint8_t& byte = written_[page / kPagesPerByte];
    const auto bit = static_cast<uint8_t>(1u << (page % kPagesPerByte));
    if (byte & bit) --written_pages_;
    byte = static_cast<uint8_t>(byte & ~bit);
  }
}

void BackingStore::clear() {
  if (madvise(base_, capacity_, MADV_DONTNEED) != 0 ||
      madvise(written_, bitmap_bytes(capacity_), MADV_DONTNEED) != 0)
    fail("clear the memory");
  for (const auto& [start, part] : attached_)
    if (madvise(base_ + start, part.length, MADV_REMOVE) != 0) fail("clear the memory");
  written_pages_ = 0;
}

/// Marks the pages in [offset, end) that somebody else has written through an attached file.
void BackingStore::notice_attached(uint64_t offset, uint64_t end) const {
  for (const auto& [start, part] : attached_) {
    const uint64_t from = std::max(offset, start);
    const uint64_t to = std::min(end, start + part.length);
    if (from >= to) continue;
    const auto limit = static_cast<off_t>(part.file_offset + (to - start));
    auto at = static_cast<off_t>(part.file_offset + (from - start));
    while ((at = lseek(part.fd, at, SEEK_DATA)) >= 0 && at < limit) {
      const off_t hole = std::min(lseek(part.fd, at, SEEK_HOLE), limit);
      mark(start + (static_cast<uint64_t>(at) - part.file_offset), static_cast<uint64_t>(hole - at));
      at = hole;
    }
    if (at < 0 && errno != ENXIO) fail("look into the file that holds a part of the memory");
  }
}

uint64_t BackingStore::touched_bytes() const {
  notice_attached(0, capacity_);
  return written_pages_ * kPage;
}

void BackingStore::attach(uint64_t offset, uint64_t length, int fd, uint64_t file_offset) {
  check(offset, length);
  const auto next = attached_.upper_bound(offset);
  const bool overlaps =
      (next != attached_.end() && next->first < offset + length) ||
      (next != attached_.begin() && std::prev(next)->first + std::prev(next)->second.length > offset);
  if (length == 0 || (offset | length | file_offset) % kPage != 0 || overlaps)
    throw core::Error(core::ErrorKind::internal, name_,
                      fmt::format("cannot attach a file to {} bytes at {:#x}", length, offset));
  void* const file = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
                          static_cast<off_t>(file_offset));
  if (file == MAP_FAILED) fail("map the file that is to hold a part of the memory");
  if (madvise(file, length, MADV_REMOVE) != 0) fail("empty the file that is to hold a part of the memory");
  for (uint64_t at = 0; at < length; at += kPage)
    if (is_marked((offset + at) / kPage))
      std::memcpy(static_cast<uint8_t*>(file) + at, base_ + offset + at, kPage);
  // Takes the place of the store's own pages, which go back to the host.
  if (mremap(file, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, base_ + offset) == MAP_FAILED)
    fail("map the file that is to hold a part of the memory");
  attached_[offset] = {length, fd, file_offset};
}

void BackingStore::detach(uint64_t offset) {
  const auto part = attached_.find(offset);
  if (part == attached_.end())
    throw core::Error(core::ErrorKind::internal, name_, fmt::format("no file is attached at {:#x}", offset));
  const uint64_t length = part->second.length;
  notice_attached(offset, offset + length);
  void* const own = mmap(nullptr, length, PROT_READ | PROT_WRITE, kPrivate, -1, 0);
  if (own == MAP_FAILED) fail("take back a part of the memory");
  for (uint64_t at = 0; at < length; at += kPage)
    if (is_marked((offset + at) / kPage))
      std::memcpy(static_cast<uint8_t*>(own) + at, base_ + offset + at, kPage);
  if (madvise(base_ + offset, length, MADV_REMOVE) != 0 ||
      mremap(own, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, base_ + offset) == MAP_FAILED)
    fail("take back a part of the memory");
  attached_.erase(part);
}

}  // namespace rdu::memory
