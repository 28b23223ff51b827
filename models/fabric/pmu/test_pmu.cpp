#include "fabric/pmu/pmu.h"

#include <cstring>
#include <functional>
#include <random>

#include "fabric/pmu/test_setup.h"
#include "regs/sequencer.hpp"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;
namespace M = rdu::regs::pmu;

namespace {

/// A setup of which input 0 is written and output 0 read.
struct OneStream : PmuSetup {
  explicit OneStream(const FabricParams& p = {}) : PmuSetup(p) {}
  std::vector<Packet>& packets() { return sources[0].packets; }
  const std::vector<Packet>& result() const { return sinks[0].packets; }
  const std::vector<uint64_t>& times() const { return sinks[0].times; }
};

std::vector<uint64_t> every(uint64_t first, uint64_t step, size_t n) {
  std::vector<uint64_t> times;
  for (size_t i = 0; i < n; ++i) times.push_back(first + i * step);
  return times;
}

Packet indices(const std::vector<int32_t>& values) {
  Packet packet{};
  std::memcpy(packet.data(), values.data(), values.size() * 4);
  return packet;
}

}  // namespace

TEST_CASE("what is written in one order is read in another") {
  OneStream s;
  s.packets() = numbered(8);
  // Eight rows of 64 bytes; read as 32 columns of eight 16-bit elements.
  set_pmu(s.words, 1, 1, 0, {{8, 64}}, {{32, 2}});
  set_read_lanes(s.words, 8, M::READ_SHAPE::ELEMENT_HALF, 64);
  s.run();
  REQUIRE(s.result().size() == 32);
  for (size_t column = 0; column < 32; ++column) {
    for (size_t row = 0; row < 8; ++row) {
      REQUIRE(s.result()[column][2 * row] == s.packets()[row][2 * column]);
      REQUIRE(s.result()[column][2 * row + 1] == s.packets()[row][2 * column + 1]);
    }
    for (size_t b = 16; b < kPacketBytes; ++b) REQUIRE(s.result()[column][b] == 0);
  }
  REQUIRE(s.pmu->counts().bytes == 8 * 64 + 32 * 16);
}

TEST_CASE("a strided write keeps only the bytes asked for") {
  OneStream s;
  s.packets() = numbered(4);
  set_pmu(s.words, 1, 1, 0, {{4, 10}}, {{1, 0}});
  set_write_bytes(s.words, 10);
  set_read_lanes(s.words, 20, M::READ_SHAPE::ELEMENT_HALF, 2);
  s.run();
  for (size_t i = 0; i < 40; ++i) REQUIRE(s.result().at(0)[i] == s.packets()[i / 10][i % 10]);
}

TEST_CASE("the lanes of a write may lie apart: a transposing write") {
  OneStream s;
  s.packets() = numbered(4);
  set_pmu(s.words, 1, 1, 0, {{4, 4}}, {{16, 16}});
  // Packet i becomes column i of 16 rows of four words.
  s.words.set(pmu_write(0, M::kWRITE_SHAPE_OFFSET), M::WRITE_SHAPE::LANES, 16);
  s.words.set(pmu_write(0, M::kWRITE_SHAPE_OFFSET), M::WRITE_SHAPE::ELEMENT, M::WRITE_SHAPE::ELEMENT_WORD);
  s.words.set(pmu_write(0, M::kWRITE_LANE_STRIDE_OFFSET), 16);
  set_read_lanes(s.words, 4, M::READ_SHAPE::ELEMENT_WORD, 4);
  s.run();
  REQUIRE(s.result().size() == 16);
  for (size_t row = 0; row < 16; ++row) {
    for (size_t column = 0; column < 4; ++column) {
      REQUIRE(std::memcmp(&s.result()[row][4 * column], &s.packets()[column][4 * row], 4) == 0);
    }
  }
  // 16 words 16 bytes apart lie in four banks: four cycles a packet. W0 writes from 1, 5, 9, 13, R0 from 17
  // on.
  REQUIRE(s.times() == every(17 + 4 + 1, 1, 16));
}

