#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "core/trace.h"
#include "fabric/schedule.h"
#include "fabric/test/bench.h"
#include "fabric/test/units.h"
#include "test/catch.h"

using namespace rdu;
using namespace rdu::fabric;
using namespace rdu::fabric::test;
namespace A = regs::agcu;
namespace M = regs::pmu;
namespace P = regs::pcu;
namespace Q = regs::sequencer;

namespace {

constexpr uint32_t kWest = RDU_UNIT(RDU_UNIT_AGCU, 0, 0);
constexpr uint32_t kEast = RDU_UNIT(RDU_UNIT_AGCU, 0, 1);
constexpr uint64_t kLatency = 160;  ///< cycles: FakeMemory's 100 ns

FabricParams small() {
  FabricParams p;
  p.rows = 3;
  p.columns = 4;
  return p;
}

struct Benches {
  Bench bench{"bench", small()};
  Bench full{"full", FabricParams{}};
};
Benches& benches() {
  static Benches instance;
  return instance;
}
/// As after power-up.
Bench& bench() {
  Bench& b = benches().bench;
  b.tile.host_reset();
  b.faults.clear();
  b.memory.latency = [](const core::Transfer&) { return core::Time{100'000}; };
  b.translator.read_only = 0;
  sc_core::sc_start(core::to_sc(10 * core::kMicrosecond));  // what was in flight comes down
  b.memory.seen.clear();
  return b;
}

/// Rows of memory from 0x1000 to 0x2000, through the vector network only.
struct Copy {
  explicit Copy(const Bench& b, uint32_t row_bytes = 128, uint32_t rows = 8) : program(b.params) {
    set_load(program.unit(kWest), Bench::virtual_address(0x1000), row_bytes,
             {{rows, static_cast<int32_t>(row_bytes)}});
    set_store(program.unit(kEast), Bench::virtual_address(0x2000), row_bytes,
              {{rows, static_cast<int32_t>(row_bytes)}});
    if (!program.route(kWest, {{kEast, 0}})) throw std::runtime_error("no route");
  }
  ProgramBuilder program;
};

/// load -> PMU -> PCU (adds 1) -> store of 8 rows of 32 FP32 values; the store sends the master its token.
struct Pipeline {
  static constexpr uint32_t kPmu = RDU_UNIT(RDU_UNIT_PMU, 0, 1);
  static constexpr uint32_t kPcu = RDU_UNIT(RDU_UNIT_PCU, 0, 2);

  explicit Pipeline(const Bench& b) : program(b.params) {
    set_load(program.unit(kWest), Bench::virtual_address(0x1000), 128, {{8, 128}});
    set_pmu(program.unit(kPmu), 1, 1, 4096, {{16, 64}}, {{16, 64}});
    set_simd(program.unit(kPcu), 8, {{P::STAGE::OP_FADD, P::STAGE::A_IN0, P::STAGE::A_CONST0}});
    program.unit(kPcu).set(P::kCONST_OFFSET, 0x3f800000);
    set_store(program.unit(kEast), Bench::virtual_address(0x2000), 128, {{8, 128}});
    program.unit(kEast).set(A::kSTORE_OFFSET, A::STORE::DONE_TOKEN, 1);
    program.unit(kWest).set(A::kMASTER_OFFSET, A::MASTER::TOKENS, 1);
    const bool routed = program.route(kWest, {{kPmu, 0}}) && program.route(kPmu, {{kPcu, 0}}) &&
                        program.route(kPcu, {{kEast, 0}}) && program.route_token(kEast, 0);
    if (!routed) throw std::runtime_error("no route");
  }
  ProgramBuilder program;
};

rdu_argument_tuple argument(uint32_t unit, uint64_t offset, unsigned words, uint64_t value) {
  return {unit, static_cast<uint16_t>(offset / 4), static_cast<uint16_t>(words), value};
}

void fill(Bench& b, uint64_t at, size_t n) {
  for (size_t i = 0; i < n; ++i) b.memory.data[at + i] = static_cast<uint8_t>(7 * i + (i >> 8));
}
bool equal(const Bench& b, uint64_t x, uint64_t y, size_t n) {
  return std::memcmp(&b.memory.data[x], &b.memory.data[y], n) == 0;
}

/// One packet goes into a scratchpad, its first 16 rows come out.
struct Remembering {
  static constexpr uint32_t kPmu = RDU_UNIT(RDU_UNIT_PMU, 0, 1);

  explicit Remembering(const Bench& b) : program(b.params) {
    set_load(program.unit(kWest), Bench::virtual_address(0x1000), 64, {{1, 64}});
    set_pmu(program.unit(kPmu), 1, 1, 4096, {}, {{16, 64}});
    set_store(program.unit(kEast), Bench::virtual_address(0x2000), 64, {{16, 64}});
    if (!program.route(kWest, {{kPmu, 0}}) || !program.route(kPmu, {{kEast, 0}})) {
      throw std::runtime_error("no route");
    }
  }
  ProgramBuilder program;
};

}  // namespace

TEST_CASE("a hand-computed pipeline, to the cycle") {
  Bench& b = bench();
  const Pipeline pipeline(b);
  std::vector<float> x(256);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) * 0.25f;
  std::memcpy(&b.memory.data[0x1000], x.data(), x.size() * 4);
  REQUIRE(b.load(pipeline.program.stream()) == 0);
  b.memory.seen.clear();
  const core::Time start = core::now() + 625;
  REQUIRE(b.execute() == 0);
  for (size_t i = 0; i < x.size(); ++i) {
    float y;
    std::memcpy(&y, &b.memory.data[0x2000 + 4 * i], 4);
    REQUIRE(y == x[i] + 1.0f);
  }
  // models/fabric/README.md has the arithmetic.
  REQUIRE(b.read(Q::kEXEC_CYCLES_OFFSET, 8) == 383);
  const uint64_t issue[] = {2, 3, 4, 5, 206, 210, 214, 218};
  REQUIRE(b.memory.seen.size() == 8);
  for (size_t i = 0; i < 8; ++i) {
    REQUIRE(b.memory.seen[i].issue == start + issue[i] * 625);
    REQUIRE(b.memory.seen[i].length == 256);
    REQUIRE(b.memory.seen[i].write == (i >= 4));
  }
  REQUIRE(b.counters(kWest) == Bench::Counters{16, 163, 0, 16, 1024});
  REQUIRE(b.counters(Pipeline::kPmu) == Bench::Counters{16, 166, 0, 16, 2048});
  REQUIRE(b.counters(Pipeline::kPcu) == Bench::Counters{16, 189, 0, 8, 0});
  REQUIRE(b.counters(kEast) == Bench::Counters{16, 201, 0, 0, 1024});
  REQUIRE(b.counters(RDU_UNIT(RDU_UNIT_SWITCH, 0, 1)) == Bench::Counters{16, 0, 0, 32, 0});
  // Again, with the same times: nothing is left over from before.
  REQUIRE(b.execute() == 0);
  REQUIRE(b.read(Q::kEXEC_CYCLES_OFFSET, 8) == 383);
  const std::vector<UnitStatistics> units = b.tile.unit_statistics();
  REQUIRE(units.front().name == "pcu[0][2]");
  REQUIRE(units.front().executions == 2);
  REQUIRE(units.front().busy == 32);
  const TileStatistics tile = b.tile.statistics();
  REQUIRE(tile.executions == 2);
  REQUIRE(tile.bytes_loaded == 2048);
  REQUIRE(tile.bytes_stored == 2048);
}

TEST_CASE("what program and argument load cost") {
  Bench& b = bench();
  Pipeline pipeline(b);
  const std::vector<uint8_t> stream = pipeline.program.stream();
  REQUIRE(b.load(stream) == 0);
  REQUIRE(Q::STATUS::LOADED.get(b.read(Q::kSTATUS_OFFSET)) == 1);
  const uint64_t units = 3 * 3 * 4 + 6;
  const uint64_t first = 2 + kLatency + 1;  // the first request: 2 cycles, memory, 1 cycle
  // Header and table, then sub-files, at most one a cycle and one of a unit in 16 cycles. The last one is
  // that of the unit with the most chunks; shifting it in takes 16 cycles, and the status a cycle a unit.
  uint64_t t = first + RDU_PROGRAM_BODY(pipeline.program.files().size()) / 64 - 1;
  std::vector<ProgramBuilder::UnitFile> files = pipeline.program.files();
  std::vector<uint64_t> shifting(files.size(), 0);
  for (size_t round = 0; round < 32; ++round) {
    for (size_t u = 0; u < files.size(); ++u) {
      if (files[u].words.size() <= round * RDU_CHUNK_WORDS) continue;
      t = std::max(t + 1, shifting[u]);
      shifting[u] = t + 16;
    }
  }
  REQUIRE(b.read(Q::kPLOAD_CYCLES_OFFSET, 8) == t + 16 + units);
  fill(b, 0x1000, 1024);
  const std::vector<rdu_argument_tuple> arguments = {
      argument(kEast, A::kSTORE_BASE_OFFSET, 2, Bench::virtual_address(0x5000)),
      argument(Pipeline::kPcu, P::kCONST_OFFSET, 1, 0)};
  REQUIRE(b.arguments(arguments, true) == 0);
  REQUIRE(b.read(Q::kALOAD_CYCLES_OFFSET, 8) == first + 3 + units);
  REQUIRE(b.read(Q::kEXEC_CYCLES_OFFSET, 8) == 383);
  REQUIRE(b.read(Q::kEND_TIME_OFFSET, 8) > b.read(Q::kSTART_TIME_OFFSET, 8));
  bool found = false;
  for (size_t i = 0; i < 1024 && !found; ++i) found = b.memory.data[0x5000 + i] != 0;
  REQUIRE(found);
}

TEST_CASE("program load by hand, and arguments cost the same whatever the program's size") {
  Bench& b = bench();
  // agcu/README.md has the arithmetic: a load and a store generator, and the four switches between them.
  const auto load_of = [](uint32_t id, uint32_t chunks,
                          std::initializer_list<std::pair<unsigned, uint32_t>> set) {
    ProgramBuilder::UnitFile file{{id, chunks}, {}};
    const ConfigWords reset = ConfigWords::reset_of<A::Registers>();
    for (unsigned c = 0; c < RDU_CHUNKS_MAX; ++c) {
      if ((chunks >> c & 1) == 0) continue;
      for (unsigned w = 0; w < RDU_CHUNK_WORDS; ++w)
        file.words.push_back(RDU_UNIT_KIND(id) == RDU_UNIT_AGCU ? reset.at(4 * (16 * c + w)) : 0);
    }
    for (const auto& [word, value] : set) file.words[word] = value;
    return file;
  };
  const Copy copy(b);
  std::vector<ProgramBuilder::UnitFile> files;
  for (ProgramBuilder::UnitFile& file : copy.program.files()) {
    const uint64_t base = Bench::virtual_address(file.entry.unit == kWest ? 0x1000 : 0x2000);
    const auto low = static_cast<uint32_t>(base), high = static_cast<uint32_t>(base >> 32);
    if (file.entry.unit == kWest) {
      files.push_back(load_of(kWest, 1, {{0, 1}, {1, 128}, {2, low}, {3, high}, {8, 8}, {14, 128}}));
    } else if (file.entry.unit == kEast) {
      files.push_back(load_of(kEast, 4, {{0, 1}, {1, 128}, {2, low}, {3, high}, {8, 8}, {14, 128}}));
    } else {
      // The one chunk that has a route.
      size_t chunk = 0;
      while (std::all_of(file.words.begin() + static_cast<ptrdiff_t>(16 * chunk),
                         file.words.begin() + static_cast<ptrdiff_t>(16 * chunk + 16),
                         [](uint32_t w) { return w == 0; }))
        ++chunk;
      file.words.assign(file.words.begin() + static_cast<ptrdiff_t>(16 * chunk),
                        file.words.begin() + static_cast<ptrdiff_t>(16 * chunk + 16));
      file.entry.chunks = 1u << chunk;
      files.push_back(file);
    }
  }
  REQUIRE(files.size() == 6);
  rdu_program_header header = copy.program.header();
  REQUIRE(b.load(ProgramBuilder::seal(header, ProgramBuilder::body(files))) == 0);
  REQUIRE(b.read(Q::kPLOAD_CYCLES_OFFSET, 8) == 228);
  fill(b, 0x1000, 1024);
  REQUIRE(b.execute() == 0);
  REQUIRE(equal(b, 0x1000, 0x2000, 1024));
  const std::vector<rdu_argument_tuple> arguments = {
      argument(kEast, A::kSTORE_BASE_OFFSET, 2, Bench::virtual_address(0x5000)),
      argument(kWest, A::kLOAD_ROW_BYTES_OFFSET, 1, 128)};
  REQUIRE(b.arguments(arguments) == 0);
  REQUIRE(b.read(Q::kALOAD_CYCLES_OFFSET, 8) == 208);
  REQUIRE(b.load(copy.program.stream()) == 0);  // all chunks of all units
  REQUIRE(b.read(Q::kPLOAD_CYCLES_OFFSET, 8) > 400);
  REQUIRE(b.arguments(arguments) == 0);
  REQUIRE(b.read(Q::kALOAD_CYCLES_OFFSET, 8) == 208);
}

TEST_CASE("a program that is loaded with SCRUB sees nothing of the one before") {
  Bench& b = bench();
  // Stores 16 packets of the scratchpad, of which it has written `packets` itself.
  const auto reader = [&b](uint32_t packets) {
    ProgramBuilder program(b.params);
    set_load(program.unit(kWest), Bench::virtual_address(0x1000), 64, {{packets, 64}});
    set_pmu(program.unit(Pipeline::kPmu), 1, 1, 4096, {{packets, 64}}, {{16, 64}});
    set_store(program.unit(kEast), Bench::virtual_address(0x2000), 1024, {});
    REQUIRE(program.route(kWest, {{Pipeline::kPmu, 0}}));
    REQUIRE(program.route(Pipeline::kPmu, {{kEast, 0}}));
    return program.stream();
  };
  const std::vector<uint8_t> all = reader(16), one = reader(1);
  std::fill_n(b.memory.data.begin() + 0x1000, 1024, 0x5a);
  REQUIRE(b.load(all) == 0);
  REQUIRE(b.execute() == 0);
  REQUIRE(b.load(one) == 0);
  REQUIRE(b.execute() == 0);
  REQUIRE(equal(b, 0x1000, 0x2000, 1024));  // scratchpads outlive programs

  const uint64_t cycles = b.read(Q::kPLOAD_CYCLES_OFFSET, 8);
  REQUIRE(b.load(one, 0x100000, true) == 0);
  REQUIRE(cycles < 512);
  REQUIRE(b.read(Q::kPLOAD_CYCLES_OFFSET, 8) ==
          512);  // the scratchpads take longer than the stream's way into the tile
  REQUIRE(b.execute() == 0);
  REQUIRE(equal(b, 0x1000, 0x2000, 64));
  for (size_t i = 64; i < 1024; ++i) REQUIRE(b.memory.data[0x2000 + i] == 0);

  // A load that fails has cleared all the same, and takes the time: 512 KiB at 1 KiB a cycle.
  REQUIRE(b.load(all) == 0);
  REQUIRE(b.execute() == 0);
  const core::Time begin = core::now();
  REQUIRE(b.load({}, 0x100000, true) == Q::FAULT::CODE_BAD_SIZE);
  REQUIRE(b.read(Q::kEND_TIME_OFFSET, 8) - b.read(Q::kSTART_TIME_OFFSET, 8) == 512 * 625 / 1000);
  REQUIRE(core::now() - begin >= 512 * 625);
  REQUIRE(b.load(one) == 0);
  REQUIRE(b.execute() == 0);
  for (size_t i = 64; i < 1024; ++i) REQUIRE(b.memory.data[0x2000 + i] == 0);
}

TEST_CASE("arguments may change what is connected") {
  Bench& b = bench();
  Copy copy(b);
  fill(b, 0x1000, 1024);
  REQUIRE(b.load(copy.program.stream()) == 0);
  // The load now sends flow 3, for which no switch has a route; the program stays as it was.
  REQUIRE(b.arguments({argument(kWest, A::kLOAD_OFFSET, 1, A::LOAD::FLOW.set(1, 3))}) ==
          Q::FAULT::CODE_BAD_ROUTE);
  REQUIRE(Q::STATUS::LOADED.get(b.read(Q::kSTATUS_OFFSET)) == 1);
  REQUIRE(b.execute() == 0);
  REQUIRE(equal(b, 0x1000, 0x2000, 1024));
  // Now with a route.
  const uint32_t sw = RDU_UNIT(RDU_UNIT_SWITCH, 0, 0);
  const uint32_t route = copy.program.unit(sw).at(4 * RDU_PORT_FROM_AGCU * RDU_FLOWS);
  REQUIRE(b.arguments({argument(kWest, A::kLOAD_OFFSET, 1, A::LOAD::FLOW.set(1, 3)),
                       argument(sw, 4 * (RDU_PORT_FROM_AGCU * RDU_FLOWS + 3), 1, route)}) == 0);
  fill(b, 0x1100, 512);
  REQUIRE(b.execute() == 0);
  REQUIRE(equal(b, 0x1000, 0x2000, 1024));
}

TEST_CASE("arguments that make no sense change nothing") {
  Bench& b = bench();
  Copy copy(b);
  fill(b, 0x1000, 1024);
  REQUIRE(b.load(copy.program.stream()) == 0);
  const rdu_argument_tuple good = argument(kEast, A::kSTORE_BASE_OFFSET, 2, Bench::virtual_address(0x9000));
  REQUIRE(b.arguments({good, argument(RDU_UNIT(RDU_UNIT_PCU, 2, 2), 0, 1, 0)}) == Q::FAULT::CODE_BAD_UNIT);
  REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == RDU_UNIT(RDU_UNIT_PCU, 2, 2));
  REQUIRE(b.arguments({good, argument(kEast, 0x200, 1, 0)}) == Q::FAULT::CODE_BAD_WORD);
  REQUIRE(b.arguments({good, argument(kEast, 0x1fc, 2, 0x100000000)}) == Q::FAULT::CODE_BAD_WORD);
  REQUIRE(b.arguments({good, argument(kEast, A::kSTORE_ROW_BYTES_OFFSET, 3, 0)}) == Q::FAULT::CODE_BAD_WORD);
  REQUIRE(b.arguments({good, argument(kEast, A::kSTORE_ROW_BYTES_OFFSET, 1, 0x100000040)}) ==
          Q::FAULT::CODE_BAD_WORD);
  REQUIRE(b.arguments({good, argument(kEast, A::kSTORE_ROW_BYTES_OFFSET, 1, 0)}) ==
          Q::FAULT::CODE_BAD_CONFIG);
  REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == kEast);
  REQUIRE(b.arguments({good, argument(kEast, A::kSTORE_OFFSET, 1, 0)}) == Q::FAULT::CODE_BAD_CONFIG);
  b.write(Q::kARGUMENT_COUNT_OFFSET, 70'000);
  b.command(Q::CONTROL::ALOAD);
  REQUIRE(b.wait() == Q::FAULT::CODE_BAD_SIZE);
  REQUIRE(b.execute() == 0);
  REQUIRE(equal(b, 0x1000, 0x2000, 1024));
}

