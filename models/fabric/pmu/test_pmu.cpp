#include <cstring>
#include <functional>
#include <random>

#include "fabric/pmu/pmu.h"
#include "fabric/test/harness.h"
#include "fabric/test/units.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;
namespace M = rdu::regs::pmu;

namespace {

struct Setup {
  explicit Setup(const FabricParams& p = {})
      : params(p), context(params), source(context), sink(context), pad(p.pmu_bytes) {}
  void run() {
    pmu = std::make_unique<Pmu>(context, RDU_UNIT(RDU_UNIT_PMU, 0, 0), PmuConfig::decode(words, params), pad);
    source.output.connect(pmu->input(), 1, params);
    pmu->output().connect(sink.input, 1, params);
    run_all(context, {&source, pmu.get(), &sink});
  }
  FabricParams params;
  Context context;
  ConfigWords words{ConfigWords::reset_of<M::Registers>()};
  Source source;
  Sink sink;
  Scratchpad pad;
  std::unique_ptr<Pmu> pmu;
};

std::vector<Packet> numbered(size_t n) {
  std::vector<Packet> packets(n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t b = 0; b < kPacketBytes; ++b) packets[i][b] = static_cast<uint8_t>(i * 31 + b);
  }
  return packets;
}

}  // namespace

TEST_CASE("what is written in one order is read in another") {
  Setup s;
  s.source.packets = numbered(8);
  // Eight rows of 64 bytes; read as 32 columns of eight 16-bit elements.
  set_pmu(s.words, 1, 1, 0, {{8, 64}}, {{32, 2}});
  set_read_lanes(s.words, 8, M::READ_SHAPE::ELEMENT_HALF, 64);
  s.run();
  REQUIRE(s.sink.packets.size() == 32);
  for (size_t column = 0; column < 32; ++column) {
    for (size_t row = 0; row < 8; ++row) {
      REQUIRE(s.sink.packets[column][2 * row] == s.source.packets[row][2 * column]);
      REQUIRE(s.sink.packets[column][2 * row + 1] == s.source.packets[row][2 * column + 1]);
    }
    for (size_t b = 16; b < kPacketBytes; ++b) REQUIRE(s.sink.packets[column][b] == 0);
  }
  REQUIRE(s.pmu->counts().bytes == 8 * 64 + 32 * 16);
}

TEST_CASE("a strided write keeps only the bytes asked for") {
  Setup s;
  s.source.packets = numbered(4);
  set_pmu(s.words, 1, 1, 0, {{4, 10}}, {{1, 0}});
  set_write_bytes(s.words, 10);
  set_read_lanes(s.words, 20, M::READ_SHAPE::ELEMENT_HALF, 2);
  s.run();
  for (size_t i = 0; i < 40; ++i) REQUIRE(s.sink.packets.at(0)[i] == s.source.packets[i / 10][i % 10]);
}

TEST_CASE("a single buffer is filled and read in turn; two overlap") {
  // 4 fills of 16 vectors, arriving one a cycle from cycle 1 on.
  for (const uint32_t buffers : {1u, 2u}) {
    Setup s;
    s.source.packets = numbered(64);
    set_pmu(s.words, 4, buffers, 1024, {{16, 64}}, {{16, 64}});
    s.run();
    REQUIRE(s.sink.packets == s.source.packets);
    std::vector<uint64_t> expect;
    for (uint64_t fill = 0; fill < 4; ++fill) {
      // One buffer: 16 cycles of writing, 16 of reading. Two: a fill every 16 cycles.
      const uint64_t first_read = buffers == 1 ? 17 + 32 * fill : 17 + 16 * fill;
      for (uint64_t i = 0; i < 16; ++i) expect.push_back(first_read + i + 4 + 1);
    }
    REQUIRE(s.sink.times == expect);
    REQUIRE(s.pmu->counts().busy == 64);
  }
}