TEST_CASE("a single buffer is filled and read in turn; two overlap") {
  // 4 fills of 16 vectors, arriving one a cycle from cycle 1 on.
  for (const uint32_t buffers : {1u, 2u}) {
    OneStream s;
    s.packets() = numbered(64);
    set_pmu(s.words, 4, buffers, 1024, {{16, 64}}, {{16, 64}});
    s.run();
    REQUIRE(s.result() == s.packets());
    std::vector<uint64_t> expect;
    for (uint64_t fill = 0; fill < 4; ++fill) {
      // One buffer: 16 cycles of writing, 16 of reading. Two: a fill every 16 cycles.
      const uint64_t first_read = buffers == 1 ? 17 + 32 * fill : 17 + 16 * fill;
      for (uint64_t i = 0; i < 16; ++i) expect.push_back(first_read + i + 4 + 1);
    }
    REQUIRE(s.times() == expect);
    REQUIRE(s.pmu->counts().busy == 64);
  }
}

TEST_CASE("a buffer that is not read yet is not overwritten") {
  OneStream s;
  s.packets() = numbered(6);
  s.sinks[0].interval = 50;
  set_pmu(s.words, 6, 3, 64, {}, {{20, 0}});  // every vector is read 20 times
  s.run();
  REQUIRE(s.result().size() == 120);
  for (size_t i = 0; i < 120; ++i) REQUIRE(s.result()[i] == s.packets()[i / 20]);
}

TEST_CASE("columns of a row-major buffer conflict, skewed ones do not") {
  // 32 rows of 64 bytes = 16 words, so a column of words lies in one bank.
  for (const unsigned skew : {0u, 6u}) {
    OneStream s;
    s.packets() = numbered(16);
    set_pmu(s.words, 1, 1, 0, {{16, 64}}, {{16, 4}});
    set_read_lanes(s.words, 16, M::READ_SHAPE::ELEMENT_WORD, 64);
    s.words.set(M::kBANK_OFFSET, M::BANK::SKEW, skew);
    s.run();
    const uint64_t cycles = skew == 0 ? 16 : 1;
    REQUIRE(s.times() == every(17 + 4 + (cycles - 1) + 1, cycles, 16));
    REQUIRE(s.pmu->counts().busy == std::max<uint64_t>(16, 16 * cycles));
  }
}

TEST_CASE("bank costs") {
  const auto cost = [](unsigned elements, unsigned bytes, int64_t stride, uint64_t address,
                       unsigned shift = 2, unsigned skew = 0) {
    return BankCost(16, shift, skew, elements, bytes, stride).cost(address);
  };
  REQUIRE(cost(1, 64, 0, 0) == 1);
  REQUIRE(cost(1, 64, 0, 128) == 1);
  REQUIRE(cost(1, 64, 0, 2) == 2);  // 17 words
  REQUIRE(cost(32, 2, 2, 0) == 1);  // the same by elements
  REQUIRE(cost(32, 2, 0, 0) == 1);  // one word for all
  REQUIRE(cost(16, 4, 8, 0) == 2);
  REQUIRE(cost(32, 2, 64, 0) == 32);
  REQUIRE(cost(32, 2, 64, 0, 6) == 2);  // a bank a row of 64 bytes
  REQUIRE(cost(16, 4, 64, 0, 2, 6) == 1);
  REQUIRE(cost(16, 4, -64, 4096, 2, 6) == 1);
  REQUIRE(cost(16, 4, 68, 0) == 1);
  BankCost memo(16, 2, 6, 16, 4, 68);
  for (uint64_t address = 0; address < 5000; address += 4) {
    REQUIRE(memo.cost(address) == BankCost(16, 2, 6, 16, 4, 68).cost(address));
  }
}