TEST_CASE("rows that are no whole packets are padded and cut") {
  Bench& b = bench();
  ProgramBuilder program(b.params);
  set_load(program.unit(kWest), Bench::virtual_address(0x1008), 100, {{5, 100}, {2, 600}});
  set_store(program.unit(kEast), Bench::virtual_address(0x4001), 100, {{10, 128}});
  REQUIRE(program.route(kWest, {{kEast, 0}}));
  fill(b, 0x1000, 0x1000);
  std::fill(b.memory.data.begin() + 0x4000, b.memory.data.begin() + 0x5000, uint8_t{0xee});
  REQUIRE(b.load(program.stream()) == 0);
  REQUIRE(b.execute() == 0);
  REQUIRE(b.memory.data[0x4000] == 0xee);
  for (uint64_t row = 0; row < 10; ++row) {
    REQUIRE(equal(b, 0x1008 + row % 5 * 100 + row / 5 * 600, 0x4001 + row * 128, 100));
    for (uint64_t i = 100; i < 128; ++i) REQUIRE(b.memory.data[0x4001 + row * 128 + i] == 0xee);
  }
}

TEST_CASE("one stream to several consumers, which meet again") {
  Bench& b = bench();
  ProgramBuilder program(b.params);
  const uint32_t pcu = RDU_UNIT(RDU_UNIT_PCU, 1, 1);
  const uint32_t square = RDU_UNIT(RDU_UNIT_PCU, 2, 2);
  const uint32_t east2 = RDU_UNIT(RDU_UNIT_AGCU, 2, 1);
  set_load(program.unit(kWest), Bench::virtual_address(0x1000), 2048, {});
  set_simd(program.unit(pcu), 16, {{P::STAGE::OP_FADD, P::STAGE::A_IN0, P::STAGE::A_CONST0}});
  set_simd(program.unit(square), 16, {{P::STAGE::OP_FMUL, P::STAGE::A_IN1, P::STAGE::A_IN3}});
  program.unit(pcu).set(P::kCONST_OFFSET, 0x40000000);
  set_store(program.unit(kEast), Bench::virtual_address(0x2000), 2048, {});
  set_store(program.unit(east2), Bench::virtual_address(0x3000), 2048, {});
  REQUIRE(program.route(kWest, {{pcu, 0}, {square, 1}, {kEast, 0}}));
  REQUIRE(program.route(pcu, {{square, 3}}));
  REQUIRE(program.route(square, {{east2, 0}}));
  std::vector<float> x(512);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  std::memcpy(&b.memory.data[0x1000], x.data(), 2048);
  REQUIRE(b.load(program.stream()) == 0);
  REQUIRE(b.execute() == 0);
  REQUIRE(equal(b, 0x1000, 0x2000, 2048));
  for (size_t i = 0; i < x.size(); ++i) {
    float y;
    std::memcpy(&y, &b.memory.data[0x3000 + 4 * i], 4);
    REQUIRE(y == x[i] * (x[i] + 2.0f));
  }
}

