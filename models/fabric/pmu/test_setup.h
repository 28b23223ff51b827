#pragma once

#include <array>
#include <memory>
#include <vector>

#include "fabric/pmu/pmu.h"
#include "fabric/stream/pins.h"
#include "fabric/test/harness.h"
#include "fabric/test/units.h"

/// A PMU with something at each of its ports.
namespace rdu::fabric::test {

/// Sends tokens at given cycles.
struct TokenSource : Unit {
  explicit TokenSource(Context& context) : Unit(context, 0), output(*this) {}
  TokenOutput output;
  std::vector<uint64_t> times;

  void start(uint64_t cycle) override {
    output.start(context_.params.max_burst);
    for (const uint64_t t : times) output.send({cycle + t, 0, 1});
  }
  void run() override {}
  bool finished() const override { return true; }
  std::string waits_for() const override { return ""; }
  const UnitCounts& counts() const override { return counts_; }

 private:
  UnitCounts counts_;
};

/// Keeps the times of tokens.
struct TokenSink : Unit {
  explicit TokenSink(Context& context) : Unit(context, 0), input(*this) {}
  TokenInput input;
  std::vector<uint64_t> times;

  void start(uint64_t) override {}
  void run() override {
    while (input.available() != 0) times.push_back(input.pop(1));
  }
  bool finished() const override { return true; }
  std::string waits_for() const override { return ""; }
  const UnitCounts& counts() const override { return counts_; }

 private:
  UnitCounts counts_;
};

struct PmuSetup {
  explicit PmuSetup(const FabricParams& p = {})
      : params(p),
        context(params),
        sources{Source(context), Source(context), Source(context), Source(context)},
        scalars{Source(context), Source(context)},
        tokens{TokenSource(context), TokenSource(context)},
        sinks{Sink(context), Sink(context)},
        token_sinks{TokenSink(context), TokenSink(context)},
        pad(p.pmu_bytes) {
    context.fault = [this](const UnitFault& fault) { faults.push_back(fault); };
  }

  /// Everything is one switch, or one cycle, away.
  void run(uint64_t start = 0) {
    pmu = std::make_unique<Pmu>(context, RDU_UNIT(RDU_UNIT_PMU, 0, 0), PmuConfig::decode(words, params), pad);
    std::vector<Unit*> units{pmu.get()};
    for (unsigned i = 0; i < sources.size(); ++i) {
      sources[i].output.connect(pmu->packet_input(i), 1, params);
      units.push_back(&sources[i]);
    }
    for (unsigned i = 0; i < 2; ++i) {
      pmu->packet_output(i).connect(sinks[i].input, 1, params);
      scalars[i].output.connect(pmu->scalar_input(i), 1, params);
      tokens[i].output.connect(pmu->token_input(i), 1);
      pmu->token_output(i).connect(token_sinks[i].input, 1);
      for (Unit* unit : std::initializer_list<Unit*>{&sinks[i], &scalars[i], &tokens[i], &token_sinks[i]}) {
        units.push_back(unit);
      }
    }
    run_all(context, units, start);
  }

  FabricParams params;
  Context context;
  ConfigWords words{ConfigWords::reset_of<regs::pmu::Registers>()};
  std::array<Source, 4> sources;
  std::array<Source, 2> scalars;
  std::array<TokenSource, 2> tokens;
  std::array<Sink, 2> sinks;
  std::array<TokenSink, 2> token_sinks;
  std::vector<UnitFault> faults;
  Scratchpad pad;
  std::unique_ptr<Pmu> pmu;
};

/// Packets whose bytes differ from each other's.
inline std::vector<Packet> numbered(size_t n, size_t first = 0) {
  std::vector<Packet> packets(n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t b = 0; b < kPacketBytes; ++b) packets[i][b] = static_cast<uint8_t>((first + i) * 31 + b);
  }
  return packets;
}

}  // namespace rdu::fabric::test
