#include <fstream>

#include "mgmt/bus.h"
#include "mgmt/clint.h"
#include "mgmt/finisher.h"
#include "mgmt/isa.h"
#include "mgmt/plic.h"
#include "mgmt/uart.h"
#include "test/catch.h"
#include "test_machine.h"

using namespace rdu;
using namespace rdu::mgmt;
using Catch::Matchers::Contains;

namespace {

struct Wires : core::InterruptSink, TimerListener {
  bool level[32] = {};
  core::Time deadline = 0;
  void set_interrupt(unsigned number, bool value) override { level[number] = value; }
  void set_timer_deadline(core::Time at) override { deadline = at; }
};

uint64_t get(core::RegisterFile& regs, uint64_t offset, unsigned length = 4) {
  uint64_t value = 0;
  REQUIRE(regs.access(false, offset, length, reinterpret_cast<uint8_t*>(&value)));
  return value;
}

void put(core::RegisterFile& regs, uint64_t offset, uint64_t value, unsigned length = 4) {
  REQUIRE(regs.access(true, offset, length, reinterpret_cast<uint8_t*>(&value)));
}

/// The blocks alone, beside the machines; a module because they have sockets.
struct Bench : sc_core::sc_module {
  Wires wires;
  std::string sent;
  Clint clint{"bench.clint", 2};
  Plic plic{"bench.plic", 1};
  Uart uart{"bench.uart", [this](char c) { sent += c; }};
  Finisher finisher{"bench.finisher"};
  Ram ram{"bench.ram", 2 * kPage, 40 * core::kNanosecond};
  Bus bus{"bus"};
  tlm_utils::simple_initiator_socket<Bench> initiator{"initiator"};

  explicit Bench(const sc_core::sc_module_name& name) : sc_module(name) {
    clint.connect(0, wires, 3, wires);
    plic.connect(0, wires, 11);
    plic.connect(1, wires, 9);
    uart.connect(wires, 10);
    bus.connect(initiator);
    bus.attach("clint", 0x1000, 0x10000, clint.socket());
    bus.attach("plic", 0x1000000, 0x600000, plic.socket());
    bus.attach("uart", 0x20000, 0x100, uart.socket());
    bus.attach("finisher", 0x21000, 0x1000, finisher.socket());
    bus.attach("ram", 0x30000, 2 * kPage, ram.memory().socket);
  }

  tlm::tlm_response_status access(bool write, uint64_t address, unsigned length, uint64_t* value) {
    tlm::tlm_generic_payload p;
    p.set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    p.set_address(address);
    p.set_data_ptr(reinterpret_cast<uint8_t*>(value));
    p.set_data_length(length);
    p.set_streaming_width(length);
    sc_core::sc_time delay;
    initiator->b_transport(p, delay);
    return p.get_response_status();
  }

  static Bench& get() {
    test::elaborate();
    return instance();
  }
  static Bench& instance() {
    static Bench bench("bench");
    return bench;
  }
};

[[maybe_unused]] const bool registered = [] {
  test::before_first_use([] { Bench::instance(); });
  return true;
}();

}  // namespace

TEST_CASE("CLINT: MTIME follows simulated time, deadlines are exact", "[mgmt]") {
  Bench& b = Bench::get();
  auto& regs = b.clint.registers();
  b.clint.reset();
  const core::Time start = core::now();
  CHECK(get(regs, 0xbff8, 8) == 0);
  test::pass(25 * core::kMicrosecond);
  CHECK(get(regs, 0xbff8, 8) == 250);
  CHECK(get(regs, 0xbff8, 4) == 250);
  CHECK(b.wires.deadline == core::kNever);
  put(regs, 0x4000, 1000, 8);
  CHECK(b.wires.deadline == start / Clint::kTick * Clint::kTick + 1000 * Clint::kTick);
  put(regs, 0x4000, 250, 8);
  CHECK(b.wires.deadline <= core::now());
  put(regs, 0x4000, ~uint64_t{0} - 5, 8);
  CHECK(b.wires.deadline == core::kNever);
  // Written by halves, the other half stays.
  put(regs, 0xbffc, 1, 4);
  CHECK(get(regs, 0xbff8, 8) == (uint64_t{1} << 32) + 250);
  test::pass(core::kMicrosecond);
  put(regs, 0xbffc, 2, 4);
  CHECK(get(regs, 0xbff8, 8) == (uint64_t{2} << 32) + 260);
  put(regs, 0x0, 0xffffffff);
  CHECK(get(regs, 0x0) == 1);
  CHECK(b.wires.level[3]);
  put(regs, 0x0, 0);
  CHECK_FALSE(b.wires.level[3]);
  // Harts that do not exist.
  put(regs, 0x8, 1);
  CHECK(get(regs, 0x8) == 0);
  put(regs, 0x4010, 7, 8);
  CHECK(get(regs, 0x4010, 8) == ~uint64_t{0});
}