TEST_CASE("two programs in one PCU, each with a stream of its own") {
  Bench& b = bench();
  ProgramBuilder program(b.params);
  const uint32_t pcu = RDU_UNIT(RDU_UNIT_PCU, 1, 1);
  const uint32_t east2 = RDU_UNIT(RDU_UNIT_AGCU, 2, 1);
  set_load(program.unit(kWest), Bench::virtual_address(0x1000), 2048, {});
  // Program 0 adds 2 to every vector, program 1 takes every fourth and doubles it.
  ConfigWords& words = program.unit(pcu);
  set_simd(words, 16, {{P::STAGE::OP_FADD, P::STAGE::A_IN0, P::STAGE::A_CONST0}}, 1);
  words.set(P::kCONST_OFFSET, 0x40000000);
  constexpr uint64_t kSecond = P::kPROGRAM_STRIDE;
  words.set(kSecond + P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::MODE, P::PROGRAM_MODE::MODE_SIMD);
  words.set(kSecond + P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::FIRST, 2);
  words.set(kSecond + P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::STAGES, 1);
  words.set(kSecond + P::kPROGRAM_COUNT_OFFSET, 4);
  words.set(kSecond + P::kPROGRAM_COUNT_OFFSET + 4, 4);
  words.set(kSecond + P::kPROGRAM_PRED_OFFSET, P::PROGRAM_PRED::KIND, P::PROGRAM_PRED::KIND_LAST);
  words.set(kSecond + P::kPROGRAM_OUT_OFFSET, P::PROGRAM_OUT::PRED, 1);
  words.set(P::kINPUT_OFFSET + 4, P::INPUT::PROGRAM, 1);
  words.set(P::kSTAGE_OFFSET + 8, P::STAGE::OP, P::STAGE::OP_FADD);
  words.set(P::kSTAGE_OFFSET + 8, P::STAGE::A, P::STAGE::A_IN1);
  words.set(P::kSTAGE_OFFSET + 8, P::STAGE::B, P::STAGE::A_IN1);
  set_store(program.unit(kEast), Bench::virtual_address(0x2000), 2048, {});
  set_store(program.unit(east2), Bench::virtual_address(0x3000), 512, {});
  REQUIRE(program.route(kWest, {{pcu, 0}, {pcu, 1}}));
  REQUIRE(program.route(pcu, {{kEast, 0}}));
  REQUIRE(program.route(pcu, {{east2, 0}}, 1));
  std::vector<float> x(512);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  std::memcpy(&b.memory.data[0x1000], x.data(), 2048);
  REQUIRE(b.load(program.stream()) == 0);
  REQUIRE(b.execute() == 0);
  const auto at = [&](uint64_t address) {
    float y;
    std::memcpy(&y, &b.memory.data[address], 4);
    return y;
  };
  for (size_t i = 0; i < 512; ++i) REQUIRE(at(0x2000 + 4 * i) == x[i] + 2.0f);
  for (size_t i = 0; i < 128; ++i) REQUIRE(at(0x3000 + 4 * i) == 2 * x[i / 32 * 128 + 96 + i % 32]);
}

TEST_CASE("malformed programs are refused by kind") {
  Bench& b = bench();
  const Pipeline pipeline(b);
  const std::vector<uint8_t> good = pipeline.program.stream();
  const std::vector<uint8_t> body = ProgramBuilder::body(pipeline.program.files());
  const size_t units = pipeline.program.files().size();
  const auto with = [&](const std::function<void(rdu_program_header&)>& change) {
    rdu_program_header h;
    std::memcpy(&h, good.data(), sizeof h);
    change(h);
    std::vector<uint8_t> stream = good;
    std::memcpy(stream.data(), &h, sizeof h);
    return stream;
  };
  const auto sealed = [&](const std::function<void(std::vector<uint8_t>&)>& change) {
    std::vector<uint8_t> changed = body;
    change(changed);
    return ProgramBuilder::seal(pipeline.program.header(), changed);
  };
  const auto set32 = [](std::vector<uint8_t>& bytes, size_t at, uint32_t value) {
    std::memcpy(&bytes[at], &value, 4);
  };

  REQUIRE(b.load(with([](auto& h) { h.magic ^= 1; })) == Q::FAULT::CODE_BAD_MAGIC);
  REQUIRE(b.load(with([](auto& h) { h.version ^= 2; })) == Q::FAULT::CODE_BAD_VERSION);
  REQUIRE(b.load(with([](auto& h) { h.reserved[0] = 1; })) == Q::FAULT::CODE_BAD_VERSION);
  REQUIRE(b.load(with([](auto& h) { h.reserved[1] = 0x80000000; })) == Q::FAULT::CODE_BAD_VERSION);
  REQUIRE(b.load(with([](auto& h) { h.size += 4; })) == Q::FAULT::CODE_BAD_SIZE);
  REQUIRE(b.load(with([](auto& h) { h.crc ^= 0x10; })) == Q::FAULT::CODE_BAD_CRC);
  REQUIRE(b.load(with([](auto& h) { h.rows = 4; })) == Q::FAULT::CODE_BAD_SHAPE);
  REQUIRE(b.load(with([](auto& h) { h.cols = 3; })) == Q::FAULT::CODE_BAD_SHAPE);
  REQUIRE(b.load(with([](auto& h) { h.channels = 3; })) == Q::FAULT::CODE_BAD_SHAPE);
  REQUIRE(b.load(with([](auto& h) { h.channels = 0; })) == Q::FAULT::CODE_BAD_SHAPE);
  REQUIRE(b.load(with([](auto& h) { h.units = 0xffffffff; })) == Q::FAULT::CODE_BAD_SIZE);
  REQUIRE(b.load(with([](auto& h) { h.units = 0; })) == Q::FAULT::CODE_BAD_WORD);
  REQUIRE(b.load(with([](auto& h) { --h.units; })) == Q::FAULT::CODE_BAD_WORD);

  for (const size_t length : {good.size() - 4, good.size() / 2, size_t{33}, size_t{32}}) {
    REQUIRE(b.load({good.begin(), good.begin() + static_cast<ptrdiff_t>(length)}) == Q::FAULT::CODE_BAD_SIZE);
  }
  REQUIRE(b.load({good.begin(), good.begin() + 31}) == Q::FAULT::CODE_BAD_SIZE);
  b.write(Q::kPROGRAM_SIZE_OFFSET, 0);
  b.command(Q::CONTROL::PLOAD);
  REQUIRE(b.wait() == Q::FAULT::CODE_BAD_SIZE);
  b.write(Q::kPROGRAM_SIZE_OFFSET, 0xffffffff);
  b.command(Q::CONTROL::PLOAD);
  REQUIRE(b.wait() == Q::FAULT::CODE_BAD_SIZE);

  // Any flipped bit of the body is found by the checksum.
  for (size_t bit = 3; bit < 8 * body.size(); bit += 4999) {
    std::vector<uint8_t> stream = good;
    stream[sizeof(rdu_program_header) + bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    REQUIRE(b.load(stream) == Q::FAULT::CODE_BAD_CRC);
  }

  // Sound streams that say what cannot be: the first unit is pcu[0][2], its chunk 0 the first sub-file.
  const size_t words = RDU_PROGRAM_BODY(units) - sizeof(rdu_program_header);
  REQUIRE(b.load(sealed([&](auto& s) { set32(s, 0, RDU_UNIT(RDU_UNIT_PCU, 3, 0)); })) ==
          Q::FAULT::CODE_BAD_UNIT);
  REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == RDU_UNIT(RDU_UNIT_PCU, 3, 0));
  REQUIRE(b.load(sealed([&](auto& s) { set32(s, 0, RDU_UNIT(RDU_UNIT_PMU, 0, 4)); })) ==
          Q::FAULT::CODE_BAD_UNIT);
  REQUIRE(b.load(sealed([&](auto& s) { set32(s, 0, RDU_UNIT(RDU_UNIT_AGCU, 0, 2)); })) ==
          Q::FAULT::CODE_BAD_UNIT);
  REQUIRE(b.load(sealed([&](auto& s) { set32(s, 0, RDU_UNIT(5, 0, 0)); })) == Q::FAULT::CODE_BAD_UNIT);
  REQUIRE(b.load(sealed([&](auto& s) { set32(s, 0, 0); })) == Q::FAULT::CODE_BAD_UNIT);
  REQUIRE(b.load(sealed([&](auto& s) { set32(s, 8, Pipeline::kPcu); })) == Q::FAULT::CODE_BAD_UNIT);  // twice
  REQUIRE(b.load(sealed([&](auto& s) { set32(s, 4, 0); })) == Q::FAULT::CODE_BAD_WORD);
  REQUIRE(b.load(sealed([&](auto& s) { set32(s, 4, 0x80000000); })) == Q::FAULT::CODE_BAD_WORD);
  REQUIRE(b.load(sealed([&](auto& s) { set32(s, 4, 1); })) == Q::FAULT::CODE_BAD_SIZE);
  REQUIRE(b.load(sealed([&](auto& s) { s[8 * units] = 1; })) == Q::FAULT::CODE_BAD_WORD);  // behind the table
  REQUIRE(b.load(sealed([&](auto& s) { set32(s, words + 0x1c, 1); })) ==
          Q::FAULT::CODE_BAD_WORD);  // between registers
  REQUIRE(b.load(sealed([&](auto& s) { set32(s, words, 0x80000001); })) ==
          Q::FAULT::CODE_BAD_WORD);  // reserved bit
  REQUIRE(b.load(sealed([&](auto& s) { set32(s, words, 1 | 32u << 16); })) ==
          Q::FAULT::CODE_BAD_CONFIG);  // no stages
  REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == Pipeline::kPcu);
  REQUIRE(Q::STATUS::LOADED.get(b.read(Q::kSTATUS_OFFSET)) == 0);
  REQUIRE(b.execute() == Q::FAULT::CODE_NO_PROGRAM);
  REQUIRE(b.load(good) == 0);
  REQUIRE(b.execute() == 0);
}

TEST_CASE("programs whose parts do not fit together are refused") {
  Bench& b = bench();
  const auto load = [&](const std::function<void(ProgramBuilder&)>& change) {
    Pipeline pipeline(b);
    change(pipeline.program);
    b.faults.clear();
    return b.load(pipeline.program.stream());
  };
  const auto said = [&](const std::string& text) {
    return b.faults.size() == 1 && b.faults[0].text.find(text) != std::string::npos;
  };
  REQUIRE(load([](ProgramBuilder& p) { p.unit(kEast).set(A::kSTORE_OFFSET, 0); }) ==
          Q::FAULT::CODE_BAD_CONFIG);
  REQUIRE(said("no AGCU stores anything"));
  REQUIRE(load([](ProgramBuilder& p) { p.unit(Pipeline::kPmu) = ConfigWords::reset_of<M::Registers>(); }) ==
          Q::FAULT::CODE_BAD_ROUTE);
  REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == Pipeline::kPmu);
  REQUIRE(said("leads to input 0 of pmu[0][1], which does not use it"));
  REQUIRE(load([](ProgramBuilder& p) {
            p.unit(Pipeline::kPcu).set(P::kSTAGE_OFFSET, P::STAGE::B, P::STAGE::A_IN1);
          }) == Q::FAULT::CODE_BAD_ROUTE);
  REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == Pipeline::kPcu);
  REQUIRE(said("no route leads to input 1 of pcu[0][2]"));
  REQUIRE(load([](ProgramBuilder& p) {
            p.unit(Pipeline::kPcu).set(P::kSTAGE_OFFSET, P::STAGE::A, P::STAGE::A_IN1);
          }) == Q::FAULT::CODE_BAD_ROUTE);
  REQUIRE(said("leads to input 0 of pcu[0][2], which does not use it"));
  REQUIRE(load([](ProgramBuilder& p) { p.unit(kWest).set(A::kMASTER_OFFSET, 3); }) ==
          Q::FAULT::CODE_BAD_ROUTE);
  REQUIRE(said("agcu_west[0] waits for token input 1, which nobody drives"));
  REQUIRE(load([](ProgramBuilder& p) { p.unit(kWest).set(A::kMASTER_OFFSET, 0); }) ==
          Q::FAULT::CODE_BAD_ROUTE);
  REQUIRE(said("the token from agcu_east[0] leads to token input 0 of agcu_west[0], which does not use it"));
  REQUIRE(load([](ProgramBuilder& p) { set_pmu(p.unit(RDU_UNIT(RDU_UNIT_PMU, 2, 2)), 0, 1, 0, {}, {}); }) ==
          Q::FAULT::CODE_BAD_CONFIG);
  REQUIRE(said("pmu[2][2]: write pipeline 0: FILLS is 0"));
  // A second stream over the channel that the first uses, under the same flow id.
  REQUIRE(load([](ProgramBuilder& p) {
            const uint32_t pmu = RDU_UNIT(RDU_UNIT_PMU, 0, 0);
            set_pmu(p.unit(pmu), 1, 1, 0, {}, {});
            ConfigWords& words = p.unit(RDU_UNIT(RDU_UNIT_SWITCH, 0, 0));
            words.set(4 * RDU_PORT_FROM_PMU * RDU_FLOWS, words.at(4 * RDU_PORT_FROM_AGCU * RDU_FLOWS));
          }) == Q::FAULT::CODE_BAD_ROUTE);
  REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == RDU_UNIT(RDU_UNIT_SWITCH, 0, 1));
  REQUIRE(said("the streams from pmu[0][0] and from agcu_west[0] both come by west 0 as flow 0"));
}

