#include <random>

#include "fabric/pmu/test_setup.h"
#include "regs/sequencer.hpp"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;
namespace M = rdu::regs::pmu;
using Kind = ecc::Outcome::Kind;

namespace {

/// Eight rows of 64 bytes are there from a former program; they are read once.
struct Rows : PmuSetup {
  Rows() {
    for (size_t i = 0; i < 8; ++i) std::memcpy(pad.data() + 64 * i, rows[i].data(), kPacketBytes);
    set_read(words, 0, 1, 1, 0, 0, {{8, 64}}, 0, 0);
  }
  std::vector<Packet> rows = numbered(8);
};

}  // namespace

TEST_CASE("the code has the columns of the page") {
  static constexpr uint8_t kColumns[] = {0x0b, 0x0d, 0x0e, 0x13, 0x15, 0x16, 0x19, 0x1a, 0x1c, 0x23, 0x25,
                                         0x26, 0x29, 0x2a, 0x2c, 0x31, 0x32, 0x34, 0x43, 0x45, 0x46, 0x4a,
                                         0x4c, 0x51, 0x52, 0x54, 0x58, 0x61, 0x62, 0x64, 0x68, 0x70};
  for (unsigned i = 0; i < 32; ++i) REQUIRE(ecc::check_bits(1u << i) == kColumns[i]);
  REQUIRE(ecc::check_bits(0) == 0);
  std::mt19937 random(static_cast<uint32_t>(test_seed()));
  for (int i = 0; i < 100; ++i) {
    const uint32_t data = random();
    uint32_t check = 0;
    for (unsigned bit = 0; bit < 32; ++bit) check ^= (data >> bit & 1) * kColumns[bit];
    REQUIRE(ecc::check_bits(data) == check);
  }
}

TEST_CASE("every single error is corrected, every double error is found") {
  for (unsigned i = 0; i < ecc::kBits; ++i) {
    const ecc::Outcome one = ecc::read(uint64_t{1} << i);
    REQUIRE(one.kind == Kind::corrected);
    REQUIRE(one.wrong == 0);
    for (unsigned j = 0; j < i; ++j) {
      REQUIRE(ecc::read(uint64_t{1} << i | uint64_t{1} << j).kind == Kind::uncorrectable);
    }
  }
  REQUIRE(ecc::read(0).kind == Kind::right);
  // Three may look like one: bits 0 (0x0b), 1 (0x0d) and check bit 3 (0x08) like column 0x0e, bit 2.
  const ecc::Outcome three = ecc::read(uint64_t{3} | uint64_t{1} << 35);
  REQUIRE(three.kind == Kind::corrected);
  REQUIRE(three.wrong == 0b111);
}

TEST_CASE("single errors are corrected and counted at every read") {
  Rows s;
  s.pad.inject(0x44, 1u << 7);
  s.pad.inject(0x48, uint64_t{1} << 38);
  s.pad.inject(0x60, 1);
  s.pad.inject(0x60, 1);  // flipped back
  s.words.set(pmu_read(0, M::kREAD_FILLS_OFFSET), 2u);
  s.run();
  REQUIRE(s.sinks[0].packets.size() == 16);
  for (size_t i = 0; i < 16; ++i) REQUIRE(s.sinks[0].packets[i] == s.rows[i % 8]);
  REQUIRE(s.pad.corrected() == 4);
  REQUIRE(s.pad.uncorrectable() == 0);
  REQUIRE(s.faults.empty());
}

TEST_CASE("a double error is a fault with unit, address and cycle") {
  Rows s;
  s.pad.inject(0x88, 0x11);
  s.pad.inject(0x84, uint64_t{3} << 31);
  s.run(1000);
  REQUIRE(s.faults.size() == 1);
  const UnitFault& fault = s.faults[0];
  CHECK(fault.code == rdu::regs::sequencer::FAULT::CODE_SRAM_ECC);
  CHECK(fault.unit == RDU_UNIT(RDU_UNIT_PMU, 0, 0));
  CHECK(fault.address == 0x84);
  CHECK(fault.cycle == 1002);  // row 2
  CHECK(fault.text == "an uncorrectable error in the word at byte 0x84 of the scratchpad");
  CHECK(s.pad.uncorrectable() == 2);
  // What leaves has the bits as they are read.
  Packet expect = s.rows[2];
  expect[8] ^= 0x11;
  expect[7] ^= 0x80;
  CHECK(s.sinks[0].packets.at(2) == expect);
  CHECK(std::memcmp(s.pad.data() + 128, s.rows[2].data(), 64) == 0);
}

TEST_CASE("an access counts a word once, however many lanes read it") {
  Rows s;
  s.pad.inject(0x40, 1);
  set_read_lanes(s.words, 32, M::READ_SHAPE::ELEMENT_HALF, 0);
  s.run();
  REQUIRE(s.pad.corrected() == 1);
}

TEST_CASE("lanes that are not read are not checked") {
  Rows s;
  s.pad.inject(0x40, 3);
  set_read_lanes(s.words, 15, M::READ_SHAPE::ELEMENT_WORD, 4);
  s.words.set(pmu_read(0, M::kREAD_BASE_OFFSET), 4u);
  s.run();
  REQUIRE(s.faults.empty());
}

TEST_CASE("writing a word clears its errors, writing a part reads the rest") {
  const auto write = [](unsigned bytes, uint64_t bits) {
    auto s = std::make_unique<PmuSetup>();
    std::memset(s->pad.data(), 0x55, 64);
    s->pad.inject(0, bits);
    s->sources[0].packets = numbered(1);
    set_write(s->words, 0, 0, 1, 1, 0, 0, {}, 0, 0);
    set_write_bytes(s->words, bytes);
    s->run();
    return s;
  };
  auto s = write(64, 3);
  CHECK(s->faults.empty());
  CHECK_FALSE(s->pad.has_errors());
  CHECK(s->pad.corrected() == 0);

  s = write(2, 1u << 31);
  CHECK(s->faults.empty());
  CHECK_FALSE(s->pad.has_errors());
  CHECK(s->pad.corrected() == 1);
  CHECK(std::memcmp(s->pad.data(), "\x00\x01\x55\x55", 4) == 0);

  s = write(2, 3u << 30);
  REQUIRE(s->faults.size() == 1);
  CHECK(s->faults[0].cycle == 1);
  CHECK(s->faults[0].address == 0);
  CHECK(s->pad.has_errors());
  CHECK(std::memcmp(s->pad.data(), "\x55\x55\x55\x55", 4) ==
        0);  // what was written before, and still flipped
}

TEST_CASE("clearing a scratchpad clears its errors") {
  Scratchpad pad(1024);
  pad.data()[8] = 1;
  pad.inject(8, 3);
  pad.clear();
  CHECK_FALSE(pad.has_errors());
  CHECK(pad.data()[8] == 0);
}
