#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "fabric/test/bench.h"
#include "fabric/test/units.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu;
using namespace rdu::fabric;
using namespace rdu::fabric::test;
namespace A = rdu::regs::agcu;
namespace codes = rdu::regs::sequencer::FAULT;

namespace {

constexpr uint64_t kIndices = 0x8000;
constexpr uint64_t kLoads = 0x10000;
constexpr uint64_t kStores = 0x200000;
constexpr uint64_t kStoreBytes = 0x10000;
constexpr uint32_t kMaster = RDU_UNIT(RDU_UNIT_AGCU, 0, 0);

FabricParams tight(const char* fidelity_of) {
  FabricParams p;
  p.rows = 4;
  p.columns = 3;
  p.fifo_depth = 3;
  p.outstanding = 5;
  p.fidelity_of = fidelity_of;
  return p;
}

/// AGCUs alone: streams from loads to stores, with everything that generators can do.
class RandomTransfers {
 public:
  RandomTransfers(const FabricParams& params, uint64_t seed) : random_(seed), builder_(params) {
    for (unsigned row = 0; row < params.rows; ++row) {
      for (unsigned side = 0; side < 2; ++side) {
        loads_.push_back(RDU_UNIT(RDU_UNIT_AGCU, row, side));
        stores_.push_back(RDU_UNIT(RDU_UNIT_AGCU, row, side));
      }
    }
    std::shuffle(loads_.begin(), loads_.end(), random_);
    std::shuffle(stores_.begin(), stores_.end(), random_);
    const uint32_t streams = 1 + pick(3);
    // The second may read what the first one has written, fill by fill.
    is_followed_ = streams > 1 && chance(60);
    op_ = streams == 1 ? A::STORE::OP_FADD : A::STORE::OP_IADD + pick(6);  // all the same: they may meet
    for (uint32_t i = 0; i < streams; ++i) add_stream(i);
  }
  const ProgramBuilder& builder() const { return builder_; }
  bool complete = true;  ///< false: the router of the test found no way

 private:
  uint32_t pick(uint32_t below) { return static_cast<uint32_t>(random_() % below); }
  bool chance(uint32_t percent) { return pick(100) < percent; }