TEST_CASE("errors in a scratchpad are corrected and counted, or end the kernel") {
  Bench& b = bench();
  const auto spoil = [&](uint32_t unit, uint64_t address, uint64_t bits) {
    b.write(Q::kSRAM_ECC_UNIT_OFFSET, unit);
    b.write(Q::kSRAM_ECC_ADDRESS_OFFSET, address);
    b.write(Q::kSRAM_ECC_BITS_OFFSET, bits, 8);
  };
  const uint64_t corrected = b.read(Q::kSRAM_ECC_CORRECTED_OFFSET, 8);
  const uint64_t uncorrectable = b.read(Q::kSRAM_ECC_UNCORRECTABLE_OFFSET, 8);
  REQUIRE(b.load(Remembering(b).program.stream(), 0x100000, true) == 0);
  fill(b, 0x1000, 64);
  spoil(Remembering::kPmu, 0x148, uint64_t{1} << 38);
  spoil(Remembering::kPmu, 0x04, 7);  // written before it is read
  REQUIRE(b.execute() == 0);
  REQUIRE(equal(b, 0x1000, 0x2000, 64));
  REQUIRE(
      std::all_of(&b.memory.data[0x2040], &b.memory.data[0x2400], [](uint8_t byte) { return byte == 0; }));
  REQUIRE(b.read(Q::kSRAM_ECC_CORRECTED_OFFSET, 8) == corrected + 1);
  REQUIRE(b.read(Q::kSRAM_ECC_UNCORRECTABLE_OFFSET, 8) == uncorrectable);

  spoil(Remembering::kPmu, 0x1c4, 5);
  b.faults.clear();
  REQUIRE(b.execute() == Q::FAULT::CODE_SRAM_ECC);
  REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == Remembering::kPmu);
  REQUIRE(b.read(Q::kFAULT_ADDRESS_OFFSET, 8) == 0x1c4);
  REQUIRE(b.read(Q::kSRAM_ECC_UNCORRECTABLE_OFFSET, 8) == uncorrectable + 1);
  REQUIRE(b.faults.size() == 1);
  REQUIRE(b.faults[0].text == "SRAM_ECC: an uncorrectable error in the word at byte 0x1c4 of the scratchpad");

  // Scrubbing clears errors; places that are none are refused.
  REQUIRE(b.load(Remembering(b).program.stream(), 0x100000, true) == 0);
  REQUIRE(b.execute() == 0);
  for (const auto& [unit, address] :
       {std::pair{RDU_UNIT(RDU_UNIT_PCU, 0, 1), 0u}, std::pair{RDU_UNIT(RDU_UNIT_PMU, 0, 200), 0u},
        std::pair{Remembering::kPmu, 2u}, std::pair{Remembering::kPmu, 1u << 30}}) {
    b.faults.clear();
    spoil(unit, address, 1);
    REQUIRE(b.faults.size() == 1);
  }
}

TEST_CASE("a kernel that hangs says who waits for what") {
  Bench& b = bench();
  Pipeline pipeline(b);
  pipeline.program.unit(Pipeline::kPcu).set(P::kPROGRAM_COUNT_OFFSET, 9);
  set_store(pipeline.program.unit(kEast), Bench::virtual_address(0x2000), 128, {{9, 128}});
  REQUIRE(b.load(pipeline.program.stream()) == 0);
  REQUIRE(b.execute() == Q::FAULT::CODE_HUNG);
  REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == Pipeline::kPcu);
  REQUIRE(b.faults.size() == 1);
  REQUIRE(b.faults[0].unit == "bench.tile.pcu[0][2]");
  REQUIRE(
      b.faults[0].text ==
      "HUNG: the kernel hangs: pcu[0][2] waits for packet 17 of input 0 from pmu[0][1] (fifo 0 of 16), but "
      "pmu[0][1] "
      "has done all it was configured to do. All that wait: pcu[0][2] waits for input 0 (from pmu[0][1]); "
      "agcu_east[0] waits for input (from pcu[0][2])");
  REQUIRE(Q::STATUS::ERROR.get(b.read(Q::kSTATUS_OFFSET)) == 1);
  // The other way round: nobody takes all that the load sends.
  Pipeline full(b);
  set_load(full.program.unit(kWest), Bench::virtual_address(0x1000), 128, {{64, 0}});
  full.program.unit(Pipeline::kPcu).set(P::kPROGRAM_COUNT_OFFSET, 4);
  b.faults.clear();
  REQUIRE(b.load(full.program.stream()) == 0);
  REQUIRE(b.execute() == Q::FAULT::CODE_HUNG);
  REQUIRE(b.faults[0].text ==
          "HUNG: the kernel hangs: agcu_west[0] waits for room in input 0 of pmu[0][1] (fifo 16 of 16 full, "
          "4 packets "
          "before it), but pmu[0][1] has done all it was configured to do; agcu_east[0] waits for packet 9 "
          "of input 0 "
          "from pcu[0][2] (fifo 0 of 16), but pcu[0][2] has done all it was configured to do. All that wait: "
          "agcu_west[0] waits for credit of pmu[0][1]; agcu_east[0] waits for input (from pcu[0][2])");
}

TEST_CASE("two ways that meet again, one of them too short: the circle is named") {
  Bench& b = bench();
  ProgramBuilder program(b.params);
  set_load(program.unit(kWest), Bench::virtual_address(0x1000), 64, {{64, 64}});
  set_pmu(program.unit(Pipeline::kPmu), 1, 1, 4096, {{64, 64}}, {{64, 64}});
  set_simd(program.unit(Pipeline::kPcu), 64, {{P::STAGE::OP_FADD, P::STAGE::A_IN0, P::STAGE::A_IN2}});
  program.unit(Pipeline::kPcu)
      .set(P::kPROGRAM_OUT_OFFSET, P::PROGRAM_OUT::FORMAT, P::PROGRAM_OUT::FORMAT_BF16);
  program.unit(Pipeline::kPcu).set(P::kINPUT_OFFSET, P::INPUT::FORMAT, P::INPUT::FORMAT_BF16);
  program.unit(Pipeline::kPcu).set(P::kINPUT_OFFSET + 8, P::INPUT::FORMAT, P::INPUT::FORMAT_BF16);
  set_store(program.unit(kEast), Bench::virtual_address(0x3000), 64, {{64, 64}});
  REQUIRE(program.route(kWest, {{Pipeline::kPcu, 0}, {Pipeline::kPmu, 0}}));
  REQUIRE(program.route(Pipeline::kPmu, {{Pipeline::kPcu, 2}}));
  REQUIRE(program.route(Pipeline::kPcu, {{kEast, 0}}));
  REQUIRE(b.load(program.stream()) == 0);
  REQUIRE(b.execute() == Q::FAULT::CODE_HUNG);
  const std::string& text = b.faults.back().text;
  INFO(text);
  REQUIRE(text.find("3 units wait for each other: pcu[0][2] waits for packet 1 of input 2 from pmu[0][1] "
                    "(fifo 0 of 16), "
                    "pmu[0][1] waits for packet ") != std::string::npos);
  REQUIRE(
      text.find(
          "of input 0 from agcu_west[0] (fifo 0 of 16), agcu_west[0] waits for room in input 0 of pcu[0][2] "
          "(fifo 16 of 16 full, ") != std::string::npos);
  REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == Pipeline::kPcu);
  // A longer FIFO is what helps.
  set_load(program.unit(kWest), Bench::virtual_address(0x1000), 64, {{16, 64}});
  set_pmu(program.unit(Pipeline::kPmu), 1, 1, 4096, {{16, 64}}, {{16, 64}});
  program.unit(Pipeline::kPcu).set(P::kPROGRAM_COUNT_OFFSET, 16);
  set_store(program.unit(kEast), Bench::virtual_address(0x3000), 64, {{16, 64}});
  REQUIRE(b.load(program.stream()) == 0);
  REQUIRE(b.execute() == 0);
}

TEST_CASE("half a vector, and a store that waits for too many rows") {
  Bench& b = bench();
  Pipeline half(b);
  set_load(half.program.unit(kWest), Bench::virtual_address(0x1000), 64, {{15, 64}});
  set_pmu(half.program.unit(Pipeline::kPmu), 1, 1, 4096, {{15, 64}}, {{15, 64}});
  REQUIRE(b.load(half.program.stream()) == 0);
  REQUIRE(b.execute() == Q::FAULT::CODE_HUNG);
  INFO(b.faults.back().text);
  REQUIRE(b.faults.back().text.find(
              "pcu[0][2] waits for more than 1 packets in input 0 from pmu[0][1], but pmu[0][1] has "
              "done all it was configured to do") != std::string::npos);
  Copy rows(b);
  set_store(rows.program.unit(kEast), Bench::virtual_address(0x2000), 128, {{9, 128}});
  REQUIRE(b.load(rows.program.stream()) == 0);
  REQUIRE(b.execute() == Q::FAULT::CODE_HUNG);
  REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == kEast);
  INFO(b.faults.back().text);
  REQUIRE(b.faults.back().text.find(
              "agcu_east[0] waits for packet 17 of input 0 from agcu_west[0] (fifo 0 of 16), but "
              "agcu_west[0] has done all it was configured to do") != std::string::npos);
}

TEST_CASE("gather: rows in the order of an index list; neighbours share requests") {
  Bench& b = bench();
  constexpr uint32_t kRows = 40;
  ProgramBuilder program(b.params);
  const uint32_t list = RDU_UNIT(RDU_UNIT_AGCU, 1, 0);
  const std::vector<int32_t> order = [] {
    std::vector<int32_t> all(48, -1);
    for (int32_t i = 0; i < 40; ++i) all[static_cast<size_t>(i)] = i < 20 ? i : (i * 7) % 40 - 5;
    return all;
  }();
  std::memcpy(&b.memory.data[0x8000], order.data(), 4 * order.size());
  fill(b, 0x10000, 0x4000);
  set_load(program.unit(list), Bench::virtual_address(0x8000), 192, {});
  ConfigWords& gather = program.unit(kWest);
  set_load(gather, Bench::virtual_address(0x10000 + 0x400), 64, {{kRows, 0}});
  gather.set(A::kLOAD_OFFSET, A::LOAD::INDEX, 1);
  gather.set(A::kLOAD_INDEX_STRIDE_OFFSET, 64);
  gather.set(A::kLOAD_OFFSET, A::LOAD::OUTSTANDING, 2);
  set_store(program.unit(kEast), Bench::virtual_address(0x20000), 64, {{kRows, 64}});
  REQUIRE(program.route(list, {{kWest, 1}}));
  REQUIRE(program.route(kWest, {{kEast, 0}}));
  REQUIRE(b.load(program.stream()) == 0);
  b.memory.seen.clear();
  REQUIRE(b.execute() == 0);
  for (uint32_t i = 0; i < kRows; ++i) {
    CAPTURE(i);
    REQUIRE(equal(b, 0x10000 + 0x400 + static_cast<uint64_t>(64 * order[i]), 0x20000 + 64 * i, 64));
  }
  // Indices 0 .. 15 are one packet: four requests of 256 bytes. 16 .. 19 are another request, in the next
  // packet; the rest lie apart, and no more than two are in flight.
  std::vector<uint32_t> lengths;
  std::vector<std::pair<core::Time, core::Time>> times;
  for (const auto& seen : b.memory.seen) {
    if (seen.write || seen.address < 0x10000) continue;
    lengths.push_back(seen.length);
    times.emplace_back(seen.issue, seen.done);
  }
  REQUIRE(lengths.size() == 5 + 20);
  for (size_t i = 0; i < 5; ++i) REQUIRE(lengths[i] == 256);
  for (size_t i = 2; i < times.size(); ++i) REQUIRE(times[i].first > times[i - 2].second);
  // The route of the list is needed, and only one generator can have it.
  ProgramBuilder without(b.params);
  without.unit(kWest) = gather;
  set_store(without.unit(kEast), Bench::virtual_address(0x20000), 64, {{kRows, 64}});
  REQUIRE(without.route(kWest, {{kEast, 0}}));
  REQUIRE(b.load(without.stream()) == Q::FAULT::CODE_BAD_ROUTE);
  // Too few indices: the explanation names the list.
  set_load(program.unit(list), Bench::virtual_address(0x8000), 128, {});
  REQUIRE(b.load(program.stream()) == 0);
  REQUIRE(b.execute() == Q::FAULT::CODE_HUNG);
  INFO(b.faults.back().text);
  REQUIRE(b.faults.back().text.find(
              "agcu_west[0] waits for packet 3 of input 1 from agcu_west[1] (fifo 0 of 16), but "
              "agcu_west[1] has done all") != std::string::npos);
}

