#include "platform/control/registers.h"

#include <fmt/format.h>

#include <cstring>

#include "platform/control/arguments.h"

namespace rdu::platform::control {
namespace {

core::Field field_of(const Place& place) {
  return place.field ? core::Field{place.field->lsb, place.field->width}
                     : core::Field{0, place.reg->desc().width};
}

void check_range(const Place& place, uint64_t value) {
  const core::Field field = field_of(place);
  if (value > field.max()) throw Refusal(fmt::format("{:#x} does not fit into {} bits", value, field.width));
}

}  // namespace

const mgmt::Management::Block& Registers::block(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& block : blocks_) {
    if (block.name == name) return block;
    names.push_back(block.name);
  }
  unknown("block", name, names);
}

Place Registers::find(const std::string& name) const {
  const size_t dot = name.find('.');
  const auto& in = block(name.substr(0, dot));
  if (dot == std::string::npos)
    throw Refusal(fmt::format("'{}' is a block; a register is BLOCK.REGISTER or BLOCK.REGISTER.FIELD", name));
  const std::string rest = name.substr(dot + 1);
  if (core::Register* reg = in.registers->find(rest)) return {&in, reg, nullptr};
  const size_t last = rest.rfind('.');
  core::Register* reg = last == std::string::npos ? nullptr : in.registers->find(rest.substr(0, last));
  std::vector<std::string> names;
  if (!reg) {
    for (const core::Register* each : in.registers->registers()) names.push_back(each->name());
    unknown("register of " + in.name, rest, names);
  }
  const std::string field = rest.substr(last + 1);
  for (size_t i = 0; i < reg->desc().field_count; ++i) {
    if (field == reg->desc().fields[i].name) return {&in, reg, &reg->desc().fields[i]};
    names.push_back(reg->desc().fields[i].name);
  }
  unknown("field of " + in.name + "." + reg->name(), field, names);
}

uint64_t Registers::peek(const Place& place) {
  return field_of(place).get(place.reg->peek());
}

uint64_t Registers::read(const Place& place) {
  uint64_t value = 0;
  place.block->registers->access(false, place.reg->offset(), place.reg->bytes(),
                                 reinterpret_cast<uint8_t*>(&value));
  return field_of(place).get(value);
}

void Registers::write(const Place& place, uint64_t value) {
  check_range(place, value);
  if (place.field) {  // what acts when written as one is written as zero beside it
    const uint64_t others = place.reg->peek() & ~(place.reg->desc().w1c | place.reg->desc().w1s);
    value = field_of(place).set(others, value);
  }
  place.block->registers->access(true, place.reg->offset(), place.reg->bytes(),
                                 reinterpret_cast<uint8_t*>(&value));
}

void Registers::force(const Place& place, uint64_t value) {
  check_range(place, value);
  place.reg->set(field_of(place), value);
}

}  // namespace rdu::platform::control
