#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "pcie/config_space.h"
#include "test/catch.h"

using namespace rdu::pcie;

namespace {

/// What each register must be, written from the specification's tables and not from the model. `rw` and `w1c`
/// are what software may do, `sticky` what every reset but power-on spares, `flr` what an FLR spares besides.
struct Row {
  unsigned offset, bytes;
  const char* name;
  uint32_t reset, rw, w1c, sticky, flr;
};

constexpr Row kTable[] = {
    // Type 0 header
    {0x00, 2, "Vendor ID", 0x1234, 0, 0, 0, 0},
    {0x02, 2, "Device ID", 0x40a1, 0, 0, 0, 0},
    {0x04, 2, "Command", 0, 0x0546, 0, 0, 0},  // memory, bus master, parity, SERR#, INTx disable
    {0x06, 2, "Status", 0x0010, 0, 0xf900, 0, 0},
    {0x08, 4, "Revision ID, class code", 0x12000001, 0, 0, 0, 0},
    {0x0c, 1, "Cache line size", 0, 0xff, 0, 0, 0},
    {0x0d, 3, "Latency timer, header type, BIST", 0, 0, 0, 0, 0},
    {0x10, 4, "BAR0: 64 KiB, 64 bits", 0x4, 0xffff0000, 0, 0, 0},
    {0x14, 4, "BAR0, upper", 0, 0xffffffff, 0, 0, 0},
    {0x18, 4, "BAR2: 256 MiB, 64 bits, prefetchable", 0xc, 0xf0000000, 0, 0, 0},
    {0x1c, 4, "BAR2, upper", 0, 0xffffffff, 0, 0, 0},
    {0x2c, 4, "Subsystem", 0x00011234, 0, 0, 0, 0},
    {0x34, 1, "Capabilities pointer", 0x40, 0, 0, 0, 0},
    {0x3c, 1, "Interrupt line", 0, 0xff, 0, 0, 0},
    {0x3d, 3, "Interrupt pin, Min_Gnt, Max_Lat", 0, 0, 0, 0, 0},
    // Power management
    {0x40, 4, "PM capability", 0x00034801, 0, 0, 0, 0},
    {0x44, 4, "PMCSR", 0x8, 0x3, 0, 0, 0},
    // MSI-X: 16 vectors, table at 0x2000 and PBA at 0x3000 of BAR0
    {0x48, 2, "MSI-X capability", 0x6011, 0, 0, 0, 0},
    {0x4a, 2, "Message control", 0xf, 0xc000, 0, 0, 0},
    {0x4c, 4, "Table", 0x2000, 0, 0, 0, 0},
    {0x50, 4, "PBA", 0x3000, 0, 0, 0, 0},
    // PCI Express
    {0x60, 4, "PCI Express capability", 0x00020010, 0, 0, 0, 0},
    {0x64, 4, "Device capabilities", 0x10008fe1, 0, 0, 0, 0},
    {0x68, 2, "Device control", 0x2910, 0x79ff, 0, 0, 0x00e0},
    {0x6a, 2, "Device status", 0, 0, 0xf, 0, 0},
    {0x6c, 4, "Link capabilities", 0x00400104, 0, 0, 0, 0},
    {0x70, 2, "Link control", 0, 0x00cb, 0, 0, 0x00cb},
    {0x72, 2, "Link status", 0x1104, 0, 0, 0, 0},
    {0x84, 4, "Device capabilities 2", 0x10, 0, 0, 0, 0},
    {0x88, 4, "Device control 2", 0, 0x10, 0, 0, 0},
    {0x8c, 4, "Link capabilities 2", 0x1e, 0, 0, 0, 0},
    {0x90, 2, "Link control 2", 0x4, 0xffbf, 0, 0xffbf, 0},
    {0x92, 2, "Link status 2", 0x1e, 0, 0, 0, 0},
    // Advanced error reporting: data link protocol, poisoned, completion time-out, unexpected completion,
    // malformed,
    // unsupported request, internal
    {0x100, 4, "AER capability", 0x15020001, 0, 0, 0, 0},
    {0x104, 4, "Uncorrectable status", 0, 0, 0x00555010, 0x00555010, 0},
    {0x108, 4, "Uncorrectable mask", 0x00400000, 0x00555010, 0, 0x00555010, 0},
    {0x10c, 4, "Uncorrectable severity", 0x00440010, 0x00555010, 0, 0x00555010, 0},
    {0x110, 4, "Correctable status", 0, 0, 0x000031c1, 0x000031c1, 0},
    {0x114, 4, "Correctable mask", 0x2000, 0x000031c1, 0, 0x000031c1, 0},
    {0x118, 4, "AER capabilities and control", 0, 0, 0, 0x1f, 0},
    {0x11c, 4, "Header log 1", 0, 0, 0, 0xffffffff, 0},
    {0x120, 4, "Header log 2", 0, 0, 0, 0xffffffff, 0},
    {0x124, 4, "Header log 3", 0, 0, 0, 0xffffffff, 0},
    {0x128, 4, "Header log 4", 0, 0, 0, 0xffffffff, 0},
    // Device serial number
    {0x150, 4, "DSN capability", 0x00010003, 0, 0, 0, 0},
    {0x154, 4, "Serial number, lower", 0x55667788, 0, 0, 0, 0},
    {0x158, 4, "Serial number, upper", 0x11223344, 0, 0, 0, 0},
};
constexpr uint64_t kSerial = 0x1122334455667788;

struct Bytes {
  std::array<uint8_t, ConfigSpace::kSize> reset{}, rw{}, w1c{}, sticky{}, flr{};
  std::array<const char*, ConfigSpace::kSize> name{};