TEST_CASE("scatter and atomic accumulation: a histogram") {
  Bench& b = bench();
  constexpr uint32_t kRows = 64;
  ProgramBuilder program(b.params);
  const uint32_t list = RDU_UNIT(RDU_UNIT_AGCU, 1, 0);
  std::vector<int32_t> bins(kRows);
  for (uint32_t i = 0; i < kRows; ++i) bins[i] = static_cast<int32_t>((i * i) % 7) - 3;
  std::memcpy(&b.memory.data[0x8000], bins.data(), 4 * bins.size());
  std::vector<int32_t> ones(16 * kRows, 0);
  for (uint32_t i = 0; i < kRows; ++i) ones[16 * i] = 1, ones[16 * i + 1] = static_cast<int32_t>(i);
  std::memcpy(&b.memory.data[0x10000], ones.data(), 4 * ones.size());
  std::fill_n(b.memory.data.begin() + 0x20000, 0x400, 0);
  set_load(program.unit(list), Bench::virtual_address(0x8000), 256, {});
  set_load(program.unit(kWest), Bench::virtual_address(0x10000), 64, {{kRows, 64}});
  ConfigWords& scatter = program.unit(kEast);
  set_store(scatter, Bench::virtual_address(0x20000 + 3 * 8), 8, {{kRows, 0}});
  scatter.set(A::kSTORE_OFFSET, A::STORE::INDEX, 1);
  scatter.set(A::kSTORE_INDEX_STRIDE_OFFSET, 8);
  scatter.set(A::kSTORE_OFFSET, A::STORE::OP, A::STORE::OP_IADD);
  REQUIRE(program.route(list, {{kEast, 1}}));
  REQUIRE(program.route(kWest, {{kEast, 0}}));
  const auto sums = [&] {
    std::vector<int32_t> found(14);
    std::memcpy(found.data(), &b.memory.data[0x20000], 4 * found.size());
    return found;
  };
  REQUIRE(b.load(program.stream()) == 0);
  REQUIRE(b.execute() == 0);
  std::vector<int32_t> expect(14, 0);
  for (uint32_t i = 0; i < kRows; ++i) {
    expect[static_cast<size_t>(2 * (bins[i] + 3))] += 1;
    expect[static_cast<size_t>(2 * (bins[i] + 3) + 1)] += static_cast<int32_t>(i);
  }
  REQUIRE(sums() == expect);
  REQUIRE(b.execute() == 0);
  for (int32_t& value : expect) value *= 2;
  REQUIRE(sums() == expect);
}

TEST_CASE("two generators may not accumulate in an order that depends on time") {
  Bench& b = bench();
  const auto load = [&](uint64_t op_a, uint64_t op_b, uint64_t apart, uint32_t stride) {
    ProgramBuilder program(b.params);
    for (unsigned row = 0; row < 2; ++row) {
      const uint32_t west = RDU_UNIT(RDU_UNIT_AGCU, row, 0), east = RDU_UNIT(RDU_UNIT_AGCU, row, 1);
      set_load(program.unit(west), Bench::virtual_address(0x1000), 64, {{4, 64}});
      set_store(program.unit(east), Bench::virtual_address(0x2000 + row * apart), 64,
                {{4, static_cast<int32_t>(stride)}});
      program.unit(east).set(A::kSTORE_OFFSET, A::STORE::OP, row == 0 ? op_a : op_b);
      REQUIRE(program.route(west, {{east, 0}}));
    }
    return b.load(program.stream());
  };
  REQUIRE(load(A::STORE::OP_FADD, A::STORE::OP_FADD, 0x100, 64) == 0);
  REQUIRE(load(A::STORE::OP_FADD, A::STORE::OP_FADD, 0xfc, 64) == Q::FAULT::CODE_BAD_CONFIG);
  REQUIRE(b.faults.back().text.find(
              "agcu_east[1]: its atomic writes and those of agcu_east[0] may meet in memory") !=
          std::string::npos);
  REQUIRE(load(A::STORE::OP_FADD, A::STORE::OP_FADD, 64, 128) == 0);  // every other row
  REQUIRE(load(A::STORE::OP_FADD, A::STORE::OP_FADD, 60, 128) == Q::FAULT::CODE_BAD_CONFIG);
  REQUIRE(load(A::STORE::OP_IADD, A::STORE::OP_IADD, 0, 64) == 0);
  REQUIRE(load(A::STORE::OP_IADD, A::STORE::OP_IMAX, 0, 64) == Q::FAULT::CODE_BAD_CONFIG);
  REQUIRE(load(A::STORE::OP_FADD, A::STORE::OP_WRITE, 0, 64) == 0);
  REQUIRE(b.execute() == Q::FAULT::CODE_BAD_CONFIG);  // when arguments have had their say
  REQUIRE(b.faults.back().text.find("agcu_east[1]: its writes and the atomic writes of agcu_east[0] meet") !=
          std::string::npos);
  // An argument that moves one onto the other is refused, too.
  REQUIRE(load(A::STORE::OP_FADD, A::STORE::OP_FADD, 0x100, 64) == 0);
  REQUIRE(b.arguments({argument(kEast, A::kSTORE_BASE_OFFSET, 2, Bench::virtual_address(0x2100))}) ==
          Q::FAULT::CODE_BAD_CONFIG);
  fill(b, 0x1000, 256);
  REQUIRE(b.execute() == 0);
}

TEST_CASE("accesses to the same bytes are refused if no stream or token says which come first") {
  Bench& b = bench();
  struct Two {
    uint64_t load;  ///< physical address of the second pipeline's
    uint64_t store;
    uint32_t stride = 64;  ///< of both stores
    bool token = false;    ///< from the first store to the second load
    bool index = false;    ///< the second load gathers
    uint32_t rows = 4;
  };
  const uint32_t west = RDU_UNIT(RDU_UNIT_AGCU, 1, 0), east = RDU_UNIT(RDU_UNIT_AGCU, 1, 1);
  // Copies from 0x1000 to 0x2000, and beside it another one.
  const auto load = [&](const Two& two) {
    ProgramBuilder program(b.params);
    const auto stride = static_cast<int32_t>(two.stride);
    set_load(program.unit(kWest), Bench::virtual_address(0x1000), 64, {{two.rows, 64}});
    set_store(program.unit(kEast), Bench::virtual_address(0x2000), 64, {{two.rows, stride}});
    set_load(program.unit(west), Bench::virtual_address(two.load), 64, {{two.rows, 64}});
    set_store(program.unit(east), Bench::virtual_address(two.store), 64, {{two.rows, stride}});
    REQUIRE(program.route(kWest, {{kEast, 0}}));
    REQUIRE(program.route(west, {{east, 0}}));
    if (two.token) {
      program.unit(kEast).set(A::kSTORE_OFFSET, A::STORE::SIGNAL, 1);
      program.unit(west).set(A::kLOAD_OFFSET, A::LOAD::WAIT, 1);
      REQUIRE(program.route_token(kEast, 1, {{west, 0}}));
    }
    if (two.index) {
      const uint32_t list = RDU_UNIT(RDU_UNIT_AGCU, 2, 0);
      program.unit(west).set(A::kLOAD_OFFSET, A::LOAD::INDEX, 1);
      set_load(program.unit(list), Bench::virtual_address(0x8000), 64, {{1, 64}});
      REQUIRE(program.route(list, {{west, 1}}));
    }
    REQUIRE(b.load(program.stream()) == 0);
    b.memory.seen.clear();
    const uint64_t fault = b.execute();
    if (fault != 0) {
      for (const FakeMemory::Seen& seen : b.memory.seen) CHECK_FALSE(seen.write);
    }
    return fault;
  };
  const uint64_t refused = Q::FAULT::CODE_BAD_CONFIG;
  CHECK(load({0x1000, 0x3000}) == 0);  // two may read
  // Who has no segment meets nobody.
  const uint64_t nowhere = b.memory.data.size();
  CHECK(load({nowhere, nowhere}) == Q::FAULT::CODE_SEGMENT);
  CHECK(load({0x1000, 0x2040}) == refused);
  CHECK(
      b.faults.back().text.find("agcu_east[1]: its writes and the writes of agcu_east[0] meet in memory, and "
                                "nothing says which come first: no stream or token leads from one to the "
                                "other") != std::string::npos);
  CHECK(load({0x1000, 0x2040, 128}) == 0);  // every other row
  CHECK(load({0x1000, 0x2020, 128}) == refused);
  CHECK(load({0x20c0, 0x3000}) == refused);  // reads what the other writes
  CHECK(b.faults.back().text.find("agcu_west[1]: its reads and the writes of agcu_east[0] meet") !=
        std::string::npos);
  CHECK(load({0x2100, 0x3000}) == 0);
  CHECK(load({0x20c0, 0x3000, 64, true}) == 0);         // a token says when
  CHECK(load({0x1000, 0x2040, 64, true}) == 0);         // and so when the second is written
  CHECK(load({0x4000, 0x4000}) == 0);                   // in place: data come before they are written
  CHECK(load({0x20c0, 0x3000, 64, false, true}) == 0);  // who knows where an index leads
  // Arguments move one onto the other, and back.
  REQUIRE(load({0x1000, 0x3000}) == 0);
  const auto move_to = [&](uint64_t to) {
    REQUIRE(b.arguments({argument(east, A::kSTORE_BASE_OFFSET, 2, Bench::virtual_address(to))}) == 0);
    return b.execute();
  };
  fill(b, 0x1000, 256);
  CHECK(move_to(0x2000) == refused);
  CHECK(move_to(0x4000) == 0);
  CHECK(equal(b, 0x1000, 0x4000, 256));
}