TEST_CASE("two readers of one buffer take turns") {
  PmuSetup s;
  s.sources[0].packets = numbered(32);
  set_pmu(s.words, 2, 2, 1024, {{16, 64}}, {{16, 64}});
  // Read pipeline 1 has tokens 2 (free) and 3 (full) and reads the rows backwards.
  set_read(s.words, 1, 2, 2, 1024, 960, {{16, -64}}, 1u << 3, 1u << 2);
  s.words.set(pmu_write(0, M::kWRITE_TOKEN_OFFSET), M::WRITE_TOKEN::WAIT, 0b0101);
  s.words.set(pmu_write(0, M::kWRITE_TOKEN_OFFSET), M::WRITE_TOKEN::GIVE, 0b1010);
  s.words.set(M::kTOKENS_OFFSET + 2 * M::kTOKENS_STRIDE, 2u);
  s.run();
  // Written in 1 .. 16: R0 begins in 18, R1 in 17, every second cycle.
  REQUIRE(s.sinks[0].times == every(18 + 4 + 1, 2, 32));
  REQUIRE(s.sinks[1].times == every(17 + 4 + 1, 2, 32));
  REQUIRE(s.sinks[0].packets == s.sources[0].packets);
  for (size_t i = 0; i < 32; ++i) {
    REQUIRE(s.sinks[1].packets[i] == s.sources[0].packets[i / 16 * 16 + 15 - i % 16]);
  }
  REQUIRE(s.pmu->finished());
}

TEST_CASE("two writers put a row together") {
  PmuSetup s;
  s.sources[0].packets = numbered(8);
  s.sources[3].packets = numbered(8, 100);
  set_pmu(s.words, 1, 1, 0, {{8, 128}}, {{16, 64}});
  set_write(s.words, 1, 3, 1, 1, 0, 64, {{8, 128}}, 0, 1u << 2);
  s.words.set(pmu_read(0, M::kREAD_TOKEN_OFFSET), M::READ_TOKEN::WAIT, 0b110);
  s.run();
  REQUIRE(s.sinks[0].packets.size() == 16);
  for (size_t i = 0; i < 8; ++i) {
    REQUIRE(s.sinks[0].packets[2 * i] == s.sources[0].packets[i]);
    REQUIRE(s.sinks[0].packets[2 * i + 1] == s.sources[3].packets[i]);
  }
  // Packets arrive from 1 on; W0 writes in 2, 4, .., 16, W1 in 1, 3, .., 15.
  REQUIRE(s.sinks[0].times == every(17 + 4 + 1, 1, 16));
}

TEST_CASE("pipelines that never need the same bank access in every cycle") {
  for (const unsigned together : {0u, 1u}) {
    PmuSetup s;
    s.sources[0].packets = numbered(16);
    s.sources[1].packets = numbered(16, 50);
    // Rows of 64 bytes; the first half belongs to pipelines 0, the second to pipelines 1.
    for (unsigned i = 0; i < 2; ++i) {
      set_write(s.words, i, i, 1, 1, 0, 32 * i, {{16, 64}}, 0, 1u << i);
      s.words.set(pmu_write(i, M::kWRITE_SHAPE_OFFSET), M::WRITE_SHAPE::LANES, 16);
      set_read(s.words, i, 1, 1, 0, 32 * i, {{16, 64}}, 1u << i, 0);
      s.words.set(pmu_read(i, M::kREAD_SHAPE_OFFSET), M::READ_SHAPE::LANES, 16);
    }
    s.words.set(M::kBANK_OFFSET, M::BANK::TOGETHER, together);
    s.run();
    for (unsigned i = 0; i < 2; ++i) {
      REQUIRE(s.sinks[i].packets.size() == 16);
      for (size_t n = 0; n < 16; ++n) {
        REQUIRE(std::memcmp(s.sinks[i].packets[n].data(), s.sources[i].packets[n].data(), 32) == 0);
      }
    }
    if (together != 0) {
      REQUIRE(s.sinks[0].times == every(17 + 5, 1, 16));
      REQUIRE(s.sinks[1].times == every(17 + 5, 1, 16));
    } else {  // W0: 2 .. 32, W1: 1 .. 31
      REQUIRE(s.sinks[0].times == every(34 + 5, 2, 16));
      REQUIRE(s.sinks[1].times == every(33 + 5, 2, 16));
    }
  }
}

