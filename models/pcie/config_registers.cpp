#include "pcie/config_registers.h"

namespace rdu::pcie {

void ConfigRegisters::read(size_t offset, uint8_t* data, size_t size) const {
  for (size_t i = 0; i < size; ++i) data[i] = bytes_[offset + i].value;
}

void ConfigRegisters::write(size_t offset, const uint8_t* data, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    Byte& b = bytes_[offset + i];
    const int kept = b.value & ~b.rw & ~(b.w1c & data[i]);
    b.value = static_cast<uint8_t>(kept | (data[i] & b.rw));
  }
  written();
}

void ConfigRegisters::reset(Reset kind) {
  for (Byte& b : bytes_) {
    int kept = 0;
    if (kind != Reset::power_on) kept |= b.sticky;
    if (kind == Reset::function) kept |= b.flr_keeps;
    b.value = static_cast<uint8_t>((b.value & kept) | (b.reset & ~kept));
  }
  was_reset(kind);
}

ConfigRegisters::Register::Register(ConfigRegisters& owner, size_t offset, size_t bytes, uint32_t reset,
                                    BitRights rights)
    : owner_(owner), offset_(offset), bytes_(bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    const auto part = [i](uint32_t word) { return static_cast<uint8_t>(word >> (8 * i)); };
    owner.bytes_.at(offset + i) = {part(reset),      part(reset),         part(rights.rw),
                                   part(rights.w1c), part(rights.sticky), part(rights.flr_keeps)};
  }
}

uint32_t ConfigRegisters::Register::value() const {
  uint32_t value = 0;
  for (size_t i = 0; i < bytes_; ++i) value |= uint32_t{owner_.bytes_[offset_ + i].value} << (8 * i);
  return value;
}

void ConfigRegisters::Register::set_value(uint32_t value) {
  for (size_t i = 0; i < bytes_; ++i)
    owner_.bytes_[offset_ + i].value = static_cast<uint8_t>(value >> (8 * i));
}

}  // namespace rdu::pcie