  void add_stream(uint32_t number) {
    const uint32_t from = loads_.back();
    loads_.pop_back();
    const uint32_t to = stores_.back();
    stores_.pop_back();
    ConfigWords& load = builder_.unit(from);
    ConfigWords& store = builder_.unit(to);
    static constexpr uint32_t kRowBytes[] = {64, 128, 256, 40, 100, 192, 4, 320};
    const uint32_t row_bytes = kRowBytes[pick(8)];
    const uint32_t inner = 1 + pick(12);
    const bool follows = number == 1 && is_followed_;
    const uint32_t outer = follows ? first_fills_ : 1 + pick(4);
    const uint32_t rows = inner * outer;
    const auto stride = static_cast<int32_t>(row_bytes + (chance(50) ? 0 : 4 * pick(50)));
    const uint64_t from_address = follows ? kStores : kLoads + 4 * pick(2000);
    set_load(load, Bench::virtual_address(from_address), row_bytes,
             {{inner, stride}, {outer, static_cast<int32_t>(inner) * stride}});
    load.set(A::kLOAD_OFFSET, A::LOAD::OUTSTANDING, pick(5));
    load.set(A::kLOAD_OFFSET, A::LOAD::SEQUENCE, pick(2));
    load.set(A::kLOAD_SEQ_OFFSET, A::LOAD_SEQ::FIRST, pick(65536));
    const uint32_t fill = follows || chance(50) ? inner : 0;
    const uint32_t fills = fill == 0 ? 1 : outer;
    load.set(A::kLOAD_FILL_OFFSET, fill);
    if (follows) {
      load.set(A::kLOAD_OFFSET, A::LOAD::WAIT, 1);
      load.set(A::kLOAD_OFFSET, A::LOAD::WAIT_INPUT, 5);
      route_token(first_store_, 1, from, 5);
    }
    if (chance(30) && !has_indices(load))
      add_indices(from, load, A::kLOAD_OFFSET, A::LOAD::INDEX, A::kLOAD_INDEX_STRIDE_OFFSET, rows);

    set_store(store, Bench::virtual_address(kStores + number * kStoreBytes), row_bytes,
              {{inner, stride}, {outer, static_cast<int32_t>(inner) * stride}});
    store.set(A::kSTORE_OFFSET, A::STORE::OUTSTANDING, pick(5));
    store.set(A::kSTORE_FILL_OFFSET, fill);
    store.set(A::kSTORE_OFFSET, A::STORE::OP, chance(50) ? A::STORE::OP_WRITE : op_);
    if (chance(40)) {  // a fill is written when the load's has left
      load.set(A::kLOAD_OFFSET, A::LOAD::SIGNAL, 1);
      store.set(A::kSTORE_OFFSET, A::STORE::WAIT, 1);
      store.set(A::kSTORE_OFFSET, A::STORE::WAIT_INPUT, 6);
      // What a fill brings has to find room until its token comes.
      const bool fits = (rows / fills) * ((row_bytes + 63) / 64) <= 3;
      if (fits) {
        route_token(from, 0, to, 6);
      } else {
        load.set(A::kLOAD_OFFSET, A::LOAD::SIGNAL, 0);
        store.set(A::kSTORE_OFFSET, A::STORE::WAIT, 0);
      }
    }
    if (number == 0 && is_followed_) {
      store.set(A::kSTORE_OFFSET, A::STORE::SIGNAL, 1);
      first_fills_ = fills;
      first_store_ = to;
    } else if (chance(50)) {
      store.set(A::kSTORE_OFFSET, A::STORE::DONE_TOKEN, 1);
      tokens_ |= 1u << number;
      builder_.unit(kMaster).set(A::kMASTER_OFFSET, A::MASTER::TOKENS, tokens_);
      route_token(to, 1, kMaster, number);
    }
    if (chance(30) && !has_indices(store))
      add_indices(to, store, A::kSTORE_OFFSET, A::STORE::INDEX, A::kSTORE_INDEX_STRIDE_OFFSET, rows);
    complete = complete && builder_.route(from, {{to, 0}});
  }

  bool has_indices(const ConfigWords& words) const {
    return words.get(A::kLOAD_OFFSET, A::LOAD::INDEX) != 0 ||
           words.get(A::kSTORE_OFFSET, A::STORE::INDEX) != 0;
  }

  /// A list for the rows of `unit`, by its input 1.
  void add_indices(uint32_t unit, ConfigWords& words, uint64_t offset, core::Field index, uint64_t stride,
                   uint32_t rows) {
    const uint32_t from = loads_.back();
    loads_.pop_back();
    words.set(offset, index, 1);
    words.set(stride, 4 * pick(40));
    set_load(builder_.unit(from), Bench::virtual_address(kIndices + 64 * pick(16)), 64,
             {{(rows + 15) / 16, 64}});
    complete = complete && builder_.route(from, {{unit, 1}});
  }

  void route_token(uint32_t from, unsigned output, uint32_t to, unsigned input) {
    complete = complete && builder_.route_token(from, output, {{to, input}});
  }