TEST_CASE("PLIC: priorities, threshold, enables, claim and completion", "[mgmt]") {
  Bench& b = Bench::get();
  auto& regs = b.plic.registers();
  b.plic.reset();
  const uint64_t claim = 0x200004, threshold = 0x200000, enable = 0x2000;
  b.plic.set_interrupt(3, true);
  b.plic.set_interrupt(5, true);
  b.plic.set_interrupt(6, true);
  CHECK(get(regs, 0x1000) == (1u << 3 | 1u << 5 | 1u << 6));
  CHECK_FALSE(b.wires.level[11]);
  put(regs, 4 * 3, 2);
  put(regs, 4 * 5, 7);
  put(regs, 4 * 6, 7);
  CHECK_FALSE(b.wires.level[11]);  // not enabled
  put(regs, enable, 0xffffffff);
  CHECK(get(regs, enable) == 0xfffffffe);
  CHECK(b.wires.level[11]);
  CHECK_FALSE(b.wires.level[9]);  // the other context is not
  put(regs, threshold, 7);
  CHECK_FALSE(b.wires.level[11]);
  put(regs, threshold, 6);
  CHECK(b.wires.level[11]);
  // The highest priority first, then the smallest number; each once.
  CHECK(get(regs, claim) == 5);
  CHECK(get(regs, claim) == 6);
  CHECK_FALSE(b.wires.level[11]);  // 3 is below the threshold
  CHECK(get(regs, claim) == 3);    // which does not hold back claims
  CHECK(get(regs, claim) == 0);
  CHECK(get(regs, 0x1000) == 0);
  // A line that is still high comes again after the completion, one that has dropped does not.
  b.plic.set_interrupt(6, false);
  put(regs, claim, 5);
  put(regs, claim, 6);
  CHECK(get(regs, 0x1000) == 1u << 5);
  CHECK(b.wires.level[11]);
  // A pending interrupt stays when its line drops.
  b.plic.set_interrupt(5, false);
  CHECK(b.wires.level[11]);
  CHECK(get(regs, claim) == 5);
  // Completions of what is not enabled are ignored.
  b.plic.set_interrupt(5, true);
  put(regs, enable, 1u << 6);
  put(regs, claim, 5);
  CHECK(get(regs, 0x1000) == 0);
  put(regs, enable, 1u << 5);
  put(regs, claim, 5);
  CHECK(get(regs, 0x1000) == 1u << 5);
  // Priority 0 never interrupts and cannot be claimed; source 0 does not exist.
  put(regs, 4 * 5, 0);
  CHECK_FALSE(b.wires.level[11]);
  CHECK(get(regs, claim) == 0);
  put(regs, 0, 7);
  CHECK(get(regs, 0) == 0);
  CHECK_THROWS_AS(b.plic.set_interrupt(0, true), core::Error);
  CHECK_THROWS_AS(b.plic.set_interrupt(32, true), core::Error);
  // The supervisor's context has its own.
  put(regs, 4 * 5, 1);
  put(regs, enable + 0x80, 1u << 5);
  CHECK(b.wires.level[9]);
  CHECK(get(regs, claim + 0x1000) == 5);
  // Contexts of harts that do not exist.
  put(regs, enable + 2 * 0x80, 1u << 5);
  CHECK(get(regs, enable + 2 * 0x80) == 0);
  put(regs, threshold + 2 * 0x1000, 3);
  CHECK(get(regs, threshold + 2 * 0x1000) == 0);
  put(regs, claim + 2 * 0x1000, 5);
  CHECK(get(regs, claim + 2 * 0x1000) == 0);
  for (unsigned n : {3u, 5u, 6u}) b.plic.set_interrupt(n, false);
  b.plic.reset();
  CHECK_FALSE(b.wires.level[9]);
}

