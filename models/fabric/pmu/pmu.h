#pragma once

#include <array>
#include <string>
#include <vector>

#include "fabric/pmu/pad_view.h"
#include "fabric/pmu/pipeline.h"
#include "fabric/pmu/pmu_config.h"
#include "fabric/pmu/scratchpad.h"
#include "fabric/pmu/tokens.h"
#include "fabric/stream/lockstep.h"
#include "fabric/stream/port.h"

namespace rdu::fabric {

/// A pattern memory unit: two write pipelines that store what their inputs bring, two read pipelines that
/// send vectors, at the same time, ordered by tokens. What they do and when is in pmu/README.md.
class Pmu : public Unit {
 public:
  Pmu(Context& context, uint32_t id, const PmuConfig& config, Scratchpad& memory);

  InputPort& packet_input(unsigned port, unsigned = 0) override { return inputs_[port]; }
  /// Of read pipeline `port`; so is the scalar input.
  OutputPort& packet_output(unsigned port, unsigned = 0) override { return readers_[port].output; }
  InputPort& scalar_input(unsigned port, unsigned = 0) override { return readers_[port].scalar; }
  TokenInput& token_input(unsigned port) override { return tokens_.control(port); }
  TokenOutput& token_output(unsigned port) override { return token_outputs_[port]; }

  const PmuConfig& config() const { return config_; }
  void configure(const PmuConfig& config);

  void start(uint64_t cycle) override;
  void run() override;
  bool finished() const override;
  std::string waits_for() const override;
  const UnitCounts& counts() const override { return counts_; }

  /// What read pipeline `port` sends, to go in lockstep with who takes it.
  SteadySource& steady_source(unsigned port) { return readers_[port]; }

 private:
  /// Byte addresses of the lanes that an access touches.
  struct Lanes {
    std::array<uint64_t, RDU_VECTOR_BYTES> address;
    std::array<uint8_t, RDU_VECTOR_BYTES> lane;
    unsigned count = 0;
  };
  using Indices = std::array<int32_t, RDU_VECTOR_BYTES>;

  struct Writer {
    Pipeline pipeline;
    Indices indices{};
    std::vector<bool> seen;  ///< sequence ids of the fill
  };
  struct Reader final : SteadySource {
    Reader(Pmu& owner, BlockPool& blocks)
        : pmu(owner), output(owner), scalar(owner), out(blocks), lender(blocks) {}

    OutputPort& steady_output() override { return output; }
    uint64_t steady_firings() const override { return pmu.steady_reads(*this); }
    uint64_t steady_next() const override { return pipeline.next(); }
    uint64_t steady_latency() const override { return pmu.context_.params.pmu_read_cycles; }
    SourceRef fire_steadily(uint64_t firings, uint64_t* first) override {
      return pmu.read_steadily(*this, firings, first);
    }

    Pmu& pmu;
    Pipeline pipeline;
    Indices indices{};
    OutputPort output;
    InputPort scalar;
    BlockWriter out;
    bool may_lend = false;  ///< its vectors are those of a view, but for the times
    SourceRef view;         ///< of this fill
    BlockLender lender;
  };

  bool write(Writer& w);
  bool write_counters(Writer& w);
  bool write_by_data(Writer& w);
  bool read(Reader& r);
  bool read_counters(Reader& r);
  bool read_by_index(Reader& r);
  /// The view of the reader's fill.
  PacketSource& view(Reader& r);
  uint64_t steady_reads(const Reader& r) const;
  SourceRef read_steadily(Reader& r, uint64_t firings, uint64_t* first);

  /// Adds what the first access of a fill waits for. False if a token is not there yet.
  bool need_tokens(const Pipeline& p, Firing& firing) const;
  /// A writer is about to store.
  void announce(const Pipeline& p) {
    if (p.at_begin_of_fill()) memory_.writing(p.low(), p.high());
  }
  void advance(Pipeline& p, const Run& run, const Pipeline::Batch& batch);
  bool take_indices_beforehand(Pipeline& p, Indices& indices);
  void take_indices(Pipeline& p, Indices& indices, const Run& run);
  Lanes lanes_by_index(const Pipeline& p, const Indices& indices) const;
  unsigned cost(const Pipeline& p, const Lanes& lanes) const;

  void store(const Pipeline& p, const Lanes& lanes, const uint8_t* packet, uint64_t cycle);
  void gather(const Pipeline& p, const Lanes& lanes, uint8_t* packet, uint64_t cycle);
  Lanes all_lanes(const Pipeline& p, uint64_t address) const;
  void send(Reader& r, const Run& run, unsigned cost, const BlockRef& block, uint32_t offset);
  void note_sequence(Writer& w, unsigned id, uint64_t cycle);
  void report(const Scratchpad::Checked& checked, uint64_t cycle);
  std::string waits_for(const Pipeline& p) const;

  PmuConfig config_;
  Scratchpad& memory_;
  uint8_t* bytes_ = nullptr;
  std::array<InputPort, PmuConfig::kInputs> inputs_;
  std::array<TokenOutput, 2> token_outputs_;
  Tokens tokens_;
  std::array<Writer, PmuConfig::kPipelines> writers_;
  std::array<Reader, PmuConfig::kPipelines> readers_;
  UnitCounts counts_;
};

}  // namespace rdu::fabric