TEST_CASE("a buffer that is not read yet is not overwritten") {
  Setup s;
  s.source.packets = numbered(6);
  s.sink.interval = 50;
  set_pmu(s.words, 6, 3, 64, {}, {{20, 0}});  // every vector is read 20 times
  s.run();
  REQUIRE(s.sink.packets.size() == 120);
  for (size_t i = 0; i < 120; ++i) REQUIRE(s.sink.packets[i] == s.source.packets[i / 20]);
}

TEST_CASE("columns of a row-major buffer conflict, skewed ones do not") {
  // 32 rows of 64 bytes = 16 words, so a column of words lies in one bank.
  for (const unsigned skew : {0u, 6u}) {
    Setup s;
    s.source.packets = numbered(16);
    set_pmu(s.words, 1, 1, 0, {{16, 64}}, {{16, 4}});
    set_read_lanes(s.words, 16, M::READ_SHAPE::ELEMENT_WORD, 64);
    s.words.set(M::kBANK_OFFSET, M::BANK::SKEW, skew);
    s.run();
    const uint64_t cycles = skew == 0 ? 16 : 1;
    std::vector<uint64_t> expect;
    for (uint64_t i = 0; i < 16; ++i) expect.push_back(17 + i * cycles + 4 + (cycles - 1) + 1);
    REQUIRE(s.sink.times == expect);
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

TEST_CASE("random writes and reads are the same as on plain memory") {
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 40; ++round) {
    FabricParams params;
    params.max_burst = 1 + random() % 30;
    params.output_depth = 8 + random() % 30;
    Setup s(params);
    const auto fills = static_cast<uint32_t>(1 + random() % 4);
    const auto buffers = static_cast<uint32_t>(1 + random() % 3);
    const auto n0 = static_cast<uint32_t>(1 + random() % 6);
    const auto n1 = static_cast<uint32_t>(1 + random() % 6);
    const auto m0 = static_cast<uint32_t>(1 + random() % 6);
    const auto m1 = static_cast<uint32_t>(1 + random() % 6);
    const auto w0 = static_cast<int32_t>(random() % 100);
    const auto w1 = static_cast<int32_t>(random() % 100);
    const auto r0 = static_cast<int32_t>(4 * (random() % 25));
    const auto r1 = static_cast<int32_t>(4 * (random() % 25));
    const auto bytes = static_cast<unsigned>(1 + random() % 64);
    const auto lanes = static_cast<unsigned>(1 + random() % 16);
    const auto stride = static_cast<int32_t>(4 * (random() % 25));
    s.source.packets = numbered(size_t{fills} * n0 * n1);
    set_pmu(s.words, fills, buffers, 4096, {{n0, w0}, {n1, w1}}, {{m0, r0}, {m1, r1}});
    set_write_bytes(s.words, bytes);
    set_read_lanes(s.words, lanes, M::READ_SHAPE::ELEMENT_WORD, stride);
    s.run();
    std::vector<uint8_t> memory(4096 * 3);
    std::vector<Packet> expect;
    size_t next = 0;
    for (uint32_t fill = 0; fill < fills; ++fill) {
      uint8_t* buffer = &memory[4096 * (fill % buffers)];
      for (uint32_t j = 0; j < n1; ++j) {
        for (uint32_t i = 0; i < n0; ++i)
          std::memcpy(buffer + j * static_cast<uint32_t>(w1) + i * static_cast<uint32_t>(w0),
                      s.source.packets[next++].data(), bytes);
      }
      for (uint32_t j = 0; j < m1; ++j) {
        for (uint32_t i = 0; i < m0; ++i) {
          Packet packet{};
          for (unsigned lane = 0; lane < lanes; ++lane) {
            std::memcpy(&packet[4 * lane],
                        buffer + j * static_cast<uint32_t>(r1) + i * static_cast<uint32_t>(r0) +
                            lane * static_cast<uint32_t>(stride),
                        4);
          }
          expect.push_back(packet);
        }
      }
    }
    REQUIRE(s.sink.packets == expect);
    REQUIRE(s.pmu->finished());
  }
}

TEST_CASE("configurations that a PMU cannot execute are refused") {
  const FabricParams params;
  const auto refused = [&](const ConfigWords& words) {
    try {
      PmuConfig::decode(words, params);
      return std::string();
    } catch (const BadConfig& e) {
      return std::string(e.what());
    }
  };
  const auto pmu = [](uint32_t fills, uint32_t buffers, uint32_t size, std::initializer_list<Loop> write,
                      std::initializer_list<Loop> read) {
    ConfigWords words = ConfigWords::reset_of<M::Registers>();
    set_pmu(words, fills, buffers, size, write, read);
    return words;
  };
  REQUIRE(refused(pmu(1, 1, 0, {{8192, 64}}, {{8192, 64}})).empty());
  REQUIRE(refused(pmu(0, 1, 0, {}, {})) == "write pipeline 0: FILLS is 0");
  REQUIRE(refused(pmu(1, 0, 0, {}, {})) == "write pipeline 0: BUFFERS.COUNT is 0");
  REQUIRE(refused(pmu(1, 1, 0, {{8193, 64}}, {})) ==
          "accesses reach from byte 0 up to 524352, outside the scratchpad of 524288 bytes");
  REQUIRE(refused(pmu(1, 1, 0, {}, {{2, -2}})) ==
          "accesses reach from byte -2 up to 64, outside the scratchpad of 524288 bytes");
  REQUIRE(refused(pmu(1, 1, 0, {{0x7fffffff, 0x7ffffffe}}, {})) ==
          "write pipeline 0: its counters reach further than 2^31 bytes");
  REQUIRE(refused(pmu(1, 2, 128, {{3, 64}}, {})) ==
          "accesses span 192 bytes, more than BUFFER_SIZE = 128: buffers would overlap");
  REQUIRE(refused(pmu(1, 16, 0x8000, {{512, 64}}, {})).empty());
  REQUIRE(refused(pmu(1, 16, 0x8100, {{512, 64}}, {})) ==
          "accesses reach from byte 0 up to 528128, outside the scratchpad of 524288 bytes");
  REQUIRE(refused(pmu(1, 1, 0, {{0x10000, 0}, {0x10000, 0}, {0x10000, 0}}, {})) ==
          "write pipeline 0: its counters iterate more than 2^40 times");
  REQUIRE(refused(pmu(1, 1, 0, {}, {{2, 3}})) ==
          "read pipeline 0: STRIDE[0] = 3 is not a multiple of the element size 2");
  ConfigWords words = pmu(1, 1, 0, {}, {});
  set_read_lanes(words, 32, M::READ_SHAPE::ELEMENT_WORD, 4);
  REQUIRE(refused(words) == "read pipeline 0: 32 lanes of 4 bytes do not make 1..64 bytes");
  words = pmu(1, 1, 0, {}, {});
  set_read_lanes(words, 16, M::READ_SHAPE::ELEMENT_WORD, 6);
  REQUIRE(refused(words) == "read pipeline 0: LANE_STRIDE = 6 is not a multiple of the element size 4");
  words = pmu(1, 1, 0, {}, {});
  set_write_bytes(words, 65);
  REQUIRE(refused(words) == "write pipeline 0: 65 lanes of 1 bytes do not make 1..64 bytes");
  words = pmu(1, 1, 0, {}, {});
  words.set(pmu_write(0, M::kWRITE_SHAPE_OFFSET), M::WRITE_SHAPE::ELEMENT, 3);
  REQUIRE(refused(words) == "write pipeline 0: ELEMENT = 3 has no meaning");
}

TEST_CASE("what the model does not do yet is refused") {
  const auto refused = [](const std::function<void(ConfigWords&)>& change) {
    ConfigWords words = ConfigWords::reset_of<M::Registers>();
    set_pmu(words, 4, 2, 1024, {{16, 64}}, {{16, 64}});
    change(words);
    try {
      PmuConfig::decode(words, FabricParams());
      return std::string();
    } catch (const BadConfig& e) {
      return std::string(e.what());
    }
  };
  const auto field = [&](uint64_t offset, rdu::core::Field f, uint64_t value) {
    return refused([&](ConfigWords& words) { words.set(offset, f, value); });
  };
  REQUIRE(refused([](ConfigWords&) {}).empty());
  using Catch::Matchers::EndsWith;
  const std::string end = ": the model does not do that yet";
  const uint64_t write = pmu_write(0, M::kWRITE_MODE_OFFSET);
  const uint64_t read = pmu_read(0, M::kREAD_MODE_OFFSET);
  CHECK(field(pmu_write(1, M::kWRITE_MODE_OFFSET), M::WRITE_MODE::ENABLE, 1) == "write pipeline 1" + end);
  CHECK(field(pmu_read(1, M::kREAD_MODE_OFFSET), M::READ_MODE::ENABLE, 1) == "read pipeline 1" + end);
  CHECK(field(write, M::WRITE_MODE::ENABLE, 0) == "one pipeline without the other" + end);
  CHECK(field(write, M::WRITE_MODE::DATA, 2) == "data of another input than 0" + end);
  for (const uint64_t address : {1u, 2u, 3u}) {
    CHECK_THAT(field(write, M::WRITE_MODE::ADDRESS, address), EndsWith(end));
    CHECK_THAT(field(read, M::READ_MODE::ADDRESS, address), EndsWith(end));
  }
  CHECK_THAT(field(write, M::WRITE_MODE::RANGE, 1), EndsWith(end));
  CHECK_THAT(field(read, M::READ_MODE::RANGE, 2), EndsWith(end));
  CHECK_THAT(field(write, M::WRITE_MODE::PRED, 1), EndsWith(end));
  CHECK_THAT(field(read, M::READ_MODE::PRED, 2), EndsWith(end));
  CHECK_THAT(field(read, M::READ_MODE::NOT, 1), EndsWith(end));
  CHECK_THAT(field(read, M::READ_MODE::SEQUENCE, 1), EndsWith(end));
  CHECK_THAT(field(pmu_read(0, M::kREAD_OUT_OFFSET), M::READ_OUT::DYNAMIC, 1), EndsWith(end));
  CHECK_THAT(field(M::kBANK_OFFSET, M::BANK::TOGETHER, 1), EndsWith(end));
  CHECK_THAT(field(pmu_read(0, M::kREAD_BUFFERS_OFFSET), M::READ_BUFFERS::COUNT, 3), EndsWith(end));
  CHECK_THAT(field(pmu_write(0, M::kWRITE_TOKEN_OFFSET), M::WRITE_TOKEN::WAIT, 3), EndsWith(end));
  CHECK_THAT(field(pmu_read(0, M::kREAD_TOKEN_OFFSET), M::READ_TOKEN::GIVE, 4), EndsWith(end));
  CHECK_THAT(field(pmu_read(0, M::kREAD_TOKEN_OFFSET), M::READ_TOKEN::OUT, 1), EndsWith(end));
  CHECK_THAT(field(pmu_write(0, M::kWRITE_LANE_STRIDE_OFFSET), M::WRITE_LANE_STRIDE::VALUE, 4),
             EndsWith(end));
  for (const uint64_t offset : {pmu_read(0, M::kREAD_FILLS_OFFSET), pmu_read(0, M::kREAD_BUFFER_SIZE_OFFSET),
                                pmu_read(0, M::kREAD_BASE_OFFSET), M::kTOKENS_OFFSET}) {
    CHECK_THAT(refused([&](ConfigWords& words) { words.set(offset, 64u); }), EndsWith(end));
  }
}
