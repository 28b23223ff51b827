#include <functional>

#include "fabric/pmu/pmu_config.h"
#include "fabric/test/units.h"
#include "test/catch.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;
namespace M = rdu::regs::pmu;

namespace {

constexpr uint64_t kW0 = pmu_write(0, 0);
constexpr uint64_t kR0 = pmu_read(0, 0);

std::string refused(const ConfigWords& words) {
  try {
    PmuConfig::decode(words, FabricParams());
    return "";
  } catch (const BadConfig& e) {
    return e.what();
  }
}

ConfigWords pmu(uint32_t fills, uint32_t buffers, uint32_t size, std::initializer_list<Loop> write,
                std::initializer_list<Loop> read) {
  ConfigWords words = ConfigWords::reset_of<M::Registers>();
  set_pmu(words, fills, buffers, size, write, read);
  return words;
}

/// A usual configuration with a change.
std::string changed(const std::function<void(ConfigWords&)>& change) {
  ConfigWords words = pmu(4, 2, 1024, {{16, 64}}, {{16, 64}});
  change(words);
  return refused(words);
}
std::string with(uint64_t offset, rdu::core::Field field, uint64_t value) {
  return changed([&](ConfigWords& words) { words.set(offset, field, value); });
}

}  // namespace

TEST_CASE("pipelines that a PMU cannot have are refused") {
  REQUIRE(changed([](ConfigWords&) {}).empty());
  CHECK(refused(pmu(1, 1, 0, {{8192, 64}}, {{8192, 64}})).empty());
  CHECK(refused(pmu(0, 1, 0, {}, {})) == "write pipeline 0: FILLS is 0");
  CHECK(refused(pmu(1, 0, 0, {}, {})) == "write pipeline 0: BUFFERS.COUNT is 0");
  CHECK(refused(pmu(1, 1, 0, {{8193, 64}}, {})) ==
        "write pipeline 0: its accesses reach from byte 0 up to 524352, outside the scratchpad of 524288 "
        "bytes");
  CHECK(refused(pmu(1, 1, 0, {}, {{2, -2}})) ==
        "read pipeline 0: its accesses reach from byte -2 up to 64, outside the scratchpad of 524288 bytes");
  CHECK(refused(pmu(1, 16, 0x8000, {{512, 64}}, {})).empty());
  CHECK(refused(pmu(1, 16, 0x8100, {{512, 64}}, {})) ==
        "write pipeline 0: its accesses reach from byte 0 up to 528128, outside the scratchpad of 524288 "
        "bytes");
  CHECK(refused(pmu(1, 1, 0, {{0x7fffffff, 0x7ffffffe}}, {})) ==
        "write pipeline 0: its counters reach further than 2^31 bytes");
  CHECK(refused(pmu(1, 1, 0, {{0x10000, 0}, {0x10000, 0}, {0x10000, 0}}, {})) ==
        "write pipeline 0: its counters iterate more than 2^40 times");
  CHECK(refused(pmu(1, 1, 0, {}, {{2, 3}})) ==
        "read pipeline 0: STRIDE[0] = 3 is not a multiple of the element size 2");
  const auto read_lanes = [](unsigned lanes, uint64_t element, int32_t stride) {
    return changed([&](ConfigWords& words) { set_read_lanes(words, lanes, element, stride); });
  };
  CHECK(read_lanes(32, M::READ_SHAPE::ELEMENT_WORD, 4) ==
        "read pipeline 0: 32 lanes of 4 bytes do not make 1..64 bytes");
  CHECK(read_lanes(0, M::READ_SHAPE::ELEMENT_WORD, 4) ==
        "read pipeline 0: 0 lanes of 4 bytes do not make 1..64 bytes");
  CHECK(read_lanes(16, M::READ_SHAPE::ELEMENT_WORD, 6) ==
        "read pipeline 0: LANE_STRIDE = 6 is not a multiple of the element size 4");
  CHECK(read_lanes(1, M::READ_SHAPE::ELEMENT_HALF, 3).empty());
  CHECK(read_lanes(1, 3, 4) == "read pipeline 0: ELEMENT = 3 has no meaning");
  CHECK(with(kR0 + M::kREAD_BASE_OFFSET, M::READ_BASE::VALUE, 1) ==
        "read pipeline 0: BASE = 1 is not a multiple of the element size 2");
  CHECK(with(kR0 + M::kREAD_BUFFER_SIZE_OFFSET, M::READ_BUFFER_SIZE::VALUE, 1023) ==
        "read pipeline 0: BUFFER_SIZE = 1023 is not a multiple of the element size 2");
  CHECK(with(kW0, M::WRITE_MODE::ADDRESS, 3) == "write pipeline 0: ADDRESS = 3 has no meaning");
  CHECK(with(kW0, M::WRITE_MODE::RANGE, 2) == "write pipeline 0: RANGE = 2 has no meaning");
  CHECK(with(kR0, M::READ_MODE::RANGE, 3) == "read pipeline 0: RANGE = 3 has no meaning");
  CHECK(with(kR0, M::READ_MODE::PRED, 3) == "read pipeline 0: PRED = 3 has no meaning");
  CHECK(with(kR0, M::READ_MODE::NOT, 1) == "read pipeline 0: NOT with PRED = ALWAYS would never do anything");
  CHECK(changed([](ConfigWords& w) { set_predicate(w, kR0, M::READ_MODE::PRED_EQ, false, 6, 0); }) ==
        "read pipeline 0: PRED_LEVEL = 6 has no meaning");
  CHECK(changed([](ConfigWords& w) { set_range(w, kR0, M::READ_MODE::RANGE_ZERO, 64, 64); }) ==
        "read pipeline 0: RANGE_LOW = 64 is not below RANGE_HIGH = 64");
  // A range makes addresses legal that it keeps from being used, and no others.
  CHECK(changed([](ConfigWords& w) {
          w.set(kR0 + M::kREAD_BASE_OFFSET, static_cast<uint32_t>(-128));
          set_range(w, kR0, M::READ_MODE::RANGE_ZERO, 128, 1024);
        }).empty());
  CHECK(
      changed([](ConfigWords& w) {
        w.set(kR0 + M::kREAD_BASE_OFFSET, static_cast<uint32_t>(-128));
        set_range(w, kR0, M::READ_MODE::RANGE_ZERO, 64, 1024);
      }) ==
      "read pipeline 0: its accesses reach from byte -64 up to 1920, outside the scratchpad of 524288 bytes");
}