  std::mt19937_64 random_;
  ProgramBuilder builder_;
  std::vector<uint32_t> loads_;  ///< whose load generator is free
  std::vector<uint32_t> stores_;
  uint64_t op_ = 0;
  bool is_followed_ = false;
  uint32_t first_fills_ = 0;
  uint32_t first_store_ = 0;
  uint32_t tokens_ = 0;
};

struct Outcome {
  uint64_t fault;
  uint64_t fault_unit;
  uint64_t fault_address;
  uint64_t cycles;
  std::vector<Bench::Counters> counters;
  std::vector<FakeMemory::Seen> requests;  ///< up to the end
  std::vector<uint8_t> memory;
};

void fill_memory(Bench& b, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (size_t i = 0; i < b.memory.data.size(); i += 8) {
    const uint64_t value = random() & 0xbfffbfffbfffbfff;  // moderate numbers
    std::memcpy(&b.memory.data[i], &value, 8);
  }
  for (uint64_t i = 0; i < 1024; ++i) {
    const auto index = static_cast<int32_t>(random() % 48);
    std::memcpy(&b.memory.data[kIndices + 4 * i], &index, 4);
  }
  b.memory.latency = [seed](const core::Transfer& t) {
    return 20'000 + (t.address / 256 * 0x9e3779b97f4a7c15 + seed) % 150'000;
  };
}

Outcome run(Bench& b, const ProgramBuilder& program) {
  Outcome outcome;
  b.faults.clear();
  const uint64_t loaded = b.load(program.stream());
  INFO((b.faults.empty() ? std::string() : b.faults[0].text));
  REQUIRE(loaded == 0);
  b.memory.seen.clear();
  const core::Time start = core::now();
  outcome.fault = b.execute();
  outcome.fault_unit = b.read(regs::sequencer::kFAULT_UNIT_OFFSET);
  outcome.fault_address = b.read(regs::sequencer::kFAULT_ADDRESS_OFFSET, 8);
  outcome.cycles = b.read(regs::sequencer::kEXEC_CYCLES_OFFSET, 8);
  for (FakeMemory::Seen seen : b.memory.seen) {
    seen.issue -= start;
    seen.done -= start;
    if (seen.issue < outcome.cycles * 625) outcome.requests.push_back(seen);
  }
  for (unsigned place = 0; place < 8; ++place)
    outcome.counters.push_back(b.counters(RDU_UNIT(RDU_UNIT_AGCU, place / 2, place % 2)));
  outcome.memory = b.memory.data;
  return outcome;
}

std::vector<std::array<uint64_t, 3>> writes_of(uint64_t unit, const Outcome& outcome) {
  const uint64_t initiator = 101 + 2 * (2 * RDU_UNIT_ROW(unit) + RDU_UNIT_COL(unit));
  std::vector<std::array<uint64_t, 3>> writes;
  for (const FakeMemory::Seen& seen : outcome.requests) {
    if (seen.write && seen.initiator == initiator) writes.push_back({seen.issue, seen.address, seen.length});
  }
  return writes;
}

const char* const kMixtures[] = {"", "agcu[*][*]=cycle", "agcu[*][0]=cycle",
                                 "agcu[1][*]=cycle, agcu[2][1]=cycle"};

std::vector<std::unique_ptr<Bench>>& benches() {
  static std::vector<std::unique_ptr<Bench>> all = [] {
    std::vector<std::unique_ptr<Bench>> made;
    for (const char* mixture : kMixtures)
      made.push_back(
          std::make_unique<Bench>(("bench" + std::to_string(made.size())).c_str(), tight(mixture)));
    return made;
  }();
  return all;
}

}  // namespace

