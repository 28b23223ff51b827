#include "pcie/bar0.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace rdu::pcie {
namespace {

constexpr size_t kDword = 4, kQword = 8;

bool is_inside(uint64_t offset, uint64_t begin, uint64_t size) {
  return offset >= begin && offset - begin < size;
}

}  // namespace

Bar0::Bar0(core::RegisterFile& registers, Msix& msix, uint64_t msix_table, uint64_t msix_pending,
           std::function<uint64_t()> pending)
    : registers_(registers),
      msix_(msix),
      msix_table_(msix_table),
      msix_pending_(msix_pending),
      pending_(std::move(pending)) {}

bool Bar0::read_dword(uint64_t offset, uint8_t* data) {
  if (is_inside(offset, msix_table_, Msix::kTableSize)) {
    msix_.table_read(offset - msix_table_, data, kDword);
    return true;
  }
  if (is_inside(offset, msix_pending_, Msix::kPendingSize)) {
    const auto half = static_cast<uint32_t>(pending_() >> (8 * (offset - msix_pending_)));
    std::memcpy(data, &half, kDword);
    return true;
  }
  return registers_.access(false, offset, kDword, data);
}

bool Bar0::write_dword(uint64_t offset, const uint8_t* data) {
  if (is_inside(offset, msix_table_, Msix::kTableSize)) {
    msix_.table_write(offset - msix_table_, data, kDword);
    return true;
  }
  if (is_inside(offset, msix_pending_, Msix::kPendingSize)) return true;  // read-only
  std::array<uint8_t, kDword> copy;
  std::copy_n(data, kDword, copy.begin());
  return registers_.access(true, offset, kDword, copy.data());
}

bool Bar0::read(uint64_t offset, uint8_t* data, size_t size) {
  bool answered = true;
  while (size > 0) {
    size_t done = kQword;
    if (offset % kQword != 0 || size < kQword || !registers_.access(false, offset, kQword, data)) {
      const size_t skipped = offset % kDword;
      std::array<uint8_t, kDword> word;
      if (!read_dword(offset - skipped, word.data())) {
        word.fill(0xff);
        answered = false;
      }
      done = std::min(kDword - skipped, size);
      std::copy_n(word.begin() + static_cast<std::ptrdiff_t>(skipped), done, data);
    }
    offset += done;
    data += done;
    size -= done;
  }
  return answered;
}

bool Bar0::write(uint64_t offset, const uint8_t* data, size_t size) {
  if ((offset | size) % kDword != 0) return false;
  bool answered = true;
  while (size > 0) {
    size_t done = kQword;
    std::array<uint8_t, kQword> copy;
    std::copy_n(data, std::min(size, kQword), copy.begin());
    if (offset % kQword != 0 || size < kQword || !registers_.access(true, offset, kQword, copy.data())) {
      answered = write_dword(offset, data) && answered;
      done = kDword;
    }
    offset += done;
    data += done;
    size -= done;
  }
  return answered;
}

}  // namespace rdu::pcie
