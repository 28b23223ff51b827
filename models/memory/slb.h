#pragma once

#include <cstdint>
#include <string>

#include "core/register_port.h"
#include "core/transfer.h"
#include "regs/slb.hpp"

namespace rdu::memory {

/// The segment lookaside buffer: the one table of contexts' segments that AGCUs and the copy engine translate
/// with. Combinational: users add no time for it.
class Slb : public core::AddressTranslator {
 public:
  static constexpr unsigned kContexts = 8;
  static constexpr unsigned kSegments = 4;  ///< of a context

  /// `name` is the hierarchical name, for messages.
  explicit Slb(const std::string& name) : registers(name, regs_) {}

  core::RegisterPort registers;

  bool translate(unsigned context, uint64_t address, uint64_t length, bool write,
                 uint64_t* physical) override;

  /// All segments invalid.
  void reset() { regs_.reset(); }

 private:
  regs::slb::Registers regs_;
};

}  // namespace rdu::memory