TEST_CASE("a gather reads rows of a table by index") {
  PmuSetup s;
  s.sources[0].packets = numbered(16);  // a table of 16 rows of 16 words
  set_pmu(s.words, 1, 1, 0, {{16, 64}}, {{16, 4}});
  set_index(s.words, 0, 2, 64, 0, 1024);
  set_read_lanes(s.words, 16, M::READ_SHAPE::ELEMENT_WORD, 0);
  // For each of the 16 words of a row the same 16 indices; 16 and -1 lie outside.
  const std::vector<int32_t> rows{3, 0, 15, 16, -1, 3, 7, 8, 9, 10, 11, 12, 13, 14, 1, 2};
  s.sources[2].packets.assign(16, indices(rows));
  s.run();
  REQUIRE(s.sinks[0].packets.size() == 16);
  for (size_t word = 0; word < 16; ++word) {
    for (size_t lane = 0; lane < 16; ++lane) {
      uint8_t expect[4]{};
      if (rows[lane] >= 0 && rows[lane] < 16) {
        std::memcpy(expect, &s.sources[0].packets[static_cast<size_t>(rows[lane])][4 * word], 4);
      }
      REQUIRE(std::memcmp(&s.sinks[0].packets[word][4 * lane], expect, 4) == 0);
    }
  }
  // A column of 13 different rows lies in one bank: 13 cycles.
  REQUIRE(s.sinks[0].times == every(17 + 4 + 12 + 1, 13, 16));
  REQUIRE(s.pmu->counts().bytes == 16 * 64 + 16 * 14 * 4);
}

TEST_CASE("indices of 32 lanes come in two packets, one of them beforehand") {
  PmuSetup s;
  s.sources[0].packets = numbered(1);
  set_pmu(s.words, 1, 1, 0, {}, {{3, 0}});
  set_index(s.words, 0, 1, 2, 0, 64);
  set_read_lanes(s.words, 32, M::READ_SHAPE::ELEMENT_HALF, 0);
  std::vector<int32_t> backwards(32);
  for (int32_t i = 0; i < 32; ++i) backwards[static_cast<size_t>(i)] = 31 - i;
  for (int n = 0; n < 3; ++n) {
    for (const size_t half : {0u, 16u}) {
      s.sources[1].packets.push_back(indices({backwards.begin() + half, backwards.begin() + half + 16}));
    }
  }
  s.sources[1].ready = {0, 9, 10, 11, 12, 13};
  s.run();
  for (const Packet& packet : s.sinks[0].packets) {
    for (size_t i = 0; i < 32; ++i) {
      REQUIRE(std::memcmp(&packet[2 * i], &s.sources[0].packets[0][2 * (31 - i)], 2) == 0);
    }
  }
  // Indices arrive in 1, 10, 11, 12, 13, 14: reads begin in 10, 12, 14.
  REQUIRE(s.sinks[0].times == every(10 + 5, 2, 3));
  REQUIRE(s.pmu->counts().busy == 6);
}

TEST_CASE("of two lanes of a scatter that meet, the higher one stays") {
  PmuSetup s;
  s.sources[0].packets = numbered(1);
  s.sources[1].packets = {indices({0, 1, 2, 3, 0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 99, 0})};
  set_pmu(s.words, 1, 1, 0, {}, {});
  set_scatter(s.words, 0, 1, 4, 0, 64);
  s.words.set(pmu_write(0, M::kWRITE_SHAPE_OFFSET), M::WRITE_SHAPE::LANES, 16);
  s.words.set(pmu_write(0, M::kWRITE_SHAPE_OFFSET), M::WRITE_SHAPE::ELEMENT, M::WRITE_SHAPE::ELEMENT_WORD);
  s.words.set(pmu_write(0, M::kWRITE_LANE_STRIDE_OFFSET), 0u);
  s.run();
  static constexpr int kLane[] = {15, 5, 6, 3, 7, 8, 9, 10, 11, 12, 13};
  for (size_t word = 0; word < 16; ++word) {
    uint8_t expect[4]{};
    if (word < 11) std::memcpy(expect, &s.sources[0].packets[0][static_cast<size_t>(kLane[word]) * 4], 4);
    REQUIRE(std::memcmp(&s.sinks[0].packets.at(0)[4 * word], expect, 4) == 0);
  }
  REQUIRE(s.pmu->counts().bytes == 15 * 4 + 64);
}

