#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/register_coverage.h"
#include "test/catch.h"

using namespace rdu::core;

namespace {

constexpr FieldDesc kControl[] = {{"START", 0, 1, Access::w1s, 0, false},
                                  {"MODE", 1, 3, Access::rw, 2, false},
                                  {"BUSY", 8, 1, Access::ro, 0, true},
                                  {"KEY", 16, 8, Access::wo, 0, false}};
constexpr RegisterDesc kControlDesc = describe("CONTROL", 0x0, 32, false, false, kControl);
constexpr FieldDesc kAddress[] = {{"LOW", 0, 32, Access::rw, 0, false},
                                  {"HIGH", 32, 32, Access::rw, 0, false}};
constexpr RegisterDesc kAddressDesc = describe("ADDRESS", 0x8, 64, false, false, kAddress);
constexpr FieldDesc kSlot[] = {{"VALUE", 0, 32, Access::rw, 0, false}};
constexpr RegisterDesc kSlotDesc = describe("SLOT", 0x10, 32, false, false, kSlot);

struct File : RegisterFile {
  File() : RegisterFile("file", 0x40) {}
  Register control{*this, kControlDesc};
  Register address{*this, kAddressDesc};
  RegisterArray<4> slots{*this, kSlotDesc, 4};
};

bool access(RegisterFile& file, bool write, uint64_t offset, unsigned length, uint64_t value = 0) {
  return file.access(write, offset, length, reinterpret_cast<uint8_t*>(&value));
}

}  // namespace

TEST_CASE("coverage counts what accesses carry and what they change") {
  File file;
  RegisterCoverage coverage;
  coverage.watch("DEV", 0x1000, file);
  CHECK(access(file, false, 0, 4));
  CHECK(access(file, true, 0, 4, 0x2 << 1));             // MODE keeps its value, START gets no one
  CHECK(access(file, true, 0, 4, 0x3 << 1 | 1));         // both
  CHECK(access(file, true, 0, 4, 0x3 << 1 | 7u << 16));  // KEY
  CHECK(coverage.of("DEV", "CONTROL").reads == 1);
  CHECK(coverage.of("DEV", "CONTROL").writes == 3);
  const auto field = [&](const char* name) { return coverage.of("DEV", "CONTROL", name); };
  CHECK(field("START").writes == 3);
  CHECK(field("START").changes == 1);
  CHECK(field("MODE").writes == 3);
  CHECK(field("MODE").changes == 1);
  CHECK(field("MODE").reads == 1);
  CHECK(field("BUSY").writes == 0);
  CHECK(field("BUSY").reads == 1);
  CHECK(field("KEY").changes == 1);
  CHECK(field("KEY").reads == 0);  // reading returns none of it
}

TEST_CASE("a half of a register covers its own fields only, two neighbours both") {
  File file;
  RegisterCoverage coverage;
  coverage.watch("DEV", 0, file);
  CHECK(access(file, true, 0xc, 4, 5));
  CHECK(coverage.of("DEV", "ADDRESS", "HIGH").changes == 1);
  CHECK(coverage.of("DEV", "ADDRESS", "LOW").writes == 0);
  CHECK(access(file, false, 0x8, 4));
  CHECK(coverage.of("DEV", "ADDRESS", "LOW").reads == 1);
  CHECK(coverage.of("DEV", "ADDRESS", "HIGH").reads == 0);
  CHECK(access(file, true, 0x10, 8, 1));
  CHECK(coverage.of("DEV", "SLOT[0]", "VALUE").changes == 1);
  CHECK(coverage.of("DEV", "SLOT[1]", "VALUE").writes == 1);
  CHECK(coverage.of("DEV", "SLOT[1]", "VALUE").changes == 0);
}

TEST_CASE("refused accesses and debuggers do not count, nor does anything after the end") {
  File file;
  {
    RegisterCoverage coverage;
    coverage.watch("DEV", 0, file);
    CHECK_FALSE(access(file, true, 0x1, 4));
    CHECK_FALSE(access(file, false, 0x38, 4));
    uint8_t data[4];
    CHECK(file.peek(0, 4, data));
    CHECK(coverage.of("DEV", "CONTROL").reads == 0);
    CHECK(coverage.of("DEV", "CONTROL").writes == 0);
  }
  CHECK(access(file, true, 0, 4));  // the observer has gone
}

TEST_CASE("coverage as text and as JSON") {
  File file;
  RegisterCoverage coverage;
  coverage.watch("DEV", 0x1000, file);
  CHECK(access(file, true, 0x14, 4, 1));
  std::ostringstream text, json;
  coverage.write_text(text);
  CHECK(text.str().find("DEV at 0x1000: 1 of 6 registers used") != std::string::npos);
  CHECK(text.str().find("SLOT[1].VALUE") != std::string::npos);
  CHECK(text.str().find("never touched: CONTROL, ADDRESS, SLOT[0], SLOT[2] to SLOT[3]") != std::string::npos);
  coverage.write_json(json);
  const auto parsed = nlohmann::json::parse(json.str());
  const auto& block = parsed["blocks"][0];
  CHECK(block["name"] == "DEV");
  CHECK(block["registers"].size() == 6);
  CHECK(block["registers"][3]["name"] == "SLOT[1]");
  CHECK(block["registers"][3]["writes"] == 1);
  CHECK(block["registers"][3]["fields"][0]["changes"] == 1);
}
