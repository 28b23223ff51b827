#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pcie/host_port.h"
#include "pcie/record/recording.h"
#include "pcie/vfio_user/irq_vectors.h"
#include "pcie/vfio_user/server.h"

namespace rdu::pcie::record {

/// A host that was recorded: asks what it asked, gives the memory that it had, and holds everything that the
/// device does against what it did. After the first difference, or where the file is cut off, the present
/// slice of the simulation ends; the caller does not begin another.
class ReplayPort : public HostPort {
 public:
  /// Both outlive it. `compare_hash`: the trace hash must be that of the recording, too (not so if
  /// configuration or firmware are known to be others).
  ReplayPort(RecordingReader& file, vfio_user::Device& device, bool compare_hash);

  /// What comes next in the recording; null at its end, or at the end of what can be read.
  const Record* upcoming() const { return next_ ? &*next_ : nullptr; }
  /// The first difference, in several lines; empty: there is none.
  const std::string& difference() const { return difference_; }
  /// The device has not done what comes next in the recording: `why` says what it does instead.
  void miss(const std::string& why);
  /// Takes the `end` record and compares the trace hash.
  void end();

  struct Counts {
    uint64_t requests = 0;
    uint64_t copies = 0;
    uint64_t interrupts = 0;
  };
  const Counts& counts() const { return counts_; }

  /// The upcoming request. The caller sees to it that its time has come.
  std::optional<Request> next() override;
  int perform(Request& request) override;
  void answer(Request& request, int error, const uint8_t* data) override;
  int dma_read(core::Time at, uint64_t address, uint8_t* data, size_t size) override;
  int dma_write(core::Time at, uint64_t address, const uint8_t* data, size_t size) override;
  bool interrupt(uint32_t index, uint32_t vector) override;
  bool pending(uint32_t index, uint32_t vector) const override { return irqs_.pending(index, vector); }
  /// Nobody knows what else the host's memory held.
  bool peek(uint64_t, uint8_t*, size_t) override { return false; }
  bool poke(uint64_t, const uint8_t*, size_t) override { return false; }
  bool wait(std::chrono::milliseconds) override { return false; }
  void hang_up() override {}
  bool connected() const override { return false; }

 private:
  void advance();
  bool check(const Record& done);
  bool check_hash(uint64_t recorded);
  void differ(const std::string& recorded, const std::string& replayed, const std::string& detail);

  RecordingReader& file_;
  vfio_user::Device& device_;
  bool compare_hash_;
  std::optional<Record> next_;
  uint64_t position_ = 0;     ///< records before next_
  std::string last_request_;  ///< in words
  std::string difference_;
  std::map<uint64_t, uint64_t> windows_;  ///< bytes of host memory that is mapped, by bus address
  vfio_user::IrqVectors irqs_;
  Counts counts_;
};

/// A record in a line: "DMA write at 12.500 us to 0x1000, 64 bytes: 01 02 ...".
std::string describe(const Record& record);

}  // namespace rdu::pcie::record