  Bytes() {
    name.fill("nothing");
    for (const Row& row : kTable) {
      for (unsigned i = 0; i < row.bytes; ++i) {
        const auto part = [i](uint32_t word) { return static_cast<uint8_t>(word >> (8 * i)); };
        const unsigned at = row.offset + i;
        REQUIRE(std::string(name[at]) == "nothing");
        name[at] = row.name;
        reset[at] = part(row.reset);
        rw[at] = part(row.rw);
        w1c[at] = part(row.w1c);
        sticky[at] = part(row.sticky);
        flr[at] = part(row.flr);
      }
    }
  }
};

uint8_t read8(const ConfigSpace& c, uint64_t offset) {
  uint8_t v = 0;
  c.read(offset, &v, 1);
  return v;
}
void write8(ConfigSpace& c, uint64_t offset, uint8_t v) {
  c.write(offset, &v, 1);
}
uint32_t read32(const ConfigSpace& c, uint64_t offset) {
  uint32_t v = 0;
  c.read(offset, reinterpret_cast<uint8_t*>(&v), 4);
  return v;
}
void write32(ConfigSpace& c, uint64_t offset, uint32_t v) {
  c.write(offset, reinterpret_cast<uint8_t*>(&v), 4);
}
void write16(ConfigSpace& c, uint64_t offset, uint16_t v) {
  c.write(offset, reinterpret_cast<uint8_t*>(&v), 2);
}

/// What hardware would have set: every bit that software can only clear, and the log.
void set_by_hardware(ConfigSpace& c) {
  c.header.status.set_value(0xf910);
  c.express.device_status.set_value(0xf);
  c.aer.uncorrectable_status.set_value(0x00555010);
  c.aer.correctable_status.set_value(0x000031c1);
  c.aer.control.set_value(0x14);
  for (auto& word : c.aer.header_log) word.set_value(0xa5a55a5a);
}

}  // namespace

TEST_CASE("every byte of configuration space: reset value, and what software can change") {
  const Bytes expected;
  for (unsigned at = 0; at < ConfigSpace::kSize; ++at) {
    INFO("offset " << at << " (" << expected.name[at] << ")");
    ConfigSpace c(kSerial);
    REQUIRE(read8(c, at) == expected.reset[at]);
    const int fixed = expected.reset[at] & ~expected.rw[at];
    // The two lowest bits of PMCSR are no independent bits: states that do not exist are not taken.
    for (const unsigned pattern : {0xffu, 0x00u, 0x5bu, 0xa4u, 0x0fu, 0xf0u}) {
      write8(c, at, static_cast<uint8_t>(pattern));
      REQUIRE(unsigned{read8(c, at)} == (fixed | (pattern & expected.rw[at])));
    }
    // A write to one byte reaches no other.
    std::array<uint8_t, ConfigSpace::kSize> all;
    c.read(0, all.data(), all.size());
    all[at] = expected.reset[at];
    REQUIRE(all == expected.reset);
  }
}

