#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace rdu::memory {

/// The bytes of a memory, up to a few TiB. One mapping reserves the address range; the host spends memory
/// only on pages that were written. Never-written bytes read as zero.
class BackingStore {
 public:
  /// `name` is the owner's hierarchical name, for messages. Throws bad_input if capacity is 0 or no multiple
  /// of the page size, or if the host refuses the mapping.
  BackingStore(std::string name, uint64_t capacity);
  ~BackingStore();
  BackingStore(const BackingStore&) = delete;
  BackingStore& operator=(const BackingStore&) = delete;

  uint64_t capacity() const { return capacity_; }
  /// True if all `length` bytes from `offset` exist; no overflow, and true for no bytes at any offset up to
  /// the capacity.
  bool contains(uint64_t offset, uint64_t length) const {
    return offset <= capacity_ && length <= capacity_ - offset;
  }

  /// Throw an internal error if a byte lies outside: callers check what software gave them with contains().
  void read(uint64_t offset, void* data, uint64_t length) const;
  void write(uint64_t offset, const void* data, uint64_t length);
  /// write() of zeroes. Pages that were never written stay so, whole ones go back to the host.
  void zero(uint64_t offset, uint64_t length);
  /// Everything reads as zero again; the host gets its pages back.
  void clear();

  /// Bytes that the host spends, in whole pages: those that write() has reached (own bitmap: mincore() would
  /// count pages that were only read, and walk the whole range), and those of attached files that have data.
  uint64_t touched_bytes() const;

  /// As core::MappableMemory. The file's pages take the place of the store's own in its address range, so
  /// read() and write() know nothing of it and cost the same. The file must not get shorter.
  void attach(uint64_t offset, uint64_t length, int fd, uint64_t file_offset);
  void detach(uint64_t offset);

  static constexpr uint64_t kPage = 4096;

 private:
  struct Attached {
    uint64_t length;
    int fd;
    uint64_t file_offset;
  };

  void check(uint64_t offset, uint64_t length) const;
  uint8_t* map(uint64_t bytes, const char* what) const;
  bool is_marked(uint64_t page) const;
  void mark(uint64_t offset, uint64_t length) const;
  bool any_written(uint64_t offset, uint64_t end) const;
  void drop(uint64_t offset, uint64_t length);
  void notice_attached(uint64_t offset, uint64_t end) const;
  [[noreturn]] void fail(const char* what) const;

  std::string name_;
  uint64_t capacity_;
  uint8_t* base_ = nullptr;
  uint8_t* written_ = nullptr;  ///< a bit a page; itself sparse
  mutable uint64_t written_pages_ = 0;
  std::map<uint64_t, Attached> attached_;  ///< by offset
};

}  // namespace rdu::memory
