#include <cstring>
#include <map>
#include <random>

#include "fabric/test/bench.h"
#include "fabric/test/random_program.h"
#include "fabric/test/units.h"
#include "regs/switch.hpp"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu;
using namespace rdu::fabric;
using namespace rdu::fabric::test;

/// Programs and arguments as somebody would write them who means harm: whatever their words are, the
/// sequencer ends with a fault or well, can be aborted at any time, and is as good as new afterwards. An
/// error of the simulator itself (an exception that leaves a process) fails the test.
namespace {

namespace Q = regs::sequencer;

constexpr uint32_t kWest = RDU_UNIT(RDU_UNIT_AGCU, 0, 0);
constexpr uint32_t kEast = RDU_UNIT(RDU_UNIT_AGCU, 0, 1);
constexpr uint32_t kPmu = RDU_UNIT(RDU_UNIT_PMU, 0, 1);
constexpr uint32_t kPcu = RDU_UNIT(RDU_UNIT_PCU, 0, 2);

Bench& bench() {
  static const FabricParams params = [] {
    FabricParams p;
    p.rows = 3;
    p.columns = 4;
    p.outstanding = 8;
    p.pmu_bytes = 64 * 1024;
    return p;
  }();
  static Bench instance{"bench", params};
  return instance;
}

/// A plain copy still works, as it would for the next context.
void require_well(Bench& b) {
  ProgramBuilder program(b.params);
  set_load(program.unit(kWest), Bench::virtual_address(0x1000), 64, {{4, 64}});
  set_store(program.unit(kEast), Bench::virtual_address(0x2000), 64, {{4, 64}});
  REQUIRE(program.route(kWest, {{kEast, 0}}));
  for (size_t i = 0; i < 256; ++i) b.memory.data[0x1000 + i] = static_cast<uint8_t>(i);
  std::fill_n(b.memory.data.begin() + 0x2000, 256, 0);
  REQUIRE(b.load(program.stream()) == 0);
  REQUIRE(b.execute() == 0);
  REQUIRE(std::equal(b.memory.data.begin() + 0x1000, b.memory.data.begin() + 0x1100,
                     b.memory.data.begin() + 0x2000));
  REQUIRE_FALSE(b.memory.posted_late);
}

/// Lets a command run for a while, then aborts it. Gives FAULT.CODE.
uint64_t run_for_a_while(Bench& b, core::Time limit) {
  const core::Time end = core::now() + limit;
  while (Q::STATUS::DONE.get(b.read(Q::kSTATUS_OFFSET)) == 0 && core::now() < end)
    sc_core::sc_start(core::to_sc(10 * core::kMicrosecond));
  if (Q::STATUS::DONE.get(b.read(Q::kSTATUS_OFFSET)) == 0) b.command(Q::CONTROL::ABORT);
  return b.wait();
}

/// Values that have been somebody's mistake before: limits, signs, powers of two.
uint32_t odd_value(std::mt19937_64& random) {
  static constexpr uint32_t kValues[] = {
      0,      1,       2,          3,          0x3f,       0x40,       0x41,       0x100,
      0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0x40000000};
  switch (random() % 4) {
    case 0:
      return kValues[random() % std::size(kValues)];
    case 1:
      return uint32_t{1} << random() % 32;
    case 2:
      return static_cast<uint32_t>(random() % 80);
    default:
      return static_cast<uint32_t>(random());
  }
}

using Record = ProgramBuilder::UnitFile;

/// Mostly of units that compute or address: most records are of switches.
template <class Records>
auto& pick(Records& records, std::mt19937_64& random) {
  for (;;) {
    auto& r = records[random() % records.size()];
    if (RDU_UNIT_KIND(r.entry.unit) != RDU_UNIT_SWITCH || random() % 16 == 0) return r;
  }
}

/// Spoils a few places of a program that was good, so that most of it still passes the checks.
std::vector<uint8_t> spoil(const ProgramBuilder& program, std::mt19937_64& random) {
  std::vector<Record> records = program.files();
  rdu_program_header header = program.header();
  for (uint64_t n = 1 + random() % 3; n != 0; --n) {
    Record& r = pick(records, random);
    switch (random() % 12) {
      case 0:
        r.entry.unit = odd_value(random);
        break;
      case 1:
        r.entry.unit ^= uint32_t{1} << random() % 26;
        break;
      case 2:
        r.entry.chunks = odd_value(random);
        break;
      case 3:
        r.words.resize(random() % (2 * r.words.size()));
        break;
      case 4:
        header.units = odd_value(random);
        break;
      case 5:
        records.push_back(r);
        ++header.units;
        break;
      case 6:  // a stream loses its way or its end
        if (records.size() > 1) {
          std::swap(r, records.back());
          records.pop_back();
          --header.units;
        }
        break;
      case 7:
      case 8:
      case 9:
        if (!r.words.empty()) r.words[random() % r.words.size()] = odd_value(random);
        break;
      default:
        if (!r.words.empty()) r.words[random() % r.words.size()] ^= uint32_t{1} << random() % 32;
        break;
    }
  }
  std::vector<uint8_t> body = ProgramBuilder::body(records);
  if (random() % 16 == 0) body.resize(body.size() - random() % body.size() / 4 * 4);
  return ProgramBuilder::seal(header, body);
}

rdu_argument_tuple hostile_argument(const std::vector<Record>& records, std::mt19937_64& random) {
  const Record& r = pick(records, random);
  // The first words say what a unit does.
  const uint64_t word = random() % (random() % 2 == 0 ? 8 : r.words.size() + 1);
  rdu_argument_tuple t{r.entry.unit, static_cast<uint16_t>(word), static_cast<uint16_t>(1 + random() % 2),
                       odd_value(random)};
  if (t.count == 2) t.value |= static_cast<uint64_t>(odd_value(random)) << 32;
  switch (random() % 16) {
    case 0:
      t.unit = odd_value(random);
      break;
    case 1:
      t.word = static_cast<uint16_t>(odd_value(random));
      break;
    case 2:
      t.count = static_cast<uint16_t>(odd_value(random));
      break;
    default:
      break;
  }
  return t;
}

}  // namespace