TEST_CASE("every bit that is cleared by writing one: alone, and by nothing else") {
  const Bytes expected;
  unsigned bits = 0;
  for (unsigned at = 0; at < ConfigSpace::kSize; ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      if (!(expected.w1c[at] >> bit & 1)) continue;
      ++bits;
      ConfigSpace c(kSerial);
      set_by_hardware(c);
      const uint8_t before = read8(c, at);
      INFO("offset " << at << " (" << expected.name[at] << ") bit " << bit);
      REQUIRE((before >> bit & 1) == 1);
      write8(c, at, 0);
      REQUIRE(read8(c, at) == before);
      write8(c, at, static_cast<uint8_t>(1u << bit));
      REQUIRE(read8(c, at) == (before & ~(1u << bit)));
    }
  }
  CHECK(bits == 6 + 4 + 7 + 6);
}

TEST_CASE("what each reset spares") {
  const Bytes expected;
  for (const Reset kind : {Reset::power_on, Reset::conventional, Reset::function}) {
    ConfigSpace c(kSerial);
    set_by_hardware(c);
    const uint32_t command = 0xffff;
    c.write(0x04, reinterpret_cast<const uint8_t*>(&command), 2);
    for (unsigned at = 0x0c; at < ConfigSpace::kSize; ++at) {
      const bool would_clear = expected.w1c[at] != 0;
      if (!would_clear && at != 0x69) write8(c, at, 0xff);  // 0x69: FLR is not asked for
    }
    write8(c, 0x69, 0x7f);
    REQUIRE_FALSE(c.express.take_flr_request());
    std::array<uint8_t, ConfigSpace::kSize> before;
    c.read(0, before.data(), before.size());
    c.reset(kind);
    for (unsigned at = 0; at < ConfigSpace::kSize; ++at) {
      INFO("reset " << static_cast<int>(kind) << ", offset " << at << " (" << expected.name[at] << ")");
      int kept = kind == Reset::power_on ? 0 : expected.sticky[at];
      if (kind == Reset::function) kept |= expected.flr[at];
      REQUIRE(int{read8(c, at)} == ((before[at] & kept) | (expected.reset[at] & ~kept)));
    }
  }
}

TEST_CASE("accesses of any size and alignment are what their bytes are") {
  ConfigSpace c(kSerial);
  std::array<uint8_t, ConfigSpace::kSize> all;
  c.read(0, all.data(), all.size());
  for (const size_t size : {size_t{1}, size_t{2}, size_t{3}, size_t{4}, size_t{5}, size_t{8}, size_t{64}}) {
    for (size_t at = 0; at + size <= 0x180; ++at) {
      std::array<uint8_t, 64> some;
      c.read(at, some.data(), size);
      REQUIRE(std::memcmp(some.data(), all.data() + at, size) == 0);
    }
  }
  const uint8_t pattern[] = {0x11, 0xab, 0xcd, 0xef, 0x99, 0x88, 0x77, 0x66};
  c.write(0x0f, pattern, sizeof pattern);  // header type, BAR0, BAR0's upper half but for a byte
  CHECK(read32(c, 0x10) == 0x99ef0004);
  CHECK(read32(c, 0x14) == 0x00667788);
  CHECK(read8(c, 0x0f) == 0);
}

TEST_CASE("the lists of capabilities") {
  ConfigSpace c(kSerial);
  std::vector<std::pair<unsigned, unsigned>> found;  // offset, id
  for (unsigned at = read8(c, 0x34); at != 0; at = read8(c, at + 1)) found.emplace_back(at, read8(c, at));
  CHECK(found == decltype(found){{0x40, 0x01}, {0x48, 0x11}, {0x60, 0x10}});
  found.clear();
  for (unsigned at = 0x100; at != 0; at = read32(c, at) >> 20) found.emplace_back(at, read32(c, at) & 0xffff);
  CHECK(found == decltype(found){{0x100, 0x0001}, {0x150, 0x0003}});
}

TEST_CASE("BARs are sized as software does it") {
  ConfigSpace c(kSerial);
  for (unsigned bar = 0x10; bar < 0x28; bar += 4) write32(c, bar, 0xffffffff);
  CHECK(read32(c, 0x10) == 0xffff0004);
  CHECK(read32(c, 0x14) == 0xffffffff);
  CHECK(read32(c, 0x18) == 0xf000000c);
  CHECK(read32(c, 0x1c) == 0xffffffff);
  CHECK(read32(c, 0x20) == 0);
  CHECK(read32(c, 0x24) == 0);
  write32(c, 0x30, 0xffffffff);
  CHECK(read32(c, 0x30) == 0);  // no expansion ROM
  write32(c, 0x18, 0x80000000);
  write32(c, 0x1c, 0x12);
  CHECK(c.header.bar_address(2) == 0x1280000000);
}

