#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "fabric/test/fake_memory.h"
#include "fabric/test/program_builder.h"
#include "fabric/tile.h"
#include "regs/sequencer.hpp"

namespace rdu::fabric::test {

/// A tile with memory of its own, driven through its registers as firmware would. All benches of a test
/// program have to be made before the first of them runs: SystemC takes no modules later.
class Bench : public sc_core::sc_module, private core::InterruptSink {
 public:
  static constexpr uint64_t kMemory = 3 << 20;

  Bench(const sc_core::sc_module_name& name, const FabricParams& params);

  FabricParams params;
  FakeMemory memory;
  FakeTranslator translator;
  Tile tile;
  tlm_utils::simple_initiator_socket<Bench> socket;
  unsigned interrupts = 0;
  std::vector<core::GuestFault> faults;  ///< that were logged since the last clear()

  uint64_t read(uint64_t offset, unsigned bytes = 4);
  void write(uint64_t offset, uint64_t value, unsigned bytes = 4);

  /// Puts a stream at physical `address` and commands its load; returns FAULT.CODE.
  uint64_t load(const std::vector<uint8_t>& stream, uint64_t address = 0x100000, bool scrub = false);
  uint64_t execute();
  uint64_t arguments(const std::vector<rdu_argument_tuple>& tuples, bool then_execute = false);
  void command(core::Field field, uint64_t more = 0);
  /// Runs until STATUS.DONE; fails after `limit`. Returns FAULT.CODE.
  uint64_t wait(core::Time limit = 10 * core::kMillisecond);

  struct Counters {
    uint64_t busy, stall_in, stall_out, vectors, bytes;
    friend bool operator==(const Counters& a, const Counters& b) {
      return a.busy == b.busy && a.stall_in == b.stall_in && a.stall_out == b.stall_out &&
             a.vectors == b.vectors && a.bytes == b.bytes;
    }
  };
  Counters counters(uint32_t unit);

  static uint64_t virtual_address(uint64_t physical) { return FakeTranslator::kOffset + physical; }

 private:
  void set_interrupt(unsigned, bool level) override { interrupts += level; }
  uint64_t transport(tlm::tlm_command command, uint64_t offset, uint64_t value, unsigned bytes);
};

}  // namespace rdu::fabric::test