TEST_CASE("spoilt programs and arguments end in a fault, or run, and harm nobody") {
  Bench& b = bench();
  std::mt19937_64 random(test_seed());
  std::map<uint64_t, unsigned> loads, runs;
  for (unsigned round = 0; round < 2000; ++round) {
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    std::unique_ptr<RandomProgram> program;
    try {
      program = std::make_unique<RandomProgram>(b.params, test_seed() * 1000 + round);
    } catch (const std::runtime_error&) {
      continue;  // the router of the test found no way
    }
    const std::vector<uint8_t> stream =
        round % 4 == 0 ? program->builder().stream() : spoil(program->builder(), random);
    const uint64_t loaded = b.load(stream, 0x100000, random() % 2 == 0);
    ++loads[loaded];
    REQUIRE((Q::STATUS::LOADED.get(b.read(Q::kSTATUS_OFFSET)) == 1) == (loaded == 0));
    if (loaded != 0) continue;
    const std::vector<Record> records = program->builder().files();
    std::vector<rdu_argument_tuple> tuples;
    for (uint64_t n = random() % 4; n != 0; --n) tuples.push_back(hostile_argument(records, random));
    const auto* bytes = reinterpret_cast<const uint8_t*>(tuples.data());
    std::copy_n(bytes, tuples.size() * sizeof(rdu_argument_tuple), b.memory.data.begin() + 0x200000);
    b.write(Q::kARGUMENT_ADDRESS_OFFSET, Bench::virtual_address(0x200000), 8);
    b.write(Q::kARGUMENT_COUNT_OFFSET, tuples.size());
    b.command(Q::CONTROL::EXEC, Q::CONTROL::ALOAD.mask());
    ++runs[run_for_a_while(b, 50 * core::kMicrosecond)];
    REQUIRE_FALSE(b.memory.posted_late);
  }
  require_well(b);
  // Otherwise the test would not look where it should.
  CHECK(loads[0] > 100);
  for (const uint64_t code : {Q::FAULT::CODE_BAD_SIZE, Q::FAULT::CODE_BAD_UNIT, Q::FAULT::CODE_BAD_WORD,
                              Q::FAULT::CODE_BAD_CONFIG, Q::FAULT::CODE_BAD_ROUTE}) {
    CAPTURE(code);
    CHECK(loads[code] > 0);
  }
  CHECK(runs[0] > 10);
  for (const uint64_t code :
       {Q::FAULT::CODE_BAD_UNIT, Q::FAULT::CODE_BAD_WORD, Q::FAULT::CODE_BAD_CONFIG, Q::FAULT::CODE_HUNG}) {
    CAPTURE(code);
    CHECK(runs[code] > 0);
  }
}

TEST_CASE("streams of random words") {
  Bench& b = bench();
  std::mt19937_64 random(test_seed() + 1);
  for (unsigned round = 0; round < 300; ++round) {
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    std::map<uint32_t, Record> units;
    for (uint64_t n = 1 + random() % 20; n != 0; --n) {
      Record r{{RDU_UNIT(1 + random() % 4, random() % 3, random() % 4), 1u << random() % 4}, {}};
      r.words.resize(RDU_CHUNK_WORDS);
      for (uint64_t some = random() % 8; some != 0; --some) r.words[random() % 16] = odd_value(random);
      units[r.entry.unit] = r;
    }
    std::vector<Record> records;
    for (const auto& [id, r] : units) records.push_back(r);
    rdu_program_header header = ProgramBuilder(b.params).header();
    header.units = static_cast<uint32_t>(records.size());
    const uint64_t loaded = b.load(ProgramBuilder::seal(header, ProgramBuilder::body(records)));
    if (loaded == 0) {
      b.command(Q::CONTROL::EXEC);
      run_for_a_while(b, 20 * core::kMicrosecond);
    }
  }
  require_well(b);
}

