#include "test_machine.h"

#include "test/catch.h"
#include "test/stack_bounds.h"

namespace rdu::mgmt::test {

namespace {

std::vector<Machine*>& machines() {
  static std::vector<Machine*> all;
  return all;
}

std::vector<std::function<void()>>& builders() {
  static std::vector<std::function<void()>> all;
  return all;
}

MgmtParams other_params() {
  MgmtParams p;
  p.harts = 2;
  p.ram_size = 4u << 20;
  p.hart.quantum = core::kMicrosecond;
  p.hart.misaligned = true;
  return p;
}

}  // namespace

Machine::Machine(const char* name, const MgmtParams& params)
    : management(name, params, SocketInfo{3, 4, 8, 9}, [this](char c) {
        sent += c;
        sent_at.push_back(core::now());
        float_control = fp::HostEnvironment::save();
      }) {
  management.load_rom(program_path("rom.elf"));
  management.load_flash("traps.elf", read_file(program_path("traps.elf"), regs::map::FLASH.size));
  management.load_symbols(program_path("traps.elf"));
  machines().push_back(this);
  // Until a test loads its program both harts sleep: wfi; j .-4
  const uint32_t idle[] = {0x10500073, 0xffdff06f};
  std::memcpy(management.ram().data(), idle, sizeof idle);
}

Machine& Machine::plain() {
  elaborate();
  return *machines()[0];
}

Machine& Machine::other() {
  elaborate();
  return *machines()[1];
}

void elaborate() {
  static const bool done = [] {
    static Machine plain("mgmt0", MgmtParams{});
    static Machine other("mgmt1", other_params());
    for (const auto& build : builders()) build();
    core::set_guest_fault_sink([](const core::GuestFault& fault) {
      faults_everywhere().push_back(fault);
      for (Machine* m : machines()) {
        if (fault.unit.rfind(m->management.name(), 0) == 0) m->faults.push_back(fault);
      }
    });
    return true;
  }();
  static_cast<void>(done);
}

std::vector<core::GuestFault>& faults_everywhere() {
  static std::vector<core::GuestFault> all;
  return all;
}

void before_first_use(std::function<void()> build) {
  builders().push_back(std::move(build));
}

void pass(core::Time time) {
  sc_core::sc_start(core::to_sc(time));
  rdu::test::restore_stack_bounds();
}

void Machine::load(const std::string& program) {
  const ElfImage elf(program_path(program));
  symbols_ = elf.symbols();
  std::memset(management.ram().data(), 0, management.ram().size());
  for (const ElfImage::Segment& segment : elf.segments()) {
    std::vector<uint8_t> bytes = segment.bytes;
    REQUIRE(management.ram().debug(segment.physical - kRam, bytes.data(), bytes.size(), true));
  }
  management.reset(ResetReason::host);
  reset_at = core::now();
  sent.clear();
  sent_at.clear();
  faults.clear();
}

bool Machine::run(core::Time most) {
  constexpr uint64_t kScratch0 = 0x40;
  for (core::Time t = 0; t < most; t += 50 * core::kMicrosecond) {
    pass(50 * core::kMicrosecond);
    if (read(management.sysctl().registers(), kScratch0, 4) != 0) return true;
  }
  return false;
}

void Machine::execute(const std::string& program) {
  load(program);
  REQUIRE(run());
}

uint64_t Machine::symbol(const std::string& name) {
  uint64_t address = 0;
  INFO("symbol " << name);
  REQUIRE(symbols_.find(name, &address));
  return address;
}

uint64_t Machine::read(core::RegisterFile& registers, uint64_t offset, unsigned length) {
  uint64_t value = 0;
  REQUIRE(registers.access(false, offset, length, reinterpret_cast<uint8_t*>(&value)));
  return value;
}

void Machine::write(core::RegisterFile& registers, uint64_t offset, unsigned length, uint64_t value) {
  REQUIRE(registers.access(true, offset, length, reinterpret_cast<uint8_t*>(&value)));
}

}  // namespace rdu::mgmt::test