TEST_CASE(
    "power states: D0 and D3hot, others are not taken; D3hot silences the function and keeps its state") {
  ConfigSpace c(kSerial);
  write32(c, 0x04, 0x6);
  CHECK(c.memory_enabled());
  CHECK(c.bus_master());
  write32(c, 0x44, 3);
  CHECK(c.power.in_d3hot());
  CHECK(read32(c, 0x44) == 0xb);
  CHECK_FALSE(c.memory_enabled());
  CHECK_FALSE(c.bus_master());
  for (const uint32_t absent : {1u, 2u}) {
    write32(c, 0x44, absent);
    CHECK(read32(c, 0x44) == 0xb);
  }
  write32(c, 0x44, 0);
  CHECK(c.memory_enabled());  // No_Soft_Reset
  CHECK((read32(c, 0x04) & 6) == 6);
  write32(c, 0x44, 1);
  CHECK(read32(c, 0x44) == 0x8);
  write32(c, 0x44, 3);
  c.reset(Reset::function);
  CHECK(read32(c, 0x44) == 0x8);
  CHECK_FALSE(c.power.in_d3hot());
}

TEST_CASE("FLR is asked for by its bit, once, and the bit reads as zero") {
  ConfigSpace c(kSerial);
  CHECK_FALSE(c.express.take_flr_request());
  write16(c, 0x68, 0xa910);
  CHECK(read32(c, 0x68) == 0x2910);
  CHECK(c.express.take_flr_request());
  CHECK_FALSE(c.express.take_flr_request());
}

// --- MSI-X ---

TEST_CASE("MSI-X: entries that software leaves alone are the client's, others obey their mask bit") {
  ConfigSpace c(kSerial);
  Msix& m = c.msix;
  CHECK_FALSE(m.open(3));  // not enabled
  write16(c, 0x4a, 0x8000);
  CHECK(m.open(3));
  write16(c, 0x4a, 0xc000);
  CHECK_FALSE(m.open(3));  // function mask
  write16(c, 0x4a, 0x8000);
  const uint32_t one = 1, zero = 0;
  m.table_write(3 * 16 + 12, reinterpret_cast<const uint8_t*>(&one), 4);
  CHECK_FALSE(m.open(3));
  CHECK(m.open(2));
  m.table_write(3 * 16 + 12, reinterpret_cast<const uint8_t*>(&zero), 4);
  CHECK(m.open(3));
  const uint32_t address = 0xfee00000;
  m.table_write(5 * 16, reinterpret_cast<const uint8_t*>(&address), 4);
  CHECK_FALSE(m.open(5));  // written, and its mask bit is still set as by the reset
  c.reset(Reset::function);
  write16(c, 0x4a, 0x8000);
  CHECK(m.open(5));
}

TEST_CASE("MSI-X: the bits of the table") {
  ConfigSpace c(kSerial);
  std::array<uint8_t, 256> table, ones;
  c.msix.table_read(0, table.data(), table.size());
  for (unsigned i = 0; i < 256; ++i) CHECK(table[i] == (i % 16 == 12 ? 1 : 0));  // masked
  ones.fill(0xff);
  c.msix.table_write(0, ones.data(), ones.size());
  c.msix.table_read(0, table.data(), table.size());
  for (unsigned i = 0; i < 256; ++i) {
    const unsigned at = i % 16;
    CHECK(unsigned{table[i]} == (at == 0 ? 0xfcu : at < 12 ? 0xffu : at == 12 ? 1u : 0u));
  }
}

// --- errors ---

namespace {

constexpr ErrorReporting::Tlp kTlp = {0x11111111, 0x22222222, 0x33333333, 0x44444444};
constexpr uint32_t kUr = 1u << 20, kPoison = 1u << 12, kDlp = 1u << 4;

struct Errors {
  ConfigSpace c{kSerial};
  uint16_t device_status() const { return static_cast<uint16_t>(read32(c, 0x68) >> 16); }
  uint32_t uncorrectable() const { return read32(c, 0x104); }
  uint32_t correctable() const { return read32(c, 0x110); }
  bool logged() const { return read32(c, 0x11c) == kTlp[0] && read32(c, 0x128) == kTlp[3]; }
};

}  // namespace