TEST_CASE("UART: what it can receive without loss, and who waits for it in vain", "[mgmt]") {
  Bench& b = Bench::get();
  auto& regs = b.uart.registers();
  enum { kData, kIer, kFcr, kLcr, kMcr, kLsr };
  b.uart.reset();
  CHECK(b.uart.room() == 0);  // nobody has set it up
  put(regs, kFcr, 7, 1);
  CHECK(b.uart.room() == 0);
  put(regs, kIer, 1, 1);
  CHECK(b.uart.room() == 16);
  b.uart.reset();
  get(regs, kLsr, 1);
  CHECK(b.uart.room() == 1);  // no FIFO
  put(regs, kFcr, 1, 1);
  for (unsigned i = 0; i < 16; ++i) {
    CHECK(b.uart.room() == 16 - i);
    b.uart.push('x');
  }
  CHECK(b.uart.room() == 0);
  CHECK(get(regs, kLsr, 1) == 0x61);
  get(regs, kData, 1);
  CHECK(b.uart.room() == 1);
  put(regs, kMcr, 0x10, 1);
  CHECK(b.uart.room() == 0);  // loop-back
  put(regs, kMcr, 0, 1);

  put(regs, kFcr, 3, 1);
  const uint64_t before = b.uart.vain_looks();
  for (unsigned i = 0; i < 5; ++i) get(regs, kLsr, 1);
  CHECK(b.uart.vain_looks() == before + 5);
  put(regs, kData, 'o', 1);
  CHECK(b.uart.vain_looks() == 0);
  get(regs, kLsr, 1);
  CHECK(b.uart.vain_looks() == 1);
  b.uart.push('x');
  get(regs, kLsr, 1);
  CHECK(b.uart.vain_looks() == 0);
  b.uart.reset();
}

TEST_CASE("finisher: passes, fails and resets", "[mgmt]") {
  Bench& b = Bench::get();
  std::vector<unsigned> ends;
  unsigned resets = 0;
  b.finisher.on_power_off([&ends](unsigned status) { ends.push_back(status); });
  b.finisher.on_reset([&resets] { ++resets; });
  auto& regs = b.finisher.registers();
  put(regs, 0, 0x5555);
  put(regs, 0, 0x3333);
  put(regs, 0, 0x00073333);
  put(regs, 0, 0x12340000);  // no command: reported, nothing happens
  put(regs, 0, 0x7777);
  CHECK(ends == std::vector<unsigned>{0, 0, 7});
  CHECK(resets == 1);
  b.finisher.on_power_off({});
  b.finisher.on_reset({});
}

TEST_CASE("what a hart has is what its decoder knows", "[mgmt]") {
  const Isa isa = mgmt::isa();
  CHECK(isa.string().rfind("rv64imafdc_zicntr_zicsr_zifencei_zba_zbb_zbs", 0) == 0);
  CHECK(isa.mmu == "riscv,sv48");
}