TEST_CASE("a load and a store by hand, with one request at a time, to the cycle") {
  // Answers come 160 cycles after issue, 100 ns; through three switches it is four wires.
  for (const auto& bench : benches()) {
    Bench& b = *bench;
    INFO(b.params.fidelity_of);
    b.memory.latency = [](const core::Transfer&) { return core::Time{100'000}; };
    ProgramBuilder program(b.params);
    set_load(program.agcu(1, 0), Bench::virtual_address(kLoads), 128, {{2, 512}});
    program.agcu(1, 0).set(A::kLOAD_OFFSET, A::LOAD::OUTSTANDING, 1);
    set_store(program.agcu(1, 1), Bench::virtual_address(kStores), 128, {{2, 512}});
    program.agcu(1, 1).set(A::kSTORE_OFFSET, A::STORE::OUTSTANDING, 1);
    REQUIRE(program.route(RDU_UNIT(RDU_UNIT_AGCU, 1, 0), {{RDU_UNIT(RDU_UNIT_AGCU, 1, 1), 0}}));
    const Outcome outcome = run(b, program);
    REQUIRE(outcome.fault == 0);
    // First row: address 0, issue 2, answer 162, packets 163 and 164; they arrive at 167 and 168: issue 170,
    // answer 330. Second row: the load's slot is free at 165, issue 167, answer 327, packets 328 and 329;
    // they arrive at 332 and 333, when the store's slot is free since 331: issue 335, answer 495.
    const std::array<uint64_t, 4> issues{2, 167, 170, 335};
    REQUIRE(outcome.requests.size() == 4);
    for (size_t i = 0; i < 4; ++i) REQUIRE(outcome.requests[i].issue == (1 + issues[i]) * 625);
    REQUIRE(outcome.cycles == 495);
    // The load waits for answers, 163 cycles each; the store for packets until 167, and from 169 to 332.
    REQUIRE(outcome.counters[2] == Bench::Counters{4, 326, 0, 4, 256});
    REQUIRE(outcome.counters[3] == Bench::Counters{4, 330, 0, 0, 256});
  }
}

TEST_CASE("generators of any mixture of fidelities: same bits, same requests at the same times") {
  unsigned well = 0;
  for (unsigned round = 0; round < 60; ++round) {
    const uint64_t seed = test_seed() * 1000 + round;
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    const RandomTransfers program(benches()[0]->params, seed);
    if (!program.complete) continue;
    Outcome fast;
    for (size_t i = 0; i < benches().size(); ++i) {
      INFO(kMixtures[i]);
      Bench& b = *benches()[i];
      fill_memory(b, seed);
      Outcome outcome = run(b, program.builder());
      if (i == 0) {
        well += outcome.fault == 0;
        fast = std::move(outcome);
        continue;
      }
      REQUIRE(outcome.fault == fast.fault);
      if (fast.fault == 0) REQUIRE(outcome.cycles == fast.cycles);
      const bool same_memory = outcome.memory == fast.memory;
      REQUIRE(same_memory);
      const bool same_requests = outcome.requests == fast.requests;
      REQUIRE(same_requests);
      if (fast.fault == 0) REQUIRE(outcome.counters == fast.counters);
    }
  }
  INFO("ended well " << well);
  REQUIRE(well > 30);
}

TEST_CASE("faults of generators of any mixture: the first in program order, at the same time") {
  unsigned failed = 0;
  std::array<unsigned, 32> kinds{};
  for (unsigned round = 0; round < 60; ++round) {
    const uint64_t seed = test_seed() * 1000 + round;
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    const RandomTransfers program(benches()[0]->params, seed);
    if (!program.complete) continue;
    // Some places of memory fail, others are in no segment that allows a write.
    const uint64_t bad = seed * 0x9e3779b97f4a7c15 >> 59;
    Outcome fast;
    for (size_t i = 0; i < benches().size(); ++i) {
      INFO(kMixtures[i]);
      Bench& b = *benches()[i];
      fill_memory(b, seed);
      if (round % 2 == 0) {
        b.memory.fails = [bad](const core::Transfer& t) {
          const bool is_program = t.address >= 0x100000 && t.address < kStores;
          return t.address >= kLoads && !is_program && t.address / 256 % 32 == bad;
        };
      } else {
        b.translator.read_only = Bench::kMemory - kStores - 256 * bad;
      }
      Outcome outcome = run(b, program.builder());
      b.memory.fails = [](const core::Transfer&) { return false; };
      b.translator.read_only = 0;
      if (i == 0) {
        failed += outcome.fault != 0;
        ++kinds.at(outcome.fault);
        fast = std::move(outcome);
        continue;
      }
      REQUIRE(outcome.fault == fast.fault);
      if (fast.fault == codes::CODE_HUNG) continue;
      REQUIRE(outcome.fault_unit == fast.fault_unit);
      REQUIRE(outcome.fault_address == fast.fault_address);
      REQUIRE(outcome.cycles == fast.cycles);
      // Loads and other units may have got further, or less far; of its own writes, the same have left.
      REQUIRE(writes_of(outcome.fault_unit, outcome) == writes_of(fast.fault_unit, fast));
    }
  }
  INFO("failed " << failed);
  REQUIRE(kinds.at(codes::CODE_SEGMENT) > 5);
  REQUIRE(kinds.at(codes::CODE_MEMORY) > 5);
}