TEST_CASE("addresses that depend on data are fenced in") {
  CHECK(with(kR0, M::READ_MODE::ADDRESS, M::READ_MODE::ADDRESS_SCALAR) ==
        "read pipeline 0: addresses that depend on data need RANGE");
  CHECK(with(kW0, M::WRITE_MODE::ADDRESS, M::WRITE_MODE::ADDRESS_INDEX) ==
        "write pipeline 0: addresses that depend on data need RANGE");
  const auto gather = [](uint64_t range, int32_t stride, int32_t high) {
    return changed([&](ConfigWords& w) {
      set_index(w, 0, 1, stride, 0, high);
      w.set(kR0, M::READ_MODE::RANGE, range);
      w.set(kR0 + M::kREAD_LANE_STRIDE_OFFSET, 0u);
    });
  };
  CHECK(gather(M::READ_MODE::RANGE_ZERO, 64, 1024).empty());
  CHECK(gather(M::READ_MODE::RANGE_DROP, 64, 1024) ==
        "read pipeline 0: addresses that depend on data need RANGE = ZERO");
  CHECK(gather(M::READ_MODE::RANGE_ZERO, 63, 1024) ==
        "read pipeline 0: INDEX_STRIDE = 63 is not a multiple of the element size 2");
  CHECK(gather(M::READ_MODE::RANGE_ZERO, 1 << 20, 1024) ==
        "read pipeline 0: INDEX_STRIDE = 1048576 is more than the scratchpad has");
  CHECK(
      gather(M::READ_MODE::RANGE_ZERO, 64, 600'000) ==
      "read pipeline 0: its accesses reach from byte 0 up to 600962, outside the scratchpad of 524288 bytes");
  CHECK(changed([](ConfigWords& w) { set_index(w, 0, 0, 64, 0, 1024); }) ==
        "vector input 0 is the data of write pipeline 0 and the indices of read pipeline 0");

  const auto by_sequence = [](const std::function<void(ConfigWords&)>& change) {
    return changed([&](ConfigWords& w) {
      set_by_sequence(w, 0, 64, 0, 1024);
      w.set(kW0 + M::kWRITE_STRIDE_OFFSET, 0u);
      change(w);
    });
  };
  CHECK(by_sequence([](ConfigWords&) {}).empty());
  CHECK(by_sequence([](ConfigWords& w) { w.set(kW0 + M::kWRITE_STRIDE_OFFSET, 64u); }) ==
        "write pipeline 0: SEQUENCE with a counter's STRIDE other than 0 depends on the order of packets");
  CHECK(by_sequence([](ConfigWords& w) { set_predicate(w, kW0, M::WRITE_MODE::PRED_EQ, false, 0, 0); }) ==
        "write pipeline 0: SEQUENCE with a predicate depends on the order of packets");
}

TEST_CASE("pipelines whose order time would decide are refused") {
  // Without tokens, in one buffer too few, in one token too many.
  CHECK(changed([](ConfigWords& w) {
          w.set(kW0 + M::kWRITE_TOKEN_OFFSET, 0u);
          w.set(kR0 + M::kREAD_TOKEN_OFFSET, 0u);
        }) ==
        "fill 0 of write pipeline 0 and fill 2 of read pipeline 0 can touch the same bytes, and no tokens "
        "order them");
  CHECK(with(M::kTOKENS_OFFSET, M::TOKENS::COUNT, 3) ==
        "fill 2 of write pipeline 0 and fill 0 of read pipeline 0 can touch the same bytes, and no tokens "
        "order them");
  CHECK(with(M::kTOKENS_OFFSET, M::TOKENS::COUNT, 1).empty());
  CHECK(refused(pmu(2, 2, 1024 - 64, {{16, 64}}, {{16, 64}})) ==
        "fill 1 of write pipeline 0 and fill 0 of read pipeline 0 can touch the same bytes, and no tokens "
        "order them");
  // What only one fill does needs one token.
  CHECK(refused(pmu(1, 2, 1024 - 64, {{16, 64}}, {{16, 64}})).empty());

  const auto second_writer = [](uint32_t base, std::initializer_list<Loop> loops, uint32_t give) {
    return changed([&](ConfigWords& w) {
      w.set(kW0 + M::kWRITE_STRIDE_OFFSET, 128u);
      w.set(kW0 + M::kWRITE_BUFFER_SIZE_OFFSET, 2048u);
      w.set(kR0 + M::kREAD_BUFFER_SIZE_OFFSET, 2048u);
      w.set(kR0 + M::kREAD_COUNT_OFFSET, 32u);
      set_write(w, 1, 1, 4, 2, 2048, base, loops, 1u << 2, give);
      w.set(kR0 + M::kREAD_TOKEN_OFFSET, M::READ_TOKEN::WAIT, 0b1010);
      w.set(kR0 + M::kREAD_TOKEN_OFFSET, M::READ_TOKEN::GIVE, 0b0101);
      w.set(M::kTOKENS_OFFSET + 2 * M::kTOKENS_STRIDE, 2u);
    });
  };
  CHECK(second_writer(64, {{16, 128}}, 1u << 3).empty());  // every other packet of a row
  CHECK(second_writer(62, {{16, 128}}, 1u << 3) ==
        "fill 0 of write pipeline 0 and fill 0 of write pipeline 1 can touch the same bytes, and no tokens "
        "order them");
  CHECK(second_writer(64, {{16, 64}}, 1u << 3) ==
        "fill 0 of write pipeline 0 and fill 0 of write pipeline 1 can touch the same bytes, and no tokens "
        "order them");
  CHECK(second_writer(8192, {{16, 64}}, 1u << 3).empty());

  // Two that only read may do what they like.
  CHECK(changed([](ConfigWords& w) {
          w.set(kW0, 0u);
          w.set(kR0 + M::kREAD_TOKEN_OFFSET, 0u);
          set_read(w, 1, 1, 1, 0, 0, {{16, 64}}, 0, 0);
        }).empty());
}

TEST_CASE("tokens that are not one giver's and one taker's are refused") {
  CHECK(changed([](ConfigWords& w) { set_read(w, 1, 4, 1, 0, 8192, {}, 1u << 1, 0); }) ==
        "token 1 is taken by read pipeline 0 and by read pipeline 1");
  CHECK(changed([](ConfigWords& w) { set_read(w, 1, 4, 1, 0, 8192, {}, 0, 1u << 0); }) ==
        "token 0 is given by read pipeline 0 and by read pipeline 1");
  CHECK(changed([](ConfigWords& w) { set_read(w, 1, 4, 1, 0, 8192, {}, 0, 1u << 5); }) ==
        "read pipeline 1 gives token 5, which nobody waits for");
  CHECK(changed([](ConfigWords& w) {
          w.set(kW0 + M::kWRITE_TOKEN_OFFSET, M::WRITE_TOKEN::OUT, 2);
          w.set(kR0 + M::kREAD_TOKEN_OFFSET, M::READ_TOKEN::OUT, 3);
        }) == "write pipeline 0 and read pipeline 0 both send tokens on control output 1");
  // 300 tokens for a reader that may be slow; 2 if it gives others back.
  const auto many = [](uint32_t give) {
    return changed([&](ConfigWords& w) {
      set_write(w, 1, 1, 300, 1, 0, 8192, {}, give, 1u << 3);
      set_read(w, 1, 300, 1, 0, 16384, {}, 1u << 3, give);
      w.set(M::kTOKENS_OFFSET + 2 * M::kTOKENS_STRIDE, give == 0 ? 0u : 1u);
    });
  };
  CHECK(many(0) == "token 3 can become 300, more than 255");
  CHECK(many(1u << 2).empty());
}

TEST_CASE("pipelines that may need the same bank cannot access together") {
  const auto together = [](uint32_t second, unsigned lanes, uint32_t stride) {
    ConfigWords w = ConfigWords::reset_of<M::Registers>();
    for (unsigned r = 0; r < 2; ++r) {
      set_read(w, r, 1, 1, 0, r * second, {{16, static_cast<int32_t>(stride)}}, 0, 0);
      w.set(pmu_read(r, M::kREAD_SHAPE_OFFSET), M::READ_SHAPE::LANES, lanes);
    }
    w.set(M::kBANK_OFFSET, M::BANK::TOGETHER, 1);
    return refused(w);
  };
  CHECK(together(32, 16, 64).empty());
  CHECK(together(32, 17, 64) ==
        "BANK.TOGETHER, but read pipeline 0 and read pipeline 1 can both need bank 0");
  CHECK(together(28, 16, 64) ==
        "BANK.TOGETHER, but read pipeline 0 and read pipeline 1 can both need bank 7");
  CHECK(together(32, 16, 32) ==
        "BANK.TOGETHER, but read pipeline 0 and read pipeline 1 can both need bank 0");
  CHECK(with(M::kBANK_OFFSET, M::BANK::TOGETHER, 1).empty());
  CHECK(changed([](ConfigWords& w) {
          w.set(M::kBANK_OFFSET, M::BANK::TOGETHER, 1);
          w.set(M::kBANK_OFFSET, M::BANK::SHIFT, 16);
        }) == "BANK.TOGETHER needs SHIFT and SKEW of at most 15");
}

TEST_CASE("slots are for two of a kind") {
  ConfigWords w = pmu(4, 2, 1024, {{16, 64}}, {{16, 64}});
  set_read(w, 1, 1, 1, 0, 8192, {}, 0, 0);
  const PmuConfig config = PmuConfig::decode(w, FabricParams());
  CHECK(config.write[0].period == 1);
  CHECK(config.read[0].period == 2);
  CHECK(config.read[1].period == 2);
}

TEST_CASE("packets may come in any order where an address comes from their id, in a single fill") {
  ConfigWords w = pmu(4, 2, 1024, {{16, 0}}, {{16, 64}});
  set_by_sequence(w, 0, 64, 0, 1024);
  const auto any_order = [&](uint32_t fills) {
    w.set(M::kWRITE_OFFSET + M::kWRITE_FILLS_OFFSET, fills);
    w.set(M::kREAD_OFFSET + M::kREAD_FILLS_OFFSET, fills);
    return PmuConfig::decode(w, FabricParams()).ports().inputs.front().any_order;
  };
  CHECK(any_order(1));
  CHECK_FALSE(any_order(2));  // which fill a packet belongs to is told by its place
}
