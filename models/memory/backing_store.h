#pragma once

#include <cstdint>
#include <string>

namespace rdu::memory {

/// The bytes of a memory, up to a few TiB. One mapping reserves the address range; the host spends memory
/// only on pages that were written. Never-written bytes read as zero.
class BackingStore {
 public:
  enum class Kind {
    anonymous,  ///< private to the process
    shared,     ///< backed by a memfd, so that another process can map it (a PCIe BAR without traps)
  };

  /// `name` is the owner's hierarchical name, for messages. Throws bad_input if capacity is 0 or no multiple
  /// of the page size, or if the host refuses the mapping.
  BackingStore(std::string name, uint64_t capacity, Kind kind = Kind::anonymous);
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

  /// Bytes that the host spends, in whole pages: for `anonymous` the pages that write() has reached (own
  /// bitmap: mincore() would count pages that were only read, and walk the whole range), for `shared` what
  /// the file occupies, whoever wrote it.
  uint64_t touched_bytes() const;

  /// `shared` only: the file to map elsewhere (the store keeps it), and the mapping itself. -1 and nullptr
  /// for `anonymous`, whose bitmap must see every write.
  int fd() const { return fd_; }
  uint8_t* shared_data() const { return kind_ == Kind::shared ? base_ : nullptr; }

  static constexpr uint64_t kPage = 4096;

 private:
  void check(uint64_t offset, uint64_t length) const;
  uint8_t* map(uint64_t bytes, int fd, const char* what) const;
  void mark(uint64_t offset, uint64_t length);
  bool any_written(uint64_t offset, uint64_t end) const;
  void drop(uint64_t offset, uint64_t length);

  std::string name_;
  uint64_t capacity_;
  Kind kind_;
  int fd_ = -1;
  uint8_t* base_ = nullptr;
  uint8_t* written_ = nullptr;  ///< a bit a page; itself sparse. anonymous only
  uint64_t written_pages_ = 0;
};

}  // namespace rdu::memory