TEST_CASE(
    "faults are precise: the first in a generator's order, with all before it done and nothing after it") {
  Bench& b = bench();
  Copy copy(b, 256, 8);  // a request a row
  const auto put = [&](uint64_t n) { return Bench::virtual_address(n); };
  std::fill_n(b.memory.data.begin() + 0x2000, 0x1000, 0xee);
  fill(b, 0x1000, 0x800);
  const auto rows_done = [&] {
    size_t rows = 0;
    while (rows < 8 && equal(b, 0x1000 + 256 * rows, 0x2000 + 256 * rows, 256)) ++rows;
    for (size_t at = 0x2000 + 256 * rows; at < 0x2800; ++at) {
      if (b.memory.data[at] != 0xee) return size_t{99};  // something behind it is visible
    }
    return rows;
  };
  SECTION("a write outside the segment: the answers before it come later, and are waited for") {
    b.translator.read_only = Bench::kMemory - 0x2300;  // writes end at 0x2300
    b.memory.latency = [](const core::Transfer& t) { return core::Time{t.write ? 900'000u : 100'000u}; };
    REQUIRE(b.load(copy.program.stream()) == 0);
    REQUIRE(b.execute() == Q::FAULT::CODE_SEGMENT);
    REQUIRE(b.read(Q::kFAULT_ADDRESS_OFFSET, 8) == put(0x2300));
    REQUIRE(rows_done() == 3);
  }
  SECTION("reads: the second one fails late, the fourth early; the second one counts") {
    b.memory.fails = [](const core::Transfer& t) {
      return !t.write && (t.address == 0x1100 || t.address == 0x1300);
    };
    b.memory.latency = [](const core::Transfer& t) {
      return core::Time{t.address == 0x1100 ? 2'000'000u : 100'000u};
    };
    REQUIRE(b.load(copy.program.stream()) == 0);
    REQUIRE(b.execute() == Q::FAULT::CODE_MEMORY);
    REQUIRE(b.read(Q::kFAULT_ADDRESS_OFFSET, 8) == put(0x1100));
    REQUIRE(rows_done() == 1);
  }
  SECTION("writes that memory refuses, one in flight at a time: nothing after it is visible") {
    copy.program.unit(kEast).set(A::kSTORE_OFFSET, A::STORE::OUTSTANDING, 1);
    b.memory.fails = [](const core::Transfer& t) {
      return t.write && t.address >= 0x2400 && t.address < 0x3000;
    };
    REQUIRE(b.load(copy.program.stream()) == 0);
    REQUIRE(b.execute() == Q::FAULT::CODE_MEMORY);
    REQUIRE(b.read(Q::kFAULT_ADDRESS_OFFSET, 8) == put(0x2400));
    REQUIRE(rows_done() == 4);
  }
  SECTION("writes that memory refuses, many in flight: the first in order counts, the ones before are done") {
    b.memory.fails = [](const core::Transfer& t) {
      return t.write && (t.address == 0x2200 || t.address == 0x2400);
    };
    b.memory.latency = [](const core::Transfer& t) {
      return core::Time{t.write && t.address < 0x2300 ? 2'000'000u : 100'000u};
    };
    REQUIRE(b.load(copy.program.stream()) == 0);
    REQUIRE(b.execute() == Q::FAULT::CODE_MEMORY);
    REQUIRE(b.read(Q::kFAULT_ADDRESS_OFFSET, 8) == put(0x2200));
    REQUIRE(equal(b, 0x1000, 0x2000, 512));
  }
  b.memory.fails = [](const core::Transfer&) { return false; };
}

TEST_CASE("addresses outside the context's segments, and memory that fails") {
  Bench& b = bench();
  Copy copy(b);
  const auto load_base = [&](uint64_t base) { return argument(kWest, A::kLOAD_BASE_OFFSET, 2, base); };
  REQUIRE(b.load(copy.program.stream()) == 0);
  SECTION("read") {
    REQUIRE(b.arguments({load_base(0x1234)}, true) == Q::FAULT::CODE_SEGMENT);
    REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == kWest);
    REQUIRE(b.read(Q::kFAULT_ADDRESS_OFFSET, 8) == 0x1234);
  }
  SECTION("the first in time counts, not the first that the simulator sees") {
    b.translator.read_only = Bench::kMemory - 0x2100;
    REQUIRE(b.arguments({load_base(Bench::virtual_address(Bench::kMemory - 512))}, true) ==
            Q::FAULT::CODE_SEGMENT);
    // The third request of the load leaves the segment at cycle 4, long before the store's first leaves.
    REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == kWest);
    REQUIRE(b.read(Q::kFAULT_ADDRESS_OFFSET, 8) == Bench::virtual_address(Bench::kMemory));
  }
  SECTION("write") {
    b.translator.read_only = Bench::kMemory - 0x2100;
    REQUIRE(b.execute() == Q::FAULT::CODE_SEGMENT);
    REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == kEast);
    REQUIRE(b.read(Q::kFAULT_ADDRESS_OFFSET, 8) == Bench::virtual_address(0x2100));
  }
  SECTION("memory") {
    b.memory.fail_from = 0x1100;
    REQUIRE(b.execute() == Q::FAULT::CODE_MEMORY);
    b.memory.fail_from = ~uint64_t{0};
    REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == kWest);
    REQUIRE(b.read(Q::kFAULT_ADDRESS_OFFSET, 8) == Bench::virtual_address(0x1100));
  }
  SECTION("program and arguments") {
    b.write(Q::kPROGRAM_ADDRESS_OFFSET, 0x99, 8);
    b.command(Q::CONTROL::PLOAD);
    REQUIRE(b.wait() == Q::FAULT::CODE_SEGMENT);
    REQUIRE(b.read(Q::kFAULT_UNIT_OFFSET) == 0);
    REQUIRE(b.read(Q::kFAULT_ADDRESS_OFFSET, 8) == 0x99);
    REQUIRE(b.load(copy.program.stream()) == 0);
    b.write(Q::kARGUMENT_ADDRESS_OFFSET, 0x77, 8);
    b.write(Q::kARGUMENT_COUNT_OFFSET, 1);
    b.command(Q::CONTROL::ALOAD);
    REQUIRE(b.wait() == Q::FAULT::CODE_SEGMENT);
    REQUIRE(b.read(Q::kFAULT_ADDRESS_OFFSET, 8) == 0x77);
  }
  // A fault does not harm what comes next.
  b.translator.read_only = 0;
  fill(b, 0x1000, 1024);
  REQUIRE(b.arguments({load_base(Bench::virtual_address(0x1000))}, true) == 0);
  REQUIRE(equal(b, 0x1000, 0x2000, 1024));
}