TEST_CASE("a padded read gives zeros outside and goes on at full rate") {
  OneStream s;
  s.packets() = numbered(4);
  // Rows -2 .. 5 of four rows: offsets 128 .. 383 of a base two rows before the scratchpad.
  set_pmu(s.words, 1, 1, 0, {{4, 64}}, {{8, 64}});
  s.words.set(pmu_read(0, M::kREAD_BASE_OFFSET), static_cast<uint32_t>(-128));
  set_range(s.words, pmu_read(0, 0), M::READ_MODE::RANGE_ZERO, 128, 384);
  s.run();
  REQUIRE(s.result().size() == 8);
  for (size_t i = 0; i < 8; ++i) REQUIRE(s.result()[i] == (i < 2 || i > 5 ? Packet{} : s.packets()[i - 2]));
  REQUIRE(s.times() == every(5 + 5, 1, 8));
  REQUIRE(s.pmu->counts().bytes == 2 * 4 * 64);
  REQUIRE(s.pmu->counts().vectors == 8);
}

TEST_CASE("reads that are dropped take a cycle and count for the sequence id") {
  OneStream s;
  s.packets() = numbered(8);
  set_pmu(s.words, 1, 1, 0, {{8, 64}}, {{8, 64}});
  set_predicate(s.words, pmu_read(0, 0), M::READ_MODE::PRED_LT, true, 0, 5);
  s.words.set(pmu_read(0, M::kREAD_MODE_OFFSET), M::READ_MODE::SEQUENCE, 1);
  s.words.set(pmu_read(0, M::kREAD_SEQ_OFFSET), M::READ_SEQ::FIRST, 65530);
  s.words.set(pmu_read(0, M::kREAD_SEQ_OFFSET), M::READ_SEQ::STEP, 2);
  s.run();
  REQUIRE(s.result() == std::vector<Packet>(s.packets().begin() + 5, s.packets().end()));
  REQUIRE(s.times() == every(9 + 5 + 5, 1, 3));  // reads of rows 0 .. 4 in 9 .. 13
  REQUIRE(s.sinks[0].heads == std::vector<uint64_t>{4, 6, 8});
}

TEST_CASE("packets are written where their sequence ids say, whatever their order") {
  PmuSetup s;
  s.sources[0].packets = numbered(8);
  s.sources[0].heads = {5, 0, 3, 900, 1, 2, 7, 4};  // 900 lies outside
  set_pmu(s.words, 1, 1, 0, {{8, 0}}, {{8, 64}});
  set_by_sequence(s.words, 0, 64, 0, 512);
  s.run();
  for (size_t i = 0; i < 8; ++i) {
    const auto id = s.sources[0].heads[i];
    if (id < 8) REQUIRE(s.sinks[0].packets.at(id) == s.sources[0].packets[i]);
  }
  REQUIRE(s.sinks[0].packets[6] == Packet{});
  REQUIRE(s.faults.empty());
}

TEST_CASE("a sequence id that comes twice in a fill is a fault") {
  PmuSetup s;
  s.sources[0].packets = numbered(8);
  s.sources[0].heads = {0, 1, 2, 3, 0, 1, 3, 3};
  set_pmu(s.words, 2, 1, 0, {{4, 0}}, {{4, 64}});
  set_by_sequence(s.words, 0, 64, 0, 512);
  s.run();
  REQUIRE(s.faults.size() == 1);
  CHECK(s.faults[0].code == rdu::regs::sequencer::FAULT::CODE_SEQUENCE);
  CHECK(s.faults[0].address == 3);
  CHECK(s.faults[0].text == "write pipeline 0: a second packet of fill 2 has sequence id 3");
}

