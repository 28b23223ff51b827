#include "core/register.h"

#include <algorithm>
#include <cstring>

namespace rdu::core {

Register::Register(RegisterFile& file, const RegisterDesc& desc)
    : Register(file, desc, desc.offset, desc.name) {}

Register::Register(RegisterFile& file, const RegisterDesc& desc, uint64_t offset, std::string name)
    : desc_(desc), name_(std::move(name)), offset_(offset), value_(desc.reset) {
  file.add(this);
}

uint64_t Register::read() {
  if (read_hook_) read_hook_();
  const uint64_t seen = value_ & desc_.readable;
  value_ &= ~desc_.read_clears;
  return seen;
}

uint64_t Register::peek() {
  if (read_hook_ && !desc_.read_effect) read_hook_();
  return value_ & desc_.readable;
}

void Register::write(uint64_t value) {
  const uint64_t before = value_;
  value_ = (value_ & ~desc_.writable) | (value & desc_.writable);
  value_ &= ~(value & desc_.w1c);
  value_ |= value & desc_.w1s;
  if (write_hook_) write_hook_(before);
  value_ &= desc_.readable;
}

void RegisterFile::add(Register* reg) {
  registers_.push_back(reg);
  by_offset_.emplace(reg->offset(), reg);
}

Register* RegisterFile::find(uint64_t offset) const {
  auto next = by_offset_.upper_bound(offset);
  if (next == by_offset_.begin()) return nullptr;
  Register* reg = std::prev(next)->second;
  return offset < reg->offset() + reg->bytes() ? reg : nullptr;
}

Register* RegisterFile::find(const std::string& name) const {
  for (Register* reg : registers_) {
    if (reg->name() == name) return reg;
  }
  return nullptr;
}

namespace {

/// Which bits of the register an access covers: false if that size and place is not defined.
bool place(const Register& reg, uint64_t offset, unsigned length, unsigned* shift, uint64_t* mask) {
  const uint64_t within = offset - reg.offset();
  if (length == reg.bytes() && within == 0) {
    *shift = 0;
    *mask = length == 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * length)) - 1;
    return true;
  }
  if (reg.bytes() == 8 && length == 4 && within % 4 == 0) {
    *shift = static_cast<unsigned>(8 * within);
    *mask = uint64_t{0xffffffff} << *shift;
    return true;
  }
  return false;
}

}  // namespace

bool RegisterFile::access(bool write, uint64_t offset, unsigned length, uint8_t* data) {
  // Two neighbouring 32-bit registers are reached by one aligned 64-bit access, low offset first.
  Register* reg = find(offset);
  if (!reg) return false;
  if (length == 8 && reg->bytes() == 4) {
    Register* high = find(offset + 4);
    if (offset % 8 != 0 || reg->offset() != offset || !high || high->bytes() != 4) return false;
    return access(write, offset, 4, data) && access(write, offset + 4, 4, data + 4);
  }
  unsigned shift = 0;
  uint64_t mask = 0;
  if (!place(*reg, offset, length, &shift, &mask)) return false;
  const uint64_t before = reg->value();
  uint64_t value = 0;
  if (write) {
    std::memcpy(&value, data, length);
    value <<= shift;
    // The other half keeps its value, refreshed if hardware changes it; bits that act when written as one are
    // written as zero there.
    if (length != reg->bytes()) reg->peek();
    const uint64_t others = reg->value() & ~(reg->desc().w1c | reg->desc().w1s);
    value = (value & mask) | (others & ~mask);
    reg->write(value);
  } else {
    value = reg->read();
    const uint64_t part = (value & mask) >> shift;
    std::memcpy(data, &part, length);
  }
  for (const auto& [number, observer] : observers_) observer({write, *reg, mask, before, value});
  return true;
}

bool RegisterFile::peek(uint64_t offset, unsigned length, uint8_t* data) {
  Register* reg = find(offset);
  unsigned shift = 0;
  uint64_t mask = 0;
  if (!reg || !place(*reg, offset, length, &shift, &mask)) return false;
  const uint64_t part = (reg->peek() & mask) >> shift;
  std::memcpy(data, &part, length);
  return true;
}

unsigned RegisterFile::observe(Observer observer) {
  observers_.emplace_back(++observers_so_far_, std::move(observer));
  return observers_so_far_;
}

void RegisterFile::unobserve(unsigned number) {
  const auto is_it = [number](const auto& entry) { return entry.first == number; };
  observers_.erase(std::remove_if(observers_.begin(), observers_.end(), is_it), observers_.end());
}

void RegisterFile::reset() {
  for (Register* reg : registers_) reg->reset();
}

std::string indexed(const char* group, unsigned index) {
  return std::string(group) + "[" + std::to_string(index) + "]";
}

}  // namespace rdu::core