TEST_CASE("abort, at any time") {
  Bench& b = bench();
  Copy copy(b, 1024, 64);
  fill(b, 0x1000, 0x1000);
  const std::vector<uint8_t> stream = copy.program.stream();
  REQUIRE(b.load(stream) == 0);
  for (const core::Time after : {0u, 1'000u, 50'000u, 100'000u, 130'000u, 333'333u, 700'000u}) {
    REQUIRE(b.load(stream) == 0);
    b.command(Q::CONTROL::EXEC);
    if (after != 0) sc_core::sc_start(core::to_sc(after));
    b.command(Q::CONTROL::ABORT);
    REQUIRE(b.wait() == Q::FAULT::CODE_ABORTED);
    REQUIRE(b.read(Q::kSTATUS_OFFSET) == (Q::STATUS::DONE.mask() | Q::STATUS::ERROR.mask()));
    REQUIRE(b.execute() == Q::FAULT::CODE_NO_PROGRAM);
    // Nothing that was on its way arrives later.
    const size_t requests = b.memory.seen.size();
    sc_core::sc_start(core::to_sc(core::kMicrosecond));
    REQUIRE(b.memory.seen.size() == requests);
  }
  b.command(Q::CONTROL::PLOAD);
  sc_core::sc_start(core::to_sc(60'000));
  b.command(Q::CONTROL::ABORT);
  REQUIRE(b.wait() == Q::FAULT::CODE_ABORTED);
  // With nothing to stop it unloads.
  REQUIRE(b.load(stream) == 0);
  b.command(Q::CONTROL::ABORT);
  REQUIRE(b.wait() == 0);
  REQUIRE(Q::STATUS::LOADED.get(b.read(Q::kSTATUS_OFFSET)) == 0);
}

TEST_CASE("host reset in mid-run") {
  Bench& b = bench();
  Copy copy(b, 1024, 64);
  fill(b, 0x1000, 0x10000);
  const std::vector<uint8_t> stream = copy.program.stream();
  for (const core::Time after : {1'000u, 90'000u, 120'000u, 290'000u}) {
    REQUIRE(b.load(stream) == 0);
    b.command(Q::CONTROL::EXEC);
    sc_core::sc_start(core::to_sc(after));
    b.tile.host_reset();
    REQUIRE(b.read(Q::kSTATUS_OFFSET) == 0);
    REQUIRE(Q::UNITS::AGCUS.get(b.read(Q::kUNITS_OFFSET)) == 6);
    // At once a new start, while answers to the old requests still come in.
    REQUIRE(b.load(stream) == 0);
    REQUIRE(b.execute() == 0);
    REQUIRE(equal(b, 0x1000, 0x2000, 1));
  }
}

TEST_CASE("a command while another one runs is refused and does it no harm") {
  Bench& b = bench();
  Copy copy(b);
  fill(b, 0x1000, 1024);
  REQUIRE(b.load(copy.program.stream()) == 0);
  b.faults.clear();
  b.command(Q::CONTROL::EXEC);
  b.command(Q::CONTROL::PLOAD);
  REQUIRE(b.faults.size() == 1);
  REQUIRE(Q::STATUS::STATE.get(b.read(Q::kSTATUS_OFFSET)) == Q::STATUS::STATE_EXEC);
  REQUIRE(b.wait() == Q::FAULT::CODE_BUSY);
  REQUIRE(Q::STATUS::ERROR.get(b.read(Q::kSTATUS_OFFSET)) == 1);
  REQUIRE(equal(b, 0x1000, 0x2000, 1024));
  REQUIRE(b.execute() == 0);
}

TEST_CASE("interrupt") {
  Bench& b = bench();
  Copy copy(b);
  b.interrupts = 0;
  REQUIRE(b.load(copy.program.stream()) == 0);
  REQUIRE(b.interrupts == 0);
  b.write(Q::kIRQ_ENABLE_OFFSET, 1);
  REQUIRE(b.interrupts == 1);  // DONE was already set
  b.write(Q::kSTATUS_OFFSET, Q::STATUS::DONE.mask());
  REQUIRE_FALSE(b.tile.interrupt.level());
  REQUIRE(b.execute() == 0);
  REQUIRE(b.interrupts == 2);
  REQUIRE(b.tile.interrupt.level());
  b.write(Q::kIRQ_ENABLE_OFFSET, 0);
  REQUIRE_FALSE(b.tile.interrupt.level());
}

TEST_CASE("loads that nobody waits for do not hold a kernel up") {
  Bench& b = bench();
  ProgramBuilder program(b.params);
  const uint32_t extra = RDU_UNIT(RDU_UNIT_AGCU, 1, 0);
  const uint32_t pmu = RDU_UNIT(RDU_UNIT_PMU, 1, 0);
  const uint32_t sink = RDU_UNIT(RDU_UNIT_AGCU, 1, 1);
  set_load(program.unit(kWest), Bench::virtual_address(0x1000), 64, {});
  set_store(program.unit(kEast), Bench::virtual_address(0x2000), 64, {});
  set_load(program.unit(extra), Bench::virtual_address(0x1000), 4096, {{100, 0}});
  set_pmu(program.unit(pmu), 1, 1, 0, {{64, 64}}, {});
  set_store(program.unit(sink), Bench::virtual_address(0x3000), 64, {});
  REQUIRE(program.route(kWest, {{kEast, 0}}));
  REQUIRE(program.route(extra, {{pmu, 0}}));
  REQUIRE(program.route(pmu, {{sink, 0}}));
  REQUIRE(b.load(program.stream()) == 0);
  REQUIRE(b.execute() == 0);
  REQUIRE(b.execute() == 0);
}

TEST_CASE("the trace file shows units and requests") {
  Bench& b = bench();
  const Pipeline pipeline(b);
  const std::string path = (std::filesystem::temp_directory_path() / "test_fabric_tile.trace").string();
  core::Tracer::get().open(path);
  b.write(Q::kTAG_OFFSET, 0x10003);
  REQUIRE(b.load(pipeline.program.stream()) == 0);
  REQUIRE(b.execute() == 0);
  core::Tracer::get().close();
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  std::filesystem::remove(path);
  for (const char* part :
       {"program load", "\"execute\"", "pcu[0][2]", "pmu[0][1]", "load 0", "store 0",
        "address=0x700000001000 bytes=256", "firings=8 busy=16 stall_in=189", "queue 1 #2"}) {
    INFO(part);
    REQUIRE(text.str().find(part) != std::string::npos);
  }
}

TEST_CASE("counters of what is no unit read as zero, and say so") {
  Bench& b = bench();
  b.command(Q::CONTROL::ABORT);  // installs the log
  b.faults.clear();
  b.write(Q::kPERF_SELECT_OFFSET, RDU_UNIT(RDU_UNIT_PCU, 9, 9));
  REQUIRE(b.faults.size() == 1);
  REQUIRE(b.read(Q::kPERF_BUSY_OFFSET, 8) == 0);
}

TEST_CASE(
    "fills: a load waits until a store has put enough into memory, and a store until a load has read it") {
  Bench& b = bench();
  constexpr uint32_t kRows = 16, kFill = 4;
  const uint32_t west1 = RDU_UNIT(RDU_UNIT_AGCU, 1, 0), east1 = RDU_UNIT(RDU_UNIT_AGCU, 1, 1);
  ProgramBuilder program(b.params);
  // Row 1 copies 0x1000 to a buffer of four rows at 0x3000; row 0, its load the master's, reads it, fill by
  // fill.
  set_load(program.unit(west1), Bench::virtual_address(0x1000), 256, {{kRows, 256}});
  set_store(program.unit(east1), Bench::virtual_address(0x3000), 256, {{kFill, 256}, {kRows / kFill, 0}});
  program.unit(east1).set(A::kSTORE_OFFSET, A::STORE::SIGNAL, 1);
  program.unit(east1).set(A::kSTORE_FILL_OFFSET, kFill);
  ConfigWords& reader = program.unit(kWest);
  set_load(reader, Bench::virtual_address(0x3000), 256, {{kFill, 256}, {kRows / kFill, 0}});
  reader.set(A::kLOAD_OFFSET, A::LOAD::WAIT, 1);
  reader.set(A::kLOAD_OFFSET, A::LOAD::WAIT_INPUT, 3);
  reader.set(A::kLOAD_FILL_OFFSET, kFill);
  set_store(program.unit(kEast), Bench::virtual_address(0x8000), 256, {{kRows, 256}});
  REQUIRE(program.route(west1, {{east1, 0}}));
  REQUIRE(program.route(kWest, {{kEast, 0}}));
  REQUIRE(program.route_token(east1, 3));
  std::fill_n(b.memory.data.begin() + 0x3000, 0x400, 0xaa);
  fill(b, 0x1000, 256 * kRows);
  REQUIRE(b.load(program.stream()) == 0);
  b.memory.seen.clear();
  REQUIRE(b.execute() == 0);
  // Nobody keeps the writer from running ahead, so the reader may see a later fill, but never what was there
  // before.
  for (uint32_t row = 0; row < kRows; ++row) REQUIRE(b.memory.data[0x8000 + 256 * row] != 0xaa);
  core::Time filled = 0, first_read = 0;
  unsigned writes = 0;
  for (const auto& seen : b.memory.seen) {
    if (seen.write && seen.address >= 0x3000 && seen.address < 0x3400 && ++writes == kFill)
      filled = seen.done;
    if (!seen.write && seen.address >= 0x3000 && first_read == 0) first_read = seen.issue;
  }
  REQUIRE(filled != 0);
  // The token leaves with the last acknowledgement, passes 5 switches and 6 wires, then an address and
  // request_cycles.
  REQUIRE(first_read == filled + 625 * (6 + 2));
  // Without the wire it is refused; without tokens the kernel hangs, and says so.
  program.unit(east1).set(A::kSTORE_FILL_OFFSET, 3);
  REQUIRE(b.load(program.stream()) == Q::FAULT::CODE_BAD_CONFIG);
  program.unit(east1).set(A::kSTORE_FILL_OFFSET, 8);  // half the tokens
  REQUIRE(b.load(program.stream()) == 0);
  REQUIRE(b.execute() == Q::FAULT::CODE_HUNG);
  INFO(b.faults.back().text);
  REQUIRE(b.faults.back().text.find(
              "agcu_west[0] waits for a token on token input 3 from agcu_east[1], but agcu_east[1] "
              "has done all it was configured to do") != std::string::npos);
  program.unit(east1).set(A::kSTORE_OFFSET, A::STORE::SIGNAL, 0);
  REQUIRE(b.load(program.stream()) == Q::FAULT::CODE_BAD_ROUTE);
}

TEST_CASE("a load tells when the last packet of a fill has left") {
  Bench& b = bench();
  const uint32_t west1 = RDU_UNIT(RDU_UNIT_AGCU, 1, 0), east1 = RDU_UNIT(RDU_UNIT_AGCU, 1, 1);
  ProgramBuilder program(b.params);
  set_load(program.unit(west1), Bench::virtual_address(0x1000), 256, {{4, 256}});
  program.unit(west1).set(A::kLOAD_OFFSET, A::LOAD::SIGNAL, 1);
  set_store(program.unit(east1), Bench::virtual_address(0x3000), 256, {{4, 256}});
  set_load(program.unit(kWest), Bench::virtual_address(0x1000), 64, {});
  program.unit(kWest).set(A::kLOAD_OFFSET, A::LOAD::WAIT, 1);
  set_store(program.unit(kEast), Bench::virtual_address(0x8000), 64, {});
  REQUIRE(program.route(west1, {{east1, 0}}));
  REQUIRE(program.route(kWest, {{kEast, 0}}));
  REQUIRE(program.route_token(west1, 0, {{kWest, 0}}));
  REQUIRE(b.load(program.stream()) == 0);
  b.memory.seen.clear();
  const core::Time start = ((core::now() + 624) / 625 + 1) * 625;
  REQUIRE(b.execute() == 0);
  core::Time read = 0;
  for (const auto& seen : b.memory.seen) {
    if (!seen.write && seen.length == 64) read = seen.issue;
  }
  // Requests issue at 2..5, packets leave at 163..178; the token with the last one over two switches, 3
  // wires: 181.
  REQUIRE(read == start + 625 * (181 + 2));
}

namespace {

using Code = std::vector<rdu_schedule_instruction>;

rdu_schedule_instruction instruction(unsigned op, uint32_t count = 0, uint64_t address = 0,
                                     uint64_t value = 0, unsigned condition = 0, uint64_t step = 0,
                                     unsigned level = 0) {
  rdu_schedule_instruction i{};
  i.op = static_cast<uint8_t>(op);
  i.condition = static_cast<uint8_t>(condition);
  i.level = static_cast<uint8_t>(level);
  i.count = count;
  i.address = address;
  i.value = value;
  i.step = step;
  return i;
}

uint64_t control_word(uint32_t unit, uint64_t offset, unsigned words) {
  return unit | (offset / 4) << 32 | uint64_t{words} << 48;
}

void start_schedule(Bench& b, const Code& code, uint64_t more = 0) {
  constexpr uint64_t kAt = 0x90000;
  std::memcpy(&b.memory.data[kAt], code.data(), code.size() * sizeof code[0]);
  b.write(Q::kSCHEDULE_ADDRESS_OFFSET, Bench::virtual_address(kAt), 8);
  b.write(Q::kSCHEDULE_SIZE_OFFSET, code.size() * sizeof code[0]);
  b.command(Q::CONTROL::SCHEDULE, more);
}
uint64_t run_schedule(Bench& b, const Code& code, uint64_t more = 0) {
  start_schedule(b, code, more);
  return b.wait();
}

void put_word(Bench& b, uint64_t at, uint32_t word) {
  std::memcpy(&b.memory.data[at], &word, 4);
}
uint32_t word_at(Bench& b, uint64_t at) {
  uint32_t word;
  std::memcpy(&word, &b.memory.data[at], 4);
  return word;
}

constexpr uint64_t kProgramAt = 0x100000;

/// Puts a program into memory and gives the instruction that loads it.
rdu_schedule_instruction load_of(Bench& b, const ProgramBuilder& program) {
  const std::vector<uint8_t> stream = program.stream();
  std::copy(stream.begin(), stream.end(), b.memory.data.begin() + kProgramAt);
  return instruction(RDU_SCHEDULE_LOAD, static_cast<uint32_t>(stream.size()),
                     Bench::virtual_address(kProgramAt));
}

}  // namespace

TEST_CASE("a schedule loads, steps an argument in loops, executes and notifies") {
  Bench& b = bench();
  const Copy copy(b, 64, 1);  // copies 64 bytes
  fill(b, 0x1000, 0x1000);
  std::fill_n(b.memory.data.begin() + 0x2000, 0x1000, 0);
  const uint64_t from = control_word(kWest, A::kLOAD_BASE_OFFSET, 2);
  const uint64_t to = control_word(kEast, A::kSTORE_BASE_OFFSET, 2);
  const auto va = [](uint64_t n) { return Bench::virtual_address(n); };
  // for i in 0..2: for j in 0..3: copy 64 bytes from 0x1000 + 1024 i + 64 j to 0x2000 + 256 i + 64 j
  const Code code = {
      load_of(b, copy.program),
      instruction(RDU_SCHEDULE_LOOP, 3),
      instruction(RDU_SCHEDULE_LOOP, 4),
      instruction(RDU_SCHEDULE_ARGUMENT, 0, from, va(0x1000), 0, 64, 0),
      instruction(RDU_SCHEDULE_ARGUMENT, 0, to, va(0x2000), 0, 64, 0),
      instruction(RDU_SCHEDULE_EXECUTE),
      instruction(RDU_SCHEDULE_END_LOOP),
      instruction(RDU_SCHEDULE_NOTIFY, 0, va(0x3000), 7),
      instruction(RDU_SCHEDULE_LOOP, 2),
      instruction(RDU_SCHEDULE_ARGUMENT, 0, from, va(0x1400), 0, 1024, 1),
      instruction(RDU_SCHEDULE_ARGUMENT, 0, to, va(0x2400), 0, 256, 1),
      instruction(RDU_SCHEDULE_EXECUTE),
      instruction(RDU_SCHEDULE_END_LOOP),
      instruction(RDU_SCHEDULE_END_LOOP),
      instruction(RDU_SCHEDULE_END),
  };
  b.memory.seen.clear();
  REQUIRE(run_schedule(b, code) == 0);
  REQUIRE(equal(b, 0x1000, 0x2000, 256));
  for (uint64_t i = 0; i < 3; ++i) REQUIRE(equal(b, 0x1400 + 1024 * i, 0x2400 + 256 * i, 64));
  REQUIRE(word_at(b, 0x3000) == 7);
  REQUIRE(b.read(Q::kNOTIFY_VALUE_OFFSET) == 7);
  REQUIRE(Q::STATUS::NOTIFIED.get(b.read(Q::kSTATUS_OFFSET)) == 1);
  b.write(Q::kSTATUS_OFFSET, Q::STATUS::NOTIFIED.mask());
  REQUIRE(Q::STATUS::NOTIFIED.get(b.read(Q::kSTATUS_OFFSET)) == 0);
  REQUIRE(b.read(Q::kSCHEDULE_EXECUTIONS_OFFSET) == 3 * (4 + 2));
  REQUIRE(b.read(Q::kSCHEDULE_INDEX_OFFSET) == code.size() - 1);
  // Two arguments of two words each are one argument load: no memory, 4 words, and the status past 42 units;
  // an instruction of the schedule is decoded in one cycle.
  REQUIRE(b.read(Q::kALOAD_CYCLES_OFFSET, 8) == 18 * (4 + 42));
  const uint64_t each = b.read(Q::kEXEC_CYCLES_OFFSET, 8) / 18;
  REQUIRE(b.load(copy.program.stream()) == 0);
  REQUIRE(b.execute() == 0);
  REQUIRE(b.read(Q::kEXEC_CYCLES_OFFSET, 8) == each);
}

TEST_CASE("a schedule's cost by hand") {
  Bench& b = bench();
  const Code code = {instruction(RDU_SCHEDULE_LOOP, 10), instruction(RDU_SCHEDULE_END_LOOP),
                     instruction(RDU_SCHEDULE_SKIP, 1), instruction(RDU_SCHEDULE_END),
                     instruction(RDU_SCHEDULE_END)};
  const core::Time begin = core::now();
  REQUIRE(run_schedule(b, code) == 0);
  // 160 bytes are there after 2 + 160 + 1 cycles and taken in three; LOOP, ten times END_LOOP, SKIP, END: 13.
  REQUIRE(b.read(Q::kEND_TIME_OFFSET, 8) == (begin + 625 * (163 + 3 + 12)) / 1000);
}

TEST_CASE("conditions: skip, break, wait") {
  Bench& b = bench();
  const auto va = [](uint64_t n) { return Bench::virtual_address(n); };
  const auto mark = [&](uint64_t at, uint32_t value) {
    return instruction(RDU_SCHEDULE_NOTIFY, 0, va(at), value);
  };
  SECTION("skips by every condition") {
    const struct {
      unsigned condition;
      uint32_t word, constant;
      bool holds;
    } cases[] = {{RDU_IF_EQ, 5, 5, true},           {RDU_IF_EQ, 5, 6, false},        {RDU_IF_NE, 5, 6, true},
                 {RDU_IF_LT, 0xffffffff, 0, true},  {RDU_IF_LT, 5, 5, false},        {RDU_IF_GE, 5, 5, true},
                 {RDU_IF_GE, 0xffffffff, 0, false}, {RDU_IF_GE, 0, 0x80000000, true}};
    for (const auto& c : cases) {
      put_word(b, 0x3000, c.word);
      put_word(b, 0x3004, 0);
      REQUIRE(run_schedule(b, {instruction(RDU_SCHEDULE_SKIP, 1, va(0x3000), c.constant, c.condition),
                               mark(0x3004, 1), instruction(RDU_SCHEDULE_END)}) == 0);
      REQUIRE(word_at(b, 0x3004) == (c.holds ? 0 : 1));
    }
  }
  SECTION("a loop without end is left when the word says so") {
    const Copy copy(b, 64, 1);
    put_word(b, 0x1000, 1);
    put_word(b, 0x2000, 0);
    // Each round copies one row; after the fourth the row's first word is 1.
    for (uint32_t row = 0; row < 8; ++row) put_word(b, 0x1000 + 64 * row, row == 3);
    const Code code = {load_of(b, copy.program),
                       instruction(RDU_SCHEDULE_LOOP, 0),
                       instruction(RDU_SCHEDULE_ARGUMENT, 0, control_word(kWest, A::kLOAD_BASE_OFFSET, 2),
                                   va(0x1000), 0, 64, 0),
                       instruction(RDU_SCHEDULE_EXECUTE),
                       instruction(RDU_SCHEDULE_BREAK, 0, va(0x2000), 1, RDU_IF_EQ),
                       instruction(RDU_SCHEDULE_END_LOOP),
                       mark(0x3000, 9),
                       instruction(RDU_SCHEDULE_END)};
    put_word(b, 0x3000, 0);
    REQUIRE(run_schedule(b, code) == 0);
    REQUIRE(b.read(Q::kSCHEDULE_EXECUTIONS_OFFSET) == 4);
    REQUIRE(word_at(b, 0x3000) == 9);
  }
  SECTION("waits until somebody writes, looking at the rate that it says") {
    put_word(b, 0x3000, 0);
    start_schedule(b, {instruction(RDU_SCHEDULE_WAIT, 1600, va(0x3000), 1, RDU_IF_EQ), mark(0x3004, 3),
                       instruction(RDU_SCHEDULE_END)});
    put_word(b, 0x3004, 0);
    b.memory.seen.clear();
    sc_core::sc_start(core::to_sc(10 * core::kMicrosecond));
    REQUIRE(word_at(b, 0x3004) == 0);
    REQUIRE(Q::STATUS::STATE.get(b.read(Q::kSTATUS_OFFSET)) == Q::STATUS::STATE_SCHEDULE);
    REQUIRE(b.memory.seen.size() == 1 + 10);  // the schedule, then a look a microsecond
    put_word(b, 0x3000, 1);
    REQUIRE(b.wait() == 0);
    REQUIRE(word_at(b, 0x3004) == 3);
  }
}

TEST_CASE("schedules that make no sense, and what goes wrong in one, name the instruction") {
  Bench& b = bench();
  const auto refused = [&](const Code& code, uint32_t index, const std::string& text) {
    b.faults.clear();
    REQUIRE(run_schedule(b, code) == Q::FAULT::CODE_BAD_SCHEDULE);
    INFO(b.faults.back().text);
    REQUIRE(b.faults.back().text.find(text) != std::string::npos);
    REQUIRE(b.read(Q::kSCHEDULE_INDEX_OFFSET) == index);
  };
  const auto end = instruction(RDU_SCHEDULE_END);
  const uint64_t va = Bench::virtual_address(0x3000);
  refused({instruction(77), end}, 0, "77 is no instruction");
  refused({end, instruction(RDU_SCHEDULE_EXECUTE)}, 1, "the last instruction is not END");
  refused({instruction(RDU_SCHEDULE_LOOP, 2), end}, 0, "LOOP without END_LOOP");
  refused({instruction(RDU_SCHEDULE_END_LOOP), end}, 0, "END_LOOP without LOOP");
  refused({instruction(RDU_SCHEDULE_BREAK), end}, 0, "BREAK: outside of any loop");
  refused({instruction(RDU_SCHEDULE_SKIP, 1), end}, 0, "SKIP: instruction 2 is not in the same loop");
  refused({instruction(RDU_SCHEDULE_SKIP, 1), instruction(RDU_SCHEDULE_LOOP, 1),
           instruction(RDU_SCHEDULE_END_LOOP), end},
          0, "SKIP: instruction 2 is not in the same loop");
  refused({instruction(RDU_SCHEDULE_EXECUTE, 1), end}, 0,
          "EXECUTE: a field that it does not use is not zero");
  refused({instruction(RDU_SCHEDULE_SKIP, 0, va), end}, 0, "SKIP: a field that it does not use is not zero");
  refused({instruction(RDU_SCHEDULE_SKIP, 0, va, 0, 9), end}, 0, "SKIP: 9 is no condition");
  refused({instruction(RDU_SCHEDULE_SKIP, 0, va + 2, 0, RDU_IF_EQ), end}, 0, "is no address of a word");
  refused({instruction(RDU_SCHEDULE_WAIT, 1), end}, 0, "WAIT: without a condition");
  refused({instruction(RDU_SCHEDULE_WAIT, 0, va, 0, RDU_IF_EQ), end}, 0, "WAIT: zero cycles");
  refused({instruction(RDU_SCHEDULE_ARGUMENTS, 0, va), end}, 0, "ARGUMENTS: no pairs");
  refused({instruction(RDU_SCHEDULE_ARGUMENT, 0, 1, 0, 0, 4, 0), end}, 0, "there is no loop 0 levels out");
  Code deep(9, instruction(RDU_SCHEDULE_LOOP, 1));
  deep.insert(deep.end(), 9, instruction(RDU_SCHEDULE_END_LOOP));
  deep.push_back(end);
  refused(deep, 8, "LOOP: more than 8 loops");
  b.write(Q::kSCHEDULE_SIZE_OFFSET, 33);
  b.command(Q::CONTROL::SCHEDULE);
  REQUIRE(b.wait() == Q::FAULT::CODE_BAD_SCHEDULE);

  const Copy copy(b);
  REQUIRE(b.load(copy.program.stream()) == 0);
  REQUIRE(run_schedule(b, {instruction(RDU_SCHEDULE_LOOP, 1), instruction(RDU_SCHEDULE_EXECUTE),
                           instruction(RDU_SCHEDULE_END_LOOP), end}) ==
          Q::FAULT::CODE_NO_PROGRAM);  // it was unloaded
  REQUIRE(b.read(Q::kSCHEDULE_INDEX_OFFSET) == 1);
  b.faults.clear();
  REQUIRE(run_schedule(b, {load_of(b, copy.program), instruction(RDU_SCHEDULE_SKIP, 0, 0x1000, 0, RDU_IF_EQ),
                           end}) == Q::FAULT::CODE_SEGMENT);
  REQUIRE(b.faults.back().text.find("SEGMENT: instruction 1: no segment") == 0);
  REQUIRE(b.read(Q::kFAULT_ADDRESS_OFFSET, 8) == 0x1000);
  REQUIRE(run_schedule(b, {load_of(b, copy.program),
                           instruction(RDU_SCHEDULE_ARGUMENT, 0, 5 << 24 | uint64_t{1} << 48), end}) ==
          Q::FAULT::CODE_BAD_UNIT);
  REQUIRE(b.read(Q::kSCHEDULE_INDEX_OFFSET) == 1);
  REQUIRE(Q::STATUS::LOADED.get(b.read(Q::kSTATUS_OFFSET)) == 1);
}

TEST_CASE("abort ends schedules without end, whatever they do") {
  Bench& b = bench();
  const uint64_t va = Bench::virtual_address(0x3000);
  const auto end = instruction(RDU_SCHEDULE_END);
  const Copy copy(b);
  const auto loop = instruction(RDU_SCHEDULE_LOOP, 0);
  const auto end_loop = instruction(RDU_SCHEDULE_END_LOOP);
  put_word(b, 0x3000, 0);
  const Code endless[] = {
      {loop, end_loop, end},
      {loop, instruction(RDU_SCHEDULE_NOTIFY, 0, 0, 1), end_loop, end},
      {instruction(RDU_SCHEDULE_WAIT, 1, va, 1, RDU_IF_EQ), end},
      {load_of(b, copy.program), loop, instruction(RDU_SCHEDULE_EXECUTE), end_loop, end},
      {loop, load_of(b, copy.program), end_loop, end},
  };
  for (const Code& code : endless) {
    start_schedule(b, code);
    sc_core::sc_start(core::to_sc(5 * core::kMicrosecond + 300));
    REQUIRE(Q::STATUS::DONE.get(b.read(Q::kSTATUS_OFFSET)) == 0);
    b.command(Q::CONTROL::ABORT);
    REQUIRE(b.wait() == Q::FAULT::CODE_ABORTED);
    REQUIRE(Q::STATUS::LOADED.get(b.read(Q::kSTATUS_OFFSET)) == 0);
    REQUIRE(b.load(copy.program.stream()) == 0);
    REQUIRE(b.execute() == 0);
  }
  // So does a reset.
  start_schedule(b, endless[3]);
  sc_core::sc_start(core::to_sc(5 * core::kMicrosecond));
  b.tile.host_reset();
  sc_core::sc_start(core::to_sc(5 * core::kMicrosecond));
  REQUIRE(Q::STATUS::STATE.get(b.read(Q::kSTATUS_OFFSET)) == 0);
  REQUIRE(run_schedule(b, {end}) == 0);
}