TEST_CASE("UART: receiver, FIFO, interrupts, divisor and loop-back", "[mgmt]") {
  Bench& b = Bench::get();
  auto& regs = b.uart.registers();
  b.uart.reset();
  b.sent.clear();
  enum { kData, kIer, kIir, kLcr, kMcr, kLsr, kMsr, kScr };
  const auto in = [&](unsigned offset) { return get(regs, offset, 1); };
  const auto out = [&](unsigned offset, uint64_t value) { put(regs, offset, value, 1); };

  CHECK(in(kLsr) == 0x60);
  CHECK(in(kIir) == 0x01);
  CHECK(in(kMsr) == 0xb0);
  out(kData, 'H');
  out(kData, 'i');
  CHECK(b.sent == "Hi");
  CHECK(in(kLsr) == 0x60);

  // One byte of room without FIFO; what comes too much is lost and says so, once.
  b.uart.push('a');
  b.uart.push('b');
  CHECK(in(kLsr) == 0x63);
  CHECK(in(kLsr) == 0x61);
  CHECK(in(kData) == 'a');
  CHECK(in(kLsr) == 0x60);
  CHECK(in(kData) == 0);

  // Receive interrupt; line status is more urgent.
  out(kIer, 0x01);
  CHECK_FALSE(b.wires.level[10]);
  b.uart.push('c');
  CHECK(b.wires.level[10]);
  CHECK(in(kIir) == 0x04);
  out(kIer, 0x05);
  b.uart.push('d');
  CHECK(in(kIir) == 0x06);
  in(kLsr);
  CHECK(in(kIir) == 0x04);
  in(kData);
  CHECK_FALSE(b.wires.level[10]);

  // FIFO of 16 with a trigger at 8: fewer bytes raise the time-out.
  out(kIir, 0x81);
  for (char c = '0'; c < '0' + 7; ++c) b.uart.push(c);
  CHECK(in(kIir) == 0xcc);
  b.uart.push('7');
  CHECK(in(kIir) == 0xc4);
  for (char c = '0'; c < '0' + 8; ++c) CHECK(in(kData) == static_cast<unsigned char>(c));
  CHECK(in(kIir) == 0xc1);
  for (unsigned i = 0; i < 17; ++i) b.uart.push('x');
  CHECK(in(kLsr) == 0x63);
  out(kIir, 0x03);  // clears the FIFO
  CHECK(in(kLsr) == 0x60);

  // Transmitter empty: raised by enabling it and by each byte, acknowledged by reading IIR.
  out(kIer, 0x02);
  CHECK(b.wires.level[10]);
  CHECK(in(kIir) == 0xc2);
  CHECK_FALSE(b.wires.level[10]);
  CHECK(in(kIir) == 0xc1);
  out(kData, '!');
  CHECK(in(kIir) == 0xc2);
  out(kIer, 0);

  // The divisor is kept and sends nothing.
  b.sent.clear();
  out(kLcr, 0x83);
  out(kData, 0x34);
  out(kIer, 0x12);
  CHECK(in(kData) == 0x34);
  CHECK(in(kIer) == 0x12);
  out(kLcr, 0x03);
  CHECK(in(kIer) == 0);
  CHECK(b.sent.empty());

  // Loop-back, as drivers probe it.
  out(kMcr, 0x1a);
  CHECK(in(kMsr) == 0x90);
  out(kData, 'L');
  b.uart.push('n');  // the line is cut off
  CHECK(b.sent.empty());
  CHECK(in(kData) == 'L');
  CHECK(in(kLsr) == 0x60);
  out(kScr, 0x5a);
  CHECK(in(kScr) == 0x5a);
  b.uart.reset();
  CHECK(in(kMcr) == 0);
}

