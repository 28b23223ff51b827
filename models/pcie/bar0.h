#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "core/register.h"
#include "pcie/msix.h"

namespace rdu::pcie {

/// BAR0: the host's registers, the MSI-X table and the pending bits, and the rule by which accesses reach
/// them.
///
/// An access is cut at multiples of 8 and 4 bytes into qwords and dwords, which are done in order of address.
/// A 64-bit register that an access covers as an aligned qword is read or written at once. Reads of any size
/// and alignment are answered: of a dword that is covered in part, the whole dword is read. Writes must begin
/// and end at a multiple of 4; others do nothing at all, for no register has bytes of its own.
class Bar0 {
 public:
  /// Offsets in BAR0. `pending`: the pending bit array.
  Bar0(core::RegisterFile& registers, Msix& msix, uint64_t msix_table, uint64_t msix_pending,
       std::function<uint64_t()> pending);

  /// False if a dword of it is answered by nobody: it reads as all ones; a write to it is lost.
  bool read(uint64_t offset, uint8_t* data, size_t size);
  bool write(uint64_t offset, const uint8_t* data, size_t size);

 private:
  bool read_dword(uint64_t offset, uint8_t* data);
  bool write_dword(uint64_t offset, const uint8_t* data);

  core::RegisterFile& registers_;
  Msix& msix_;
  uint64_t msix_table_;
  uint64_t msix_pending_;
  std::function<uint64_t()> pending_;
};

}  // namespace rdu::pcie
