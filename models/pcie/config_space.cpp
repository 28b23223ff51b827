#include "pcie/config_space.h"

#include <algorithm>
#include <cstring>

namespace rdu::pcie {
namespace {

// Where the capabilities lie. Each names the next; 0 ends a list.
constexpr uint8_t kPower = 0x40, kMsix = 0x48, kExpress = 0x60;
constexpr uint16_t kAer = 0x100, kSerialNumber = 0x150;
constexpr uint32_t kClassProcessingAccelerator = 0x120000;

}  // namespace

ConfigSpace::ConfigSpace(uint64_t serial)
    : header({kVendor, kDevice, kVendor, 1, 1, kClassProcessingAccelerator, kPower}, kBar0Size, kBar2Size),
      power(kMsix),
      msix(kExpress, kMsixTable, kMsixPending),
      express(0),
      aer(kSerialNumber),
      serial_number(serial, 0),
      errors(header, express, aer),
      parts_{{{0, &header},
              {kPower, &power},
              {kMsix, &msix},
              {kExpress, &express},
              {kAer, &aer},
              {kSerialNumber, &serial_number}}} {}

void ConfigSpace::read(uint64_t offset, uint8_t* data, size_t size) const {
  std::memset(data, 0, size);
  for (const Part& part : parts_) {
    const size_t from = std::max<size_t>(offset, part.offset);
    const size_t to = std::min<size_t>(offset + size, part.offset + part.registers->size());
    if (from < to) part.registers->read(from - part.offset, data + (from - offset), to - from);
  }
}

void ConfigSpace::write(uint64_t offset, const uint8_t* data, size_t size) {
  for (const Part& part : parts_) {
    const size_t from = std::max<size_t>(offset, part.offset);
    const size_t to = std::min<size_t>(offset + size, part.offset + part.registers->size());
    if (from < to) part.registers->write(from - part.offset, data + (from - offset), to - from);
  }
}

void ConfigSpace::reset(Reset kind) {
  for (const Part& part : parts_) part.registers->reset(kind);
}

}  // namespace rdu::pcie
