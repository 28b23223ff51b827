#include "mgmt/csr.h"

namespace rdu::mgmt {

namespace {

// Numbers, as in the privileged specification.
enum : unsigned {
  kMstatus = 0x300,
  kMisa = 0x301,
  kMie = 0x304,
  kMtvec = 0x305,
  kMcountinhibit = 0x320,
  kMhpmevent3 = 0x323,
  kMhpmevent31 = 0x33f,
  kMscratch = 0x340,
  kMepc = 0x341,
  kMcause = 0x342,
  kMtval = 0x343,
  kMip = 0x344,
  kTselect = 0x7a0,
  kTdata1 = 0x7a1,
  kTdata3 = 0x7a3,
  kMcycle = 0xb00,
  kMinstret = 0xb02,
  kMhpmcounter3 = 0xb03,
  kMhpmcounter31 = 0xb1f,
  kCycle = 0xc00,
  kTime = 0xc01,
  kInstret = 0xc02,
  kHpmcounter3 = 0xc03,
  kHpmcounter31 = 0xc1f,
  kMvendorid = 0xf11,
  kMarchid = 0xf12,
  kMimpid = 0xf13,
  kMhartid = 0xf14,
  kMconfigptr = 0xf15,
};

constexpr uint64_t extension(char letter) {
  return uint64_t{1} << (letter - 'A');
}
constexpr uint64_t kMisaValue =
    uint64_t{2} << 62 | extension('I') | extension('M') | extension('A') | extension('C');

constexpr unsigned kMieBit = 3, kMpieBit = 7;
constexpr uint64_t kMppMachine = uint64_t{3} << 11;
constexpr uint64_t kInterruptFlag = uint64_t{1} << 63;
constexpr uint64_t kVectored = 1;

constexpr uint64_t bit(unsigned n) {
  return uint64_t{1} << n;
}
constexpr uint64_t kMachineInterrupts =
    bit(CsrFile::kSoftware) | bit(CsrFile::kTimer) | bit(CsrFile::kExternal);

bool within(unsigned n, unsigned first, unsigned last) {
  return n >= first && n <= last;
}

/// Registers that the specification demands but that hold nothing here: no event counters (but their number
/// may be probed), no triggers. They read as zero and ignore writes.
bool reads_zero(unsigned n) {
  return within(n, kMhpmevent3, kMhpmevent31) || within(n, kMhpmcounter3, kMhpmcounter31) ||
         within(n, kHpmcounter3, kHpmcounter31) || within(n, kTselect, kTdata3) || n == kMcountinhibit ||
         within(n, kMvendorid, kMimpid) || n == kMconfigptr;
}

}  // namespace

const char* to_string(Cause cause) {
  switch (cause) {
    case Cause::fetch_access:
      return "instruction access fault";
    case Cause::illegal:
      return "illegal instruction";
    case Cause::breakpoint:
      return "breakpoint";
    case Cause::load_misaligned:
      return "misaligned load";
    case Cause::load_access:
      return "load access fault";
    case Cause::store_misaligned:
      return "misaligned store";
    case Cause::store_access:
      return "store access fault";
    case Cause::ecall_machine:
      break;
  }
  return "environment call";
}

CsrFile::CsrFile(unsigned hart_id, const HartState& state, const LocalTime& time, const TimeBase& time_base)
    : hart_id_(hart_id), state_(state), time_(time), time_base_(time_base) {}

uint64_t CsrFile::mip() const {
  return lines_ | (time_.now() >= deadline_ ? bit(kTimer) : 0);
}

uint64_t CsrFile::mstatus() const {
  return kMppMachine | (mie_global_ ? bit(kMieBit) : 0) | (mpie_ ? bit(kMpieBit) : 0);
}

bool CsrFile::read(unsigned number, uint64_t* value) const {
  switch (number) {
    case kMstatus:
      *value = mstatus();
      return true;
    case kMisa:
      *value = kMisaValue;
      return true;
    case kMie:
      *value = mie_;
      return true;
    case kMtvec:
      *value = mtvec_;
      return true;
    case kMscratch:
      *value = mscratch_;
      return true;
    case kMepc:
      *value = mepc_;
      return true;
    case kMcause:
      *value = mcause_;
      return true;
    case kMtval:
      *value = mtval_;
      return true;
    case kMip:
      *value = mip();
      return true;
    case kMcycle:
    case kCycle:
      *value = cycle();
      return true;
    case kTime:
      *value = time_base_.ticks(time_.now());
      return true;
    case kMinstret:
    case kInstret:
      *value = instret();
      return true;
    case kMhartid:
      *value = hart_id_;
      return true;
    default:
      *value = 0;
      return reads_zero(number);
  }
}

bool CsrFile::write(unsigned number, uint64_t value) {
  const bool read_only = (number >> 10) == 3;
  if (read_only) return false;
  switch (number) {
    case kMstatus:
      mie_global_ = (value & bit(kMieBit)) != 0;
      mpie_ = (value & bit(kMpieBit)) != 0;
      return true;
    case kMisa:  // extensions cannot be switched off
    case kMip:   // all its bits are wires
      return true;
    case kMie:
      mie_ = value & kMachineInterrupts;
      return true;
    case kMtvec:
      mtvec_ = value & ~uint64_t{2};
      return true;
    case kMscratch:
      mscratch_ = value;
      return true;
    case kMepc:
      mepc_ = value & ~uint64_t{1};
      return true;
    case kMcause:
      mcause_ = value;
      return true;
    case kMtval:
      mtval_ = value;
      return true;
    case kMcycle:
      cycle_offset_ += value - cycle();
      return true;
    case kMinstret:
      // The writing instruction itself does not count any more.
      instret_offset_ += value - instret() - 1;
      return true;
    default:
      return reads_zero(number);
  }
}

void CsrFile::push(uint64_t cause, uint64_t value, uint64_t pc) {
  mepc_ = pc;
  mcause_ = cause;
  mtval_ = value;
  mpie_ = mie_global_;
  mie_global_ = false;
}

uint64_t CsrFile::enter(const Trap& trap, uint64_t pc) {
  push(static_cast<uint64_t>(trap.cause), trap.value, pc);
  return mtvec_ & ~uint64_t{3};
}

uint64_t CsrFile::enter_interrupt(unsigned number, uint64_t pc) {
  push(kInterruptFlag | number, 0, pc);
  const uint64_t base = mtvec_ & ~uint64_t{3};
  return (mtvec_ & kVectored) ? base + 4 * number : base;
}

uint64_t CsrFile::leave() {
  ++returns_;
  mie_global_ = mpie_;
  mpie_ = true;
  return mepc_;
}

bool CsrFile::pending_interrupt(unsigned* number) const {
  const uint64_t active = mie_global_ ? mip() & mie_ : 0;
  if (active == 0) return false;
  for (const unsigned n : {kExternal, kSoftware, kTimer}) {
    if (active & bit(n)) {
      *number = n;
      return true;
    }
  }
  return false;
}

core::Time CsrFile::timer_deadline() const {
  return (mie_ & bit(kTimer)) && deadline_ > time_.now() ? deadline_ : core::kNever;
}

void CsrFile::set_line(unsigned number, bool level) {
  lines_ = level ? lines_ | bit(number) : lines_ & ~bit(number);
}

void CsrFile::reset() {
  mie_global_ = false;
  mpie_ = false;
  mie_ = 0;
  mtvec_ = 0;
  mscratch_ = 0;
  mepc_ = 0;
  mcause_ = 0;
  mtval_ = 0;
  cycle_offset_ = 0 - time_.now() / time_.period();
  instret_offset_ = 0 - state_.retired;
}

}  // namespace rdu::mgmt
