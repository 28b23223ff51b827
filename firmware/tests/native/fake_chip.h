#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace rdu::firmware {

/// The core went to sleep for good: nothing can wake it.
struct Halted : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What the management firmware touches, as far as its services need it, for tests of the services compiled
/// for the host. Hardware works only when told: step() ends the oldest operation under way. Of the chips one
/// exists at a time, and the firmware's register accesses (hal/mmio.h, hal/cpu.h) go to it. Times are
/// invented: a step takes 1 us.
class FakeChip {
 public:
  static constexpr uint64_t kHostBytes = 1 << 20;  ///< host memory at bus address 0
  static constexpr uint32_t kFlashBytes = 128u << 10;
  static constexpr uint64_t kHbmBytes = 64 << 20;
  static constexpr uint64_t kDdrBytes = 128 << 20;

  FakeChip();
  ~FakeChip();
  FakeChip(const FakeChip&) = delete;
  FakeChip& operator=(const FakeChip&) = delete;

  // --- the firmware's side ---
  uint64_t read(uint64_t address);
  void write(uint64_t address, uint64_t value);
  void wait();
  void wake_on(uint64_t mie) { mie_ = mie; }

  /// Ends the oldest operation; false when none is under way.
  bool step();
  /// Lets the firmware serve and the hardware work until neither has anything left to do.
  void run();

  // --- the host's side ---
  void set_enable(bool on);
  /// CC.SHN, while enabled.
  void shut_down(bool abruptly);
  void ring_submission(unsigned queue, uint32_t tail);
  void ring_completion(unsigned queue, uint32_t head);
  void reset_by_host();
  void request_mailbox(uint32_t request);
  uint8_t* host(uint64_t bus) { return &host_memory_.at(bus); }

  // --- what happens by itself ---
  void set_temperature(unsigned sensor, int32_t millicelsius);
  /// A read of `control`'s memory met an error of ECC.
  void find_error(uint64_t control, bool corrected, uint64_t offset);
  void end_link(unsigned link, uint32_t status);

  /// A register's value, without side effects.
  uint64_t& reg(uint64_t address) { return registers_[address]; }

  std::string console;
  std::vector<unsigned> interrupts;       ///< MSI-X vectors sent
  std::vector<uint32_t> tags;             ///< SYSCTL.TRACE_TAG as written
  unsigned reset_answers = 0;             ///< HOST_RESET_DONE
  std::map<uint64_t, unsigned> training;  ///< by controller: 0 succeeds (default), 1 fails, 2 never ends
  std::map<uint64_t, unsigned>
      failing_trainings;  ///< by controller: so many attempts fail before one succeeds
  /// By link: STATUS at the end of each training, one after another; where none is left, training never ends.
  std::map<unsigned, std::deque<uint32_t>> link_outcomes;
  unsigned kicks = 0;                 ///< of the watchdog
  std::vector<uint32_t> core_resets;  ///< SYSCTL.RESET as written
  bool bus_master = true;
  unsigned kernel_fault = 0;  ///< FAULT.CODE of sequencers' next operations
  unsigned aborts = 0;
  uint64_t hold = ~uint64_t{0};  ///< base of an engine whose operations do not end
  std::vector<uint8_t> flash = std::vector<uint8_t>(kFlashBytes, 0xff);
  unsigned flash_error = 0;  ///< STATUS.ERROR of the flash's next operations
  unsigned erased = 0, programmed = 0;
  std::vector<std::pair<uint64_t, uint64_t>>
      copies;  ///< destination and bytes of copies with virtual addresses
  std::vector<std::pair<uint64_t, uint64_t>> cleared;  ///< device physical address and bytes
  std::vector<uint32_t> commands;                      ///< CONTROL of sequencers, as written

 private:
  struct Operation {
    uint64_t base;  ///< channel's or sequencer's or controller's registers
    enum { copy, kernel, training, flash, crypto, link } kind;
    bool aborted = false;
  };

  uint32_t lines() const;
  void write_hostctl(uint64_t offset, uint64_t value);
  void write_copy_engine(uint64_t offset, uint64_t value);
  void write_sequencer(uint64_t base, uint64_t offset, uint64_t value);
  void write_memctl(uint64_t base, uint64_t offset, uint64_t value);
  void write_flash_ctl(uint64_t offset, uint64_t value);
  void write_crypto(uint64_t offset, uint64_t value);
  void end_flash();
  void end_crypto();
  bool write_small_block(uint64_t address, uint64_t value);
  uint32_t sensors_interrupting() const;
  uint32_t links_interrupting() const;
  void end_training(uint64_t base);
  void end(const Operation& operation);
  void end_copy(const Operation& operation);
  void end_kernel(const Operation& operation);
  bool translate(uint64_t context, uint64_t address, uint64_t bytes, uint64_t* physical) const;
  void clear(uint64_t address, uint64_t bytes);
  uint8_t* place(uint64_t address, uint64_t bytes);
  uint64_t value(uint64_t address) const;
  void abort(uint64_t base);

  std::map<uint64_t, uint64_t> registers_;
  std::vector<uint8_t> host_memory_;
  std::map<uint64_t, std::vector<uint8_t>> device_memory_;  ///< by page
  std::deque<Operation> operations_;
  uint64_t mie_ = 0;
  uint64_t now_ns_ = 0;
  uint64_t timer_ticks_ = UINT64_MAX;
  uint32_t in_service_ = 0;
};

}  // namespace rdu::firmware
