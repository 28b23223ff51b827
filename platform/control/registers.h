#pragma once

#include <string>
#include <vector>

#include "core/register.h"
#include "mgmt/management.h"

namespace rdu::platform::control {

/// A register or one of its fields by name.
struct Place {
  const mgmt::Management::Block* block;
  core::Register* reg;
  const core::FieldDesc* field;  ///< nullptr: the register as a whole
};

/// All registers of a chip by name: "HBM_CTL.STATUS", "LINK_CTL.LINK[0].STATUS", "HBM_CTL.STATUS.TRAINED".
class Registers {
 public:
  explicit Registers(std::vector<mgmt::Management::Block> blocks) : blocks_(std::move(blocks)) {}

  const std::vector<mgmt::Management::Block>& blocks() const { return blocks_; }
  /// These throw Refusal with the closest valid name.
  const mgmt::Management::Block& block(const std::string& name) const;
  Place find(const std::string& name) const;

  /// What a debugger sees: no effects.
  static uint64_t peek(const Place& place);
  /// As software reads and writes it, with all effects. Fields of a register that are not written keep their
  /// value.
  static uint64_t read(const Place& place);
  static void write(const Place& place, uint64_t value);
  /// The value as hardware sets it, whatever software may do.
  static void force(const Place& place, uint64_t value);

 private:
  std::vector<mgmt::Management::Block> blocks_;
};

}  // namespace rdu::platform::control