TEST_CASE("sizes and addresses of commands") {
  Bench& b = bench();
  ProgramBuilder program(b.params);
  set_load(program.unit(kWest), Bench::virtual_address(0x1000), 64, {});
  set_store(program.unit(kEast), Bench::virtual_address(0x2000), 64, {});
  REQUIRE(program.route(kWest, {{kEast, 0}}));
  std::mt19937_64 random(test_seed() + 2);
  for (unsigned round = 0; round < 100; ++round) {
    INFO("RDU_SEED=" << test_seed() << " round " << round);
    REQUIRE(b.load(program.stream()) == 0);
    const uint64_t anywhere = static_cast<uint64_t>(odd_value(random)) << 32 | odd_value(random);
    const bool arguments = random() % 2 == 0;
    b.write(arguments ? Q::kARGUMENT_ADDRESS_OFFSET : Q::kPROGRAM_ADDRESS_OFFSET,
            random() % 2 ? anywhere : Bench::virtual_address(Bench::kMemory - random() % 4096), 8);
    b.write(arguments ? Q::kARGUMENT_COUNT_OFFSET : Q::kPROGRAM_SIZE_OFFSET, odd_value(random));
    b.command(arguments ? Q::CONTROL::ALOAD : Q::CONTROL::PLOAD);
    run_for_a_while(b, core::kMillisecond);
  }
  require_well(b);
}

TEST_CASE("kernels without end are aborted, and take no more than their share of the host") {
  Bench& b = bench();
  ProgramBuilder program(b.params);
  // Someone who stores, so that there is an end to wait for, and waits for what never comes.
  set_load(program.unit(kWest), Bench::virtual_address(0x1000), 64, {});
  set_store(program.unit(kEast), Bench::virtual_address(0x2000), 64, {{1 << 20, 0}, {1 << 20, 0}});
  SECTION("a scratchpad that is read again and again, reduced to nothing") {
    set_pmu(program.unit(kPmu), 1, 1, 4096, {{1, 64}}, {{0x40000000, 0}});
    set_matrix(program.unit(kPcu), 0xffffffff, 0xffff, 1);
    REQUIRE(program.route(kWest, {{kPmu, 0}}));
    REQUIRE(program.route(kPmu, {{kPcu, 0}, {kPcu, 1}}));
    REQUIRE(program.route(kPcu, {{kEast, 0}}));
  }
  SECTION("numbers out of nothing, which a scratchpad takes and never hands over") {
    set_simd(program.unit(kPcu), 0xffffffff, {{regs::pcu::STAGE::OP_MOV, regs::pcu::STAGE::A_CONST0}});
    set_pmu(program.unit(kPmu), 1, 1, 4096, {{0x40000000, 0}}, {{1, 64}});
    set_store(program.unit(RDU_UNIT(RDU_UNIT_AGCU, 1, 1)), Bench::virtual_address(0x2000), 64, {});
    REQUIRE(program.route(kPcu, {{kPmu, 0}}));
    REQUIRE(program.route(kPmu, {{RDU_UNIT(RDU_UNIT_AGCU, 1, 1), 0}}));
    REQUIRE(program.route(kWest, {{kEast, 0}}));
  }
  SECTION("rows of memory, for ever") {
    set_load(program.unit(kWest), Bench::virtual_address(0x1000), 64, {{1 << 20, 0}, {1 << 20, 0}});
    REQUIRE(program.route(kWest, {{kEast, 0}}));
  }
  REQUIRE(b.load(program.stream()) == 0);
  for (const core::Time after : {core::Time{0}, core::kMicrosecond, 2 * core::kMillisecond}) {
    REQUIRE(b.load(program.stream()) == 0);
    b.command(Q::CONTROL::EXEC);
    REQUIRE(run_for_a_while(b, after) == Q::FAULT::CODE_ABORTED);
    REQUIRE_FALSE(b.memory.posted_late);
  }
  b.memory.seen.clear();
  require_well(b);
}

TEST_CASE("a kernel that pauses for longer than units run ahead ends as it should") {
  Bench& b = bench();
  ProgramBuilder program(b.params);
  // 2^20 packets of a scratchpad become 16 rows: more than half a millisecond in which memory has no part.
  set_load(program.unit(kWest), Bench::virtual_address(0x1000), 64, {});
  set_pmu(program.unit(kPmu), 1, 1, 4096, {{1, 64}}, {{1 << 20, 0}});
  set_matrix(program.unit(kPcu), 16, 65535, 1);
  set_store(program.unit(kEast), Bench::virtual_address(0x2000), 128, {{16, 128}});
  REQUIRE(program.route(kWest, {{kPmu, 0}}));
  REQUIRE(program.route(kPmu, {{kPcu, 0}, {kPcu, 1}}));
  REQUIRE(program.route(kPcu, {{kEast, 0}}));
  REQUIRE(b.load(program.stream()) == 0);
  REQUIRE(b.execute() == 0);
  const uint64_t cycles = b.read(Q::kEXEC_CYCLES_OFFSET, 8);
  REQUIRE(cycles > 16 * 65535);
  REQUIRE(cycles < 16 * 65535 + 1000);  // nothing of it is an artefact of where units have stopped
  REQUIRE(b.execute() == 0);
  REQUIRE(b.read(Q::kEXEC_CYCLES_OFFSET, 8) == cycles);
  REQUIRE_FALSE(b.memory.posted_late);
}