TEST_CASE_METHOD(Errors, "an uncorrectable error: status, log, message by severity and by what is enabled") {
  SECTION("nothing is enabled") {
    CHECK(c.errors.uncorrectable(kUr, kTlp) == ErrorMessage::none);
    CHECK(device_status() == 0xa);  // non-fatal, unsupported request
    CHECK(uncorrectable() == kUr);
    CHECK(read32(c, 0x118) == 20);
    CHECK(logged());
  }
  SECTION("non-fatal reporting; an unsupported request needs its own enable as well") {
    write16(c, 0x68, 0x2);
    CHECK(c.errors.uncorrectable(kUr, kTlp) == ErrorMessage::none);
    write16(c, 0x68, 0xa);
    CHECK(c.errors.uncorrectable(kUr, kTlp) == ErrorMessage::non_fatal);
    CHECK((read32(c, 0x04) >> 16 & 0x4000) == 0);
  }
  SECTION("SERR# does the same, and is told in STATUS") {
    write16(c, 0x04, 0x100);
    CHECK(c.errors.uncorrectable(kUr, kTlp) == ErrorMessage::non_fatal);
    CHECK((read32(c, 0x04) >> 16 & 0x4000) == 0x4000);
  }
  SECTION("fatal by default, and by choice") {
    write16(c, 0x68, 0x4);
    CHECK(c.errors.uncorrectable(kDlp, kTlp) == ErrorMessage::fatal);
    CHECK(device_status() == 0x4);
    write32(c, 0x10c, kUr);
    write16(c, 0x68, 0xc);
    CHECK(c.errors.uncorrectable(kUr, kTlp) == ErrorMessage::fatal);
    CHECK(c.errors.uncorrectable(kDlp, kTlp) == ErrorMessage::none);  // non-fatal now, whose report is off
  }
  SECTION("masked: only the status bits") {
    write32(c, 0x108, kUr);
    write16(c, 0x68, 0xf);
    CHECK(c.errors.uncorrectable(kUr, kTlp) == ErrorMessage::none);
    CHECK(uncorrectable() == kUr);
    CHECK(device_status() == 0xa);
    CHECK_FALSE(logged());
  }
}

TEST_CASE_METHOD(Errors, "the log keeps the first error until software clears it") {
  c.errors.uncorrectable(kPoison, kTlp);
  CHECK((read32(c, 0x04) >> 16 & 0x8000) == 0x8000);  // detected parity error
  c.errors.uncorrectable(kUr, {1, 2, 3, 4});
  CHECK(uncorrectable() == (kUr | kPoison));
  CHECK(read32(c, 0x118) == 12);
  CHECK(logged());
  write32(c, 0x104, kUr);  // another one: the log stays
  c.errors.uncorrectable(kUr, {1, 2, 3, 4});
  CHECK(logged());
  c.reset(Reset::function);
  CHECK(uncorrectable() == (kUr | kPoison));
  CHECK(logged());
  c.errors.uncorrectable(kUr, {1, 2, 3, 4});
  CHECK(logged());
  write32(c, 0x104, kPoison);
  c.errors.uncorrectable(kUr, {1, 2, 3, 4});
  CHECK(read32(c, 0x118) == 20);
  CHECK(read32(c, 0x11c) == 1);
}

TEST_CASE_METHOD(Errors,
                 "advisory errors: correctable by default masked, then with log; fatal ones are not") {
  write16(c, 0x68, 0xf);
  CHECK(c.errors.uncorrectable(kUr, kTlp, true) == ErrorMessage::none);
  CHECK(device_status() == 0x9);  // correctable, unsupported request
  CHECK(correctable() == 0x2000);
  CHECK(uncorrectable() == 0);
  CHECK_FALSE(logged());
  write32(c, 0x114, 0);
  CHECK(c.errors.uncorrectable(kUr, kTlp, true) == ErrorMessage::correctable);
  CHECK(uncorrectable() == kUr);
  CHECK(logged());
  write32(c, 0x108, kPoison);
  CHECK(c.errors.uncorrectable(kPoison, kTlp, true) == ErrorMessage::none);
  write32(c, 0x10c, kUr);
  CHECK(c.errors.uncorrectable(kUr, kTlp, true) == ErrorMessage::fatal);
}