TEST_CASE("SYSCTL tells about the chip", "[mgmt]") {
  auto& m = test::Machine::plain();
  auto& regs = m.management.sysctl().registers();
  CHECK(get(regs, 0x00) == 0x000140a1);
  CHECK(get(regs, 0x04) == 3);
  CHECK(get(regs, 0x08) == 8u << 20);
  CHECK(get(regs, 0x0c) == MgmtParams{}.flash.size);
  CHECK(get(regs, 0x10) == 1'000'000'000);
  CHECK(get(regs, 0x14) == 4);
  CHECK(get(regs, 0x18) == (9u << 8 | 8));
  put(regs, 0x20, 0x00070003);
  CHECK(m.management.sysctl().boot_stage() == 3);
  CHECK(m.management.sysctl().boot_error() == 7);
}

TEST_CASE("the bus decodes, refuses and names", "[mgmt]") {
  Bench& b = Bench::get();
  uint64_t value = 0x1122334455667788;
  CHECK(b.access(true, 0x30008, 8, &value) == tlm::TLM_OK_RESPONSE);
  value = 0;
  CHECK(b.access(false, 0x30008, 4, &value) == tlm::TLM_OK_RESPONSE);
  CHECK(value == 0x55667788);
  CHECK(b.access(false, 0x32000, 4, &value) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(b.access(false, 0x31ffe, 4, &value) == tlm::TLM_ADDRESS_ERROR_RESPONSE);  // over the end
  CHECK(b.access(false, 0xfff, 1, &value) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(b.bus.name_at(0x1000) == "clint");
  CHECK(b.bus.name_at(0x11000) == "nothing");
  CHECK_THROWS_WITH(b.bus.attach("new", 0x2fff0, 0x20, b.ram.memory().socket), Contains("overlaps ram"));
  CHECK_THROWS_WITH(b.bus.attach("new", 0x10ff0, 0x20, b.ram.memory().socket), Contains("overlaps clint"));
  CHECK_THROWS_WITH(b.bus.attach("new", 0x30010, 0x20, b.ram.memory().socket), Contains("overlaps ram"));
  CHECK_THROWS_WITH(b.bus.attach("new", 0, ~uint64_t{0}, b.ram.memory().socket), Contains("overlaps"));
  CHECK_THROWS_WITH(b.bus.attach("new", 16, ~uint64_t{0}, b.ram.memory().socket), Contains("no range"));
}

TEST_CASE("management RAM answers the top-level network", "[mgmt]") {
  Bench& b = Bench::get();
  uint8_t data[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  core::Transfer t;
  t.data = data;
  t.length = sizeof data;
  t.write = true;
  b.ram.access(t, 100, 1000);
  CHECK(t.status == core::TransferStatus::ok);
  CHECK(t.done == 41000);
  CHECK(b.ram.data()[115] == 16);
  uint8_t back[16] = {};
  t.data = back;
  t.write = false;
  b.ram.access(t, 100, 5000);
  CHECK(std::memcmp(data, back, sizeof data) == 0);
  b.ram.access(t, 2 * kPage - 15, 0);
  CHECK(t.status == core::TransferStatus::decode_error);
  CHECK_FALSE(b.ram.debug(~uint64_t{0}, back, 2, false));
}

TEST_CASE("images that are no programs for this core are refused by name", "[mgmt]") {
  const std::vector<uint8_t> good = read_file(test::program_path("traps.elf"), 1 << 20);
  const auto message = [](const std::vector<uint8_t>& bytes) {
    try {
      ElfImage image("x.elf", bytes);
    } catch (const core::Error& e) {
      CHECK(e.kind() == core::ErrorKind::bad_input);
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  const auto with = [&](size_t offset, std::initializer_list<uint8_t> bytes) {
    std::vector<uint8_t> bad = good;
    std::copy(bytes.begin(), bytes.end(), bad.begin() + static_cast<std::ptrdiff_t>(offset));
    return message(bad);
  };
  CHECK(message(good) == "accepted");
  CHECK(message({}) == "bad input: x.elf: not an ELF file");
  CHECK(message({'h', 'e', 'l', 'l', 'o'}) == "bad input: x.elf: not an ELF file");
  CHECK(with(18, {62, 0}) == "bad input: x.elf: is for machine x86-64, the core needs RISC-V (64 bit)");
  CHECK(with(18, {183, 0}) == "bad input: x.elf: is for machine AArch64, the core needs RISC-V (64 bit)");
  CHECK(with(4, {1}) == "bad input: x.elf: is for RISC-V with 32 bit, the core needs RISC-V (64 bit)");
  CHECK_THAT(with(16, {1, 0}), Contains("no linked executable"));
  CHECK(with(16, {3, 0}) == "accepted");  // relocates itself
  CHECK(with(48, {4}) == "accepted");     // hardware floating-point ABI
  CHECK_THAT(with(54, {7}), Contains("damaged"));
  CHECK_THAT(with(39, {0x70}), Contains("truncated: program headers"));
  CHECK_THAT(message({good.begin(), good.begin() + 40}), Contains("truncated: the ELF header"));
  CHECK_THAT(message({good.begin(), good.begin() + 4200}), Contains("truncated: segment"));
  CHECK_THROWS_WITH(ElfImage("/nonexistent/fw.elf"),
                    Contains("/nonexistent/fw.elf: cannot be read: No such file"));
  CHECK_THROWS_WITH(read_file(test::program_path("traps.elf"), 10), Contains("more than the 10 that fit"));

  // Damage anywhere must never do harm: each byte of the headers, and of the symbols, flipped.
  for (size_t i = 0; i < good.size(); i += i < 128 ? 1 : 37) {
    std::vector<uint8_t> bad = good;
    bad[i] ^= 0xff;
    message(bad);
  }

  const ElfImage elf("x.elf", good);
  uint64_t at = 0;
  REQUIRE(elf.symbols().find("handler", &at));
  CHECK(elf.symbols().describe(at) == "handler");
  CHECK(elf.symbols().describe(at + 6) == "handler+0x6");
  CHECK(elf.symbols().describe(0x10) == "");
  CHECK(elf.entry() == test::kRam);
}

TEST_CASE("ROM images must fit the ROM", "[mgmt]") {
  auto& m = test::Machine::plain();
  CHECK_THROWS_WITH(m.management.load_rom(test::program_path("traps.elf")), Contains("outside the boot ROM"));
  const std::string big = test::program_path("big.bin");
  std::ofstream(big, std::ios::binary) << std::string(regs::map::ROM.size + 1, 'x');
  CHECK_THROWS_WITH(m.management.load_rom(big), Contains("the boot ROM holds"));
}
