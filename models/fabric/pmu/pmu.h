#pragma once

#include <array>
#include <memory>
#include <string>

#include "fabric/pmu/banks.h"
#include "fabric/pmu/pmu_config.h"
#include "fabric/stream/port.h"

namespace rdu::fabric {

/// The memory of a PMU. Takes no host memory before its first use; keeps its content until clear().
class Scratchpad {
 public:
  explicit Scratchpad(uint64_t bytes) : bytes_(bytes) {}

  uint8_t* data();
  void clear() { data_.reset(); }

 private:
  struct Free {
    void operator()(uint8_t* p) const;
  };
  uint64_t bytes_;
  std::unique_ptr<uint8_t, Free> data_;
};

/// A pattern memory unit: a write pipeline that fills buffers from the input stream, and a read pipeline that
/// sends full buffers as the output stream, at the same time. What they do and when is in pmu/README.md.
class Pmu : public Unit {
 public:
  Pmu(Context& context, uint32_t id, const PmuConfig& config, Scratchpad& memory);

  InputPort& input() { return input_; }
  OutputPort& output() { return output_; }
  InputPort& packet_input(unsigned, unsigned) override { return input_; }
  OutputPort& packet_output(unsigned, unsigned) override { return output_; }
  const PmuConfig& config() const { return config_; }
  void configure(const PmuConfig& config);

  void start(uint64_t cycle) override;
  void run() override;
  bool finished() const override { return reader_.fill == config_.fills && output_.waiting() == 0; }
  std::string waits_for() const override;
  const UnitCounts& counts() const override { return counts_; }

 private:
  /// Accesses at address, address + the innermost stride, ...
  struct Stretch {
    uint64_t address;
    unsigned count;
  };
  /// One of the two pipelines.
  template <unsigned Levels>
  struct Pipeline {
    Counters<Levels> counters;  ///< of the next access
    Counters<Levels> behind;    ///< look_ahead() leaves the counters behind what it saw, here
    uint64_t per_fill = 1;
    uint64_t fill = 0;   ///< that it works on
    uint64_t index = 0;  ///< accesses done of that fill
    uint64_t next = 0;   ///< earliest cycle of the next access
    uint64_t busy = 0;
    BankCost cost;
    bool is_uniform = false;                 ///< accesses of the innermost level all cost the same
    std::array<uint64_t, 31> handed_over{};  ///< cycle from which the other pipeline may use buffer b
    std::array<Stretch, kBlockPackets> stretches{};
    unsigned stretch_count = 0;
    unsigned cycles = 1;  ///< that each of the next accesses takes
  };

  uint64_t buffer(uint64_t fill) const { return config_.buffers == 1 ? 0 : fill % config_.buffers; }
  template <unsigned Levels>
  void start(Pipeline<Levels>& pipeline, const Counters<Levels>& counters, uint64_t per_fill, uint64_t cycle);
  /// Lists the next accesses, at most `limit`, as far as they take the same number of cycles; returns how
  /// many.
  template <unsigned Levels>
  uint64_t look_ahead(Pipeline<Levels>& pipeline, uint64_t limit);
  /// The first run.n of them, of `seen`, have been made.
  template <unsigned Levels>
  void advance(Pipeline<Levels>& pipeline, const Run& run, uint64_t seen);
  bool write();
  bool read();
  void gather(uint8_t* packets, uint64_t address, unsigned count) const;

  PmuConfig config_;
  Scratchpad& memory_;
  uint8_t* bytes_ = nullptr;
  InputPort input_;
  OutputPort output_;
  BlockWriter out_;
  Pipeline<6> writer_;
  Pipeline<6> reader_;
  UnitCounts counts_;
};

}  // namespace rdu::fabric
