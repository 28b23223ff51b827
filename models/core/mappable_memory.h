#pragma once

#include <cstdint>

namespace rdu::core {

/// A memory whose bytes can be moved into a file for a while, so that another process which maps the file
/// reads and writes them without asking (the windows of PCIe BAR2).
class MappableMemory {
 public:
  virtual uint64_t capacity() const = 0;  ///< bytes
  /// It answers: a memory that is not trained has nothing to show.
  virtual bool available() const = 0;

  /// From now on [offset, offset + length) is [file_offset, file_offset + length) of the file, with the
  /// content that it has. The file's content there is lost. All are multiples of 4096, the range lies inside
  /// the memory and no part of it is attached.
  virtual void attach(uint64_t offset, uint64_t length, int fd, uint64_t file_offset) = 0;
  /// Takes the range that was attached at `offset` back, with what is in the file by now; a hole is left
  /// there.
  virtual void detach(uint64_t offset) = 0;

 protected:
  ~MappableMemory() = default;
};

}  // namespace rdu::core