TEST_CASE("a scalar moves the reads of a fill") {
  PmuSetup s;
  s.sources[0].packets = numbered(16);
  set_pmu(s.words, 1, 1, 0, {{16, 64}}, {{2, 64}});
  s.words.set(pmu_read(0, M::kREAD_FILLS_OFFSET), 4u);
  s.words.set(M::kTOKENS_OFFSET + M::kTOKENS_STRIDE, 0u);
  // One fill is written, four are read: all but the first without a token of their own, so R0 gets them at
  // the start and waits for the writer by a scalar that comes late.
  s.words.set(pmu_write(0, M::kWRITE_FILLS_OFFSET), 4u);
  s.words.set(pmu_write(0, M::kWRITE_COUNT_OFFSET), 4u);
  s.words.set(pmu_write(0, M::kWRITE_TOKEN_OFFSET), M::WRITE_TOKEN::WAIT, 1);
  s.words.set(pmu_read(0, M::kREAD_MODE_OFFSET), M::READ_MODE::ADDRESS, M::READ_MODE::ADDRESS_SCALAR);
  s.words.set(pmu_read(0, M::kREAD_INDEX_STRIDE_OFFSET), 64u);
  set_range(s.words, pmu_read(0, 0), M::READ_MODE::RANGE_ZERO, 0, 256);
  s.scalars[0].packets = {indices({2}), indices({3}), indices({0}), indices({-1})};
  s.scalars[0].ready = {0, 0, 100, 101};
  s.run();
  // Fill f is rows 4 f .. 4 f + 3 in the one buffer.
  const std::vector<Packet>& rows = s.sources[0].packets;
  REQUIRE(s.sinks[0].packets ==
          std::vector<Packet>{rows[2], rows[3], rows[7], Packet{}, rows[8], rows[9], Packet{}, rows[12]});
  // W0 1 .. 4, R0 5, 6, W0 7 .. 10, R0 11, 12, W0 13 .. 16, R0 when the scalar is there: 101, 102, W0 103 ..
  // 106, R0 107, 108.
  std::vector<uint64_t> expect;
  for (const uint64_t read : {5, 6, 11, 12, 101, 102, 107, 108}) expect.push_back(read + 5);
  REQUIRE(s.sinks[0].times == expect);
}

TEST_CASE("tokens come from other units and go to them") {
  PmuSetup s;
  s.sources[0].packets = numbered(8);
  set_pmu(s.words, 4, 4, 128, {{2, 64}}, {{2, 64}});
  s.words.set(pmu_read(0, M::kREAD_TOKEN_OFFSET), M::READ_TOKEN::WAIT, 2 | 1 << 7);
  s.words.set(pmu_read(0, M::kREAD_TOKEN_OFFSET), M::READ_TOKEN::OUT, 2);
  s.words.set(M::kTOKENS_OFFSET + 7 * M::kTOKENS_STRIDE, 1u);
  s.tokens[1].times = {40, 45, 60};  // they take one cycle
  s.run();
  // Fill 0 has the token of the start: R0 in 3, 4. Then 41, 42, 46, 47, 61, 62.
  std::vector<uint64_t> expect;
  for (const uint64_t read : {3, 4, 41, 42, 46, 47, 61, 62}) expect.push_back(read + 5);
  REQUIRE(s.sinks[0].times == expect);
  REQUIRE(s.token_sinks[1].times == std::vector<uint64_t>{5 + 1, 43 + 1, 48 + 1, 63 + 1});
  REQUIRE(s.token_sinks[0].times.empty());
}

TEST_CASE("a pipeline says what it waits for") {
  PmuSetup s;
  s.sources[0].packets = numbered(3);
  set_pmu(s.words, 2, 1, 0, {{2, 64}}, {{2, 64}});
  set_read(s.words, 1, 1, 1, 0, 4096, {}, 1u << 6, 0);
  s.run();
  REQUIRE_FALSE(s.pmu->finished());
  CHECK(s.pmu->waits_for() ==
        "input 0 (from unit 0x0), access 2 of 2 of fill 2 (write pipeline 0), token 1 for fill 2 (read "
        "pipeline "
        "0), token 6 for fill 1 (read pipeline 1)");
}
