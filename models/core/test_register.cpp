#include <cstring>

#include "core/register.h"
#include "test/catch.h"

using namespace rdu::core;

namespace {

constexpr FieldDesc kFields[] = {
    {"RW", 0, 8, Access::rw, 0x12, false},   {"RO", 8, 8, Access::ro, 0x34, false},
    {"W1C", 16, 4, Access::w1c, 0xf, false}, {"W1S", 20, 4, Access::w1s, 0, false},
    {"WO", 24, 4, Access::wo, 0, false},     {"RC", 28, 2, Access::rc, 3, false},
};
constexpr RegisterDesc kMixed = describe("MIXED", 0x0, 32, true, true, kFields);
constexpr FieldDesc kWide[] = {{"LOW", 0, 32, Access::rw, 0, false},
                               {"HIGH", 32, 32, Access::w1c, 0xff, false}};
constexpr RegisterDesc kLong = describe("LONG", 0x8, 64, false, false, kWide);

struct File : RegisterFile {
  File() : RegisterFile("file", 0x20) {}
  Register mixed{*this, kMixed};
  Register wide{*this, kLong};
};

uint64_t read(RegisterFile& file, uint64_t offset, unsigned length) {
  uint64_t value = 0;
  REQUIRE(file.access(false, offset, length, reinterpret_cast<uint8_t*>(&value)));
  return value;
}

void write(RegisterFile& file, uint64_t offset, unsigned length, uint64_t value) {
  REQUIRE(file.access(true, offset, length, reinterpret_cast<uint8_t*>(&value)));
}

}  // namespace

TEST_CASE("every access right does what its name says") {
  File f;
  CHECK(read(f, 0, 4) == 0x300f3412);
  CHECK(read(f, 0, 4) == 0x000f3412);  // RC was cleared by the first read
  uint64_t seen = 0;
  f.mixed.on_write([&](uint64_t) { seen = f.mixed.value(); });
  write(f, 0, 4, 0x3f51ffaa);
  CHECK(((seen >> 24) & 0xf) == 0xf);  // the hook sees what was written to WO
  CHECK(read(f, 0, 4) == 0x005e34aa);
}

TEST_CASE("a half of a 64-bit register leaves the other half alone") {
  File f;
  write(f, 0x8, 4, 0xdeadbeef);
  CHECK(read(f, 0x8, 8) == 0x000000ffdeadbeef);
  write(f, 0xc, 4, 0x0f);
  CHECK(read(f, 0x8, 8) == 0x000000f0deadbeef);
  CHECK(read(f, 0xc, 4) == 0xf0);
}

TEST_CASE("undefined accesses are refused") {
  File f;
  uint8_t data[8] = {};
  CHECK_FALSE(f.access(false, 0x1, 4, data));  // misaligned
  CHECK_FALSE(f.access(false, 0x0, 2, data));  // part of a 32-bit register
  CHECK_FALSE(f.access(false, 0x4, 4, data));  // between registers
  CHECK_FALSE(f.access(true, 0x20, 4, data));  // outside
  CHECK_FALSE(f.access(false, 0xc, 8, data));  // crosses the end
}

TEST_CASE("a debugger's look changes nothing") {
  File f;
  uint32_t value = 0;
  REQUIRE(f.peek(0, 4, reinterpret_cast<uint8_t*>(&value)));
  CHECK(value == 0x300f3412);
  CHECK(read(f, 0, 4) == 0x300f3412);
}
