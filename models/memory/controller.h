#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/mappable_memory.h"
#include "core/register_port.h"
#include "core/systemc.h"
#include "core/transfer.h"
#include "memory/backing_store.h"
#include "memory/channel_timing.h"
#include "memory/line_errors.h"
#include "memory/params.h"
#include "regs/memctl.hpp"

namespace rdu::memory {

/// A memory controller, for HBM and DDR, at transaction level: it spreads a transfer over the channels by
/// interleave and answers when the last channel has. The firmware trains it through its registers before it
/// answers at all (memctl.regs.yaml). README.md has the formulas.
class MemoryController : public sc_core::sc_module, public core::TransferTarget, public core::MappableMemory {
 public:
  /// Throws bad_input for parameters that make no memory (no channel, no bandwidth, an interleave that does
  /// not divide the capacity), and what BackingStore throws.
  MemoryController(const sc_core::sc_module_name& name, const ControllerParams& params);

  core::RegisterPort registers;  ///< its socket goes to the management core's bus
  core::InterruptLine interrupt;

  /// Before training: access_denied, and a guest fault (the first since reset or training). An access that
  /// does not lie wholly inside the memory: decode_error. A read of a line with an error that ECC cannot
  /// correct: data_error.
  void access(core::Transfer& t, uint64_t offset, core::Time arrive) override;
  /// Takes the channels as long as any write of its bytes.
  void zero(core::Transfer& t, uint64_t offset, core::Time arrive) override;
  /// Reads, modifies, writes: takes the channels twice as long as a write. A line that ECC cannot correct is
  /// left as it is: data_error.
  void update(core::Transfer& t, uint64_t offset, core::Time arrive) override;
  /// Works before training too: it is a debugger's and loader's back door.
  bool debug(uint64_t offset, uint8_t* data, uint64_t length, bool write) override;

  // core::MappableMemory. What reaches the bytes through the file passes no controller: it takes no time, is
  // not counted, needs no training once attached, and ECC does not see it.
  uint64_t capacity() const override { return params_.capacity; }
  bool available() const override { return trained_; }
  void attach(uint64_t offset, uint64_t length, int fd, uint64_t file_offset) override {
    store_.attach(offset, length, fd, file_offset);
  }
  void detach(uint64_t offset) override { store_.detach(offset); }

  /// Spoils the line that a byte lies in, as register ECC_INJECT does.
  void spoil(uint64_t offset, bool correctable) { errors_.spoil(offset, correctable); }

  /// A chip's reset: untrained, counters and registers at their reset values. Memory keeps its content, as
  /// DRAM may; power_cycle() also zeroes it.
  void reset();
  void power_cycle();

  /// What reached the channels since reset or CONTROL.CLEAR.
  struct Counters {
    uint64_t bytes_read = 0;
    uint64_t bytes_written = 0;
    uint64_t reads = 0;
    uint64_t writes = 0;
  };
  const Counters& counters() const { return counters_; }
  bool trained() const { return trained_; }
  BackingStore& store() { return store_; }
  const ControllerParams& params() const { return params_; }

 private:
  struct Channel {
    ChannelTiming timing;
    core::TrackId track;
  };

  void control_written();
  bool refuses(core::Transfer& t, uint64_t offset, core::Time arrive);
  void count_write(uint64_t offset, uint64_t length);
  core::Time take_channels(const core::Transfer& t, uint64_t offset, core::Time arrive, unsigned passes = 1);
  void publish();
  void training_ended();
  uint64_t phase() const;
  bool read_checks(uint64_t offset, uint64_t length);
  void inject();
  void update_interrupt();

  ControllerParams params_;
  regs::memctl::Registers regs_;
  BackingStore store_;
  std::vector<Channel> channels_;
  Counters counters_;
  std::vector<uint8_t> old_;  ///< what an update reads
  sc_core::sc_event training_end_;
  LineErrors errors_;
  core::Time training_begin_ = 0;
  uint64_t trainings_ = 0;  ///< since the last reset
  bool trained_ = false;
  bool refusal_reported_ = false;
};

}  // namespace rdu::memory
