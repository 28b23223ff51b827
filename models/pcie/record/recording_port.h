#pragma once

#include <chrono>
#include <string>

#include "pcie/host_port.h"
#include "pcie/record/recording.h"

namespace rdu::pcie::record {

/// A host whose every word, and what it is told, is written down.
class RecordingPort : public HostPort {
 public:
  /// Both outlive it.
  RecordingPort(HostPort& host, RecordingWriter& file) : host_(host), file_(file) {}

  /// The run is over; `why` is for those who look at the file.
  void end(const std::string& why);
  /// Why nothing is written any more; empty: all is well.
  const std::string& failure() const { return failure_; }

  std::optional<Request> next() override;
  int perform(Request& request) override { return host_.perform(request); }
  void answer(Request& request, int error, const uint8_t* data) override;
  int dma_read(core::Time at, uint64_t address, uint8_t* data, size_t size) override;
  int dma_write(core::Time at, uint64_t address, const uint8_t* data, size_t size) override;
  bool interrupt(uint32_t index, uint32_t vector) override;
  bool pending(uint32_t index, uint32_t vector) const override { return host_.pending(index, vector); }
  bool peek(uint64_t address, uint8_t* data, size_t size) override { return host_.peek(address, data, size); }
  bool poke(uint64_t address, const uint8_t* data, size_t size) override;
  bool wait(std::chrono::milliseconds timeout) override;
  void hang_up() override { host_.hang_up(); }
  bool connected() const override { return host_.connected(); }

 private:
  using Clock = std::chrono::steady_clock;

  void write(const Record& record);
  void flush();
  void fail(const RecordingError& error);
  void write_copy(Record::Kind kind, core::Time at, uint64_t address, const uint8_t* data, size_t size,
                  int error);

  HostPort& host_;
  RecordingWriter& file_;
  Clock::time_point flushed_ = Clock::now();
  std::string failure_;
};

}  // namespace rdu::pcie::record
