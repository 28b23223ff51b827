#include "mgmt/csr.h"

namespace rdu::mgmt {

namespace {

// Numbers, as in the privileged specification.
enum : unsigned {
  kFflags = 0x001,
  kFrm = 0x002,
  kFcsr = 0x003,
  kSstatus = 0x100,
  kSie = 0x104,
  kStvec = 0x105,
  kScounteren = 0x106,
  kSenvcfg = 0x10a,
  kSscratch = 0x140,
  kSepc = 0x141,
  kScause = 0x142,
  kStval = 0x143,
  kSip = 0x144,
  kStimecmp = 0x14d,
  kSatp = 0x180,
  kMstatus = 0x300,
  kMisa = 0x301,
  kMedeleg = 0x302,
  kMideleg = 0x303,
  kMie = 0x304,
  kMtvec = 0x305,
  kMcounteren = 0x306,
  kMenvcfg = 0x30a,
  kMcountinhibit = 0x320,
  kMhpmevent3 = 0x323,
  kMhpmevent31 = 0x33f,
  kMscratch = 0x340,
  kMepc = 0x341,
  kMcause = 0x342,
  kMtval = 0x343,
  kMip = 0x344,
  kPmpcfg0 = 0x3a0,
  kPmpcfg2 = 0x3a2,
  kPmpaddr0 = 0x3b0,
  kPmpaddr15 = 0x3bf,
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
constexpr uint64_t kMisaValue = uint64_t{2} << 62 | extension('I') | extension('M') | extension('A') |
                                extension('F') | extension('D') | extension('C') | extension('B') |
                                extension('S') | extension('U');

constexpr uint64_t bit(unsigned n) {
  return uint64_t{1} << n;
}
constexpr uint64_t kInterruptFlag = uint64_t{1} << 63;
constexpr uint64_t kVectored = 1;

constexpr uint64_t kSupervisorInterrupts =
    bit(CsrFile::kSupervisorSoftware) | bit(CsrFile::kSupervisorTimer) | bit(CsrFile::kSupervisorExternal);
constexpr uint64_t kInterrupts =
    kSupervisorInterrupts | bit(CsrFile::kSoftware) | bit(CsrFile::kTimer) | bit(CsrFile::kExternal);
/// All causes that exist but ECALL from machine mode.
constexpr uint64_t kDelegable = 0xb3ff;

// mstatus and sstatus.
constexpr uint64_t kUxl64 = uint64_t{2} << 32, kSxl64 = uint64_t{2} << 34, kDirty = uint64_t{1} << 63;
constexpr uint64_t kSstatusWritable =
    mstatus::kSie | mstatus::kSpie | mstatus::kSpp | mstatus::kFs | mstatus::kSum | mstatus::kMxr;
constexpr uint64_t kMstatusWritable = kSstatusWritable | mstatus::kMie | mstatus::kMpie | mstatus::kMpp |
                                      mstatus::kMprv | mstatus::kTvm | mstatus::kTw | mstatus::kTsr;
constexpr uint64_t kMppUser = 0, kMppReserved = uint64_t{2} << mstatus::kMppShift;

// menvcfg and senvcfg.
constexpr uint64_t kFiom = 1, kAdue = uint64_t{1} << 61, kStce = uint64_t{1} << 63;

constexpr uint64_t kAllCounters = 0xffffffff;
constexpr unsigned kCounterCycle = 0, kCounterTime = 1, kCounterInstret = 2;
constexpr uint64_t kInhibitable = bit(kCounterCycle) | bit(kCounterInstret);

bool within(unsigned n, unsigned first, unsigned last) {
  return n >= first && n <= last;
}

/// Registers that the specification demands but that hold nothing here: no event counters (but their number
/// may be probed), no triggers. They read as zero and ignore writes.
bool reads_zero(unsigned n) {
  return within(n, kMhpmevent3, kMhpmevent31) || within(n, kMhpmcounter3, kMhpmcounter31) ||
         within(n, kHpmcounter3, kHpmcounter31) || within(n, kTselect, kTdata3) ||
         within(n, kMvendorid, kMimpid) || n == kMconfigptr;
}

}  // namespace

const char* to_string(Cause cause) {
  switch (cause) {
    case Cause::fetch_misaligned:
      return "misaligned instruction";
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
    case Cause::fetch_page:
      return "instruction page fault";
    case Cause::load_page:
      return "load page fault";
    case Cause::store_page:
      return "store page fault";
    case Cause::ecall_user:
    case Cause::ecall_supervisor:
    case Cause::ecall_machine:
      break;
  }
  return "environment call";
}

CsrFile::CsrFile(unsigned hart_id, HartState& state, FloatUnit& float_unit, Pmp& pmp, const LocalTime& time,
                 const TimeBase& time_base, bool update_ad)
    : hart_id_(hart_id),
      state_(state),
      float_(float_unit),
      pmp_(pmp),
      time_(time),
      time_base_(time_base),
      update_ad_(update_ad) {
  reset();
}

// ---- which mode may access what

bool CsrFile::accessible(unsigned number) const {
  const unsigned least = number >> 8 & 3;
  if (static_cast<unsigned>(state_.privilege) < least) return false;
  if (within(number, kFflags, kFcsr)) return state_.float_enabled();
  if (state_.privilege == Privilege::machine) return true;
  if (within(number, kCycle, kHpmcounter31)) return counter_enabled(number - kCycle);
  if (number == kSatp) return (state_.mstatus & mstatus::kTvm) == 0;
  if (number == kStimecmp) return (menvcfg_ & kStce) != 0 && (mcounteren_ & bit(kCounterTime)) != 0;
  return true;
}

bool CsrFile::counter_enabled(unsigned counter) const {
  if ((mcounteren_ >> counter & 1) == 0) return false;
  return state_.privilege == Privilege::supervisor || (scounteren_ >> counter & 1) != 0;
}

bool CsrFile::may_wait() const {
  if (state_.privilege == Privilege::machine) return true;
  return state_.privilege == Privilege::supervisor && (state_.mstatus & mstatus::kTw) == 0;
}

bool CsrFile::may_fence() const {
  if (state_.privilege == Privilege::machine) return true;
  return state_.privilege == Privilege::supervisor && (state_.mstatus & mstatus::kTvm) == 0;
}

// ---- values

uint64_t CsrFile::cycle() const {
  return cycle_.value(raw_cycle(), inhibits(kCounterCycle));
}

uint64_t CsrFile::instret() const {
  return instret_.value(state_.retired, inhibits(kCounterInstret));
}

/// fflags and frm are parts of fcsr.
uint64_t CsrFile::read_float(unsigned number) const {
  const uint32_t fcsr = float_.fcsr();
  return number == kFflags ? fcsr & 0x1f : number == kFrm ? fcsr >> 5 : fcsr;
}

void CsrFile::write_float(unsigned number, uint64_t value) {
  const uint32_t fcsr = float_.fcsr();
  const auto v = static_cast<uint32_t>(value);
  float_.set_fcsr(number == kFflags ? (fcsr & ~0x1fu) | (v & 0x1f)
                  : number == kFrm  ? (fcsr & 0x1f) | (v & 7) << 5
                                    : v);
}

bool CsrFile::read(unsigned number, uint64_t* value) const {
  if (!accessible(number)) return false;
  const uint64_t dirty = state_.float_dirty() ? kDirty : 0;
  if (within(number, kPmpaddr0, kPmpaddr15)) {
    *value = pmp_.address(number - kPmpaddr0);
    return true;
  }
  switch (number) {
    case kFflags:
    case kFrm:
    case kFcsr:
      *value = read_float(number);
      return true;
    case kSstatus:
      *value = (state_.mstatus & kSstatusWritable) | kUxl64 | dirty;
      return true;
    case kSie:
      *value = mie_ & mideleg_;
      return true;
    case kStvec:
      *value = supervisor_.tvec;
      return true;
    case kScounteren:
      *value = scounteren_;
      return true;
    case kSenvcfg:
      *value = senvcfg_;
      return true;
    case kSscratch:
      *value = supervisor_.scratch;
      return true;
    case kSepc:
      *value = supervisor_.epc;
      return true;
    case kScause:
      *value = supervisor_.cause;
      return true;
    case kStval:
      *value = supervisor_.tval;
      return true;
    case kSip:
      *value = mip() & mideleg_;
      return true;
    case kStimecmp:
      *value = stimecmp_;
      return true;
    case kSatp:
      *value = state_.satp;
      return true;
    case kMstatus:
      *value = state_.mstatus | kUxl64 | kSxl64 | dirty;
      return true;
    case kMisa:
      *value = kMisaValue;
      return true;
    case kMedeleg:
      *value = medeleg_;
      return true;
    case kMideleg:
      *value = mideleg_;
      return true;
    case kMie:
      *value = mie_;
      return true;
    case kMtvec:
      *value = machine_.tvec;
      return true;
    case kMcounteren:
      *value = mcounteren_;
      return true;
    case kMenvcfg:
      *value = menvcfg_ | (state_.update_ad ? kAdue : 0);
      return true;
    case kMcountinhibit:
      *value = mcountinhibit_;
      return true;
    case kMscratch:
      *value = machine_.scratch;
      return true;
    case kMepc:
      *value = machine_.epc;
      return true;
    case kMcause:
      *value = machine_.cause;
      return true;
    case kMtval:
      *value = machine_.tval;
      return true;
    case kMip:
      *value = mip();
      return true;
    case kPmpcfg0:
    case kPmpcfg2:
      *value = pmp_.config((number - kPmpcfg0) / 2);
      return true;
    case kMcycle:
    case kCycle:
      ++clock_reads_;
      *value = cycle();
      return true;
    case kTime:
      ++clock_reads_;
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

uint64_t CsrFile::modifiable(unsigned number, uint64_t value) const {
  const uint64_t external = bit(kSupervisorExternal);
  return number == kMip ? (value & ~external) | (software_ & external) : value;
}

CsrFile::Effect CsrFile::write(unsigned number, uint64_t value) {
  const bool read_only = (number >> 10) == 3;
  if (read_only || !accessible(number)) return Effect::illegal;
  if (within(number, kPmpaddr0, kPmpaddr15)) {
    pmp_.set_address(number - kPmpaddr0, value);
    return Effect::protection;
  }
  switch (number) {
    case kFflags:
    case kFrm:
    case kFcsr:
      write_float(number, value);
      return Effect::none;
    case kSstatus:
      return set_status(value, kSstatusWritable);
    case kSie:
      mie_ = (mie_ & ~mideleg_) | (value & mideleg_);
      return Effect::interrupts;
    case kStvec:
      supervisor_.tvec = value & ~uint64_t{2};
      return Effect::none;
    case kScounteren:
      scounteren_ = value & kAllCounters;
      return Effect::none;
    case kSenvcfg:
      senvcfg_ = value & kFiom;
      return Effect::none;
    case kSscratch:
      supervisor_.scratch = value;
      return Effect::none;
    case kSepc:
      supervisor_.epc = value & ~uint64_t{1};
      return Effect::none;
    case kScause:
      supervisor_.cause = value;
      return Effect::none;
    case kStval:
      supervisor_.tval = value;
      return Effect::none;
    case kSip: {
      const uint64_t writable = mideleg_ & bit(kSupervisorSoftware);
      software_ = (software_ & ~writable) | (value & writable);
      return Effect::interrupts;
    }
    case kStimecmp:
      set_stimecmp(value);
      return Effect::interrupts;
    case kSatp:
      return set_satp(value);
    case kMstatus:
      return set_status(value, kMstatusWritable);
    case kMisa:  // extensions cannot be switched off
      return Effect::none;
    case kMedeleg:
      medeleg_ = value & kDelegable;
      return Effect::none;
    case kMideleg:
      mideleg_ = value & kSupervisorInterrupts;
      return Effect::interrupts;
    case kMie:
      mie_ = value & kInterrupts;
      return Effect::interrupts;
    case kMtvec:
      machine_.tvec = value & ~uint64_t{2};
      return Effect::none;
    case kMcounteren:
      mcounteren_ = value & kAllCounters;
      return Effect::none;
    case kMenvcfg:
      set_menvcfg(value);
      return Effect::interrupts;
    case kMcountinhibit:
      set_inhibit(value & kInhibitable);
      return Effect::none;
    case kMscratch:
      machine_.scratch = value;
      return Effect::none;
    case kMepc:
      machine_.epc = value & ~uint64_t{1};
      return Effect::none;
    case kMcause:
      machine_.cause = value;
      return Effect::none;
    case kMtval:
      machine_.tval = value;
      return Effect::none;
    case kMip: {
      // With menvcfg.STCE the supervisor's timer is stimecmp's alone.
      const uint64_t writable = kSupervisorInterrupts & ~((menvcfg_ & kStce) ? bit(kSupervisorTimer) : 0);
      software_ = (software_ & ~writable) | (value & writable);
      return Effect::interrupts;
    }
    case kPmpcfg0:
    case kPmpcfg2:
      pmp_.set_config((number - kPmpcfg0) / 2, value);
      return Effect::protection;
    case kMcycle:
      cycle_.set(value, raw_cycle(), inhibits(kCounterCycle));
      return Effect::none;
    case kMinstret:
      // The writing instruction itself does not count any more.
      instret_.set(value, state_.retired + 1, inhibits(kCounterInstret));
      return Effect::none;
    default:
      return reads_zero(number) ? Effect::none : Effect::illegal;
  }
}

CsrFile::Effect CsrFile::set_status(uint64_t value, uint64_t writable) {
  const uint64_t before = state_.mstatus;
  if ((value & mstatus::kMpp) == kMppReserved) writable &= ~mstatus::kMpp;
  state_.mstatus = (before & ~writable) | (value & writable);
  return (before ^ state_.mstatus) & mstatus::kMxr ? Effect::translation : Effect::interrupts;
}

/// A mode that does not exist leaves the register as it was. There are no address-space identifiers.
CsrFile::Effect CsrFile::set_satp(uint64_t value) {
  constexpr uint64_t kNumber = (uint64_t{1} << 44) - 1;
  const uint64_t mode = value >> 60;
  if (mode != 0 && mode != 8 && mode != 9) return Effect::none;
  state_.satp = mode << 60 | (value & kNumber);
  return Effect::translation;
}

void CsrFile::set_menvcfg(uint64_t value) {
  menvcfg_ = value & (kFiom | kStce);
  state_.update_ad = (value & kAdue) != 0;
  if (menvcfg_ & kStce) software_ &= ~bit(kSupervisorTimer);
  set_stimecmp(stimecmp_);
}

void CsrFile::set_stimecmp(uint64_t value) {
  stimecmp_ = value;
  supervisor_deadline_ = (menvcfg_ & kStce) ? time_base_.when(value) : core::kNever;
}

void CsrFile::set_inhibit(uint64_t value) {
  const uint64_t cycles = cycle();
  const uint64_t instructions = instret();
  mcountinhibit_ = value;
  cycle_.set(cycles, raw_cycle(), inhibits(kCounterCycle));
  instret_.set(instructions, state_.retired, inhibits(kCounterInstret));
}

// ---- traps

bool CsrFile::delegated(const Trap& trap) const {
  return state_.privilege != Privilege::machine && (medeleg_ >> static_cast<unsigned>(trap.cause) & 1) != 0;
}

uint64_t CsrFile::handler_of(const Trap& trap) const {
  return (delegated(trap) ? supervisor_ : machine_).tvec & ~uint64_t{3};
}

/// The handler's base address.
uint64_t CsrFile::push(bool to_supervisor, uint64_t cause, uint64_t value, uint64_t pc) {
  TrapRegisters& r = to_supervisor ? supervisor_ : machine_;
  r.epc = pc;
  r.cause = cause;
  r.tval = value;
  uint64_t& status = state_.mstatus;
  if (to_supervisor) {
    const bool enabled = (status & mstatus::kSie) != 0;
    status &= ~(mstatus::kSie | mstatus::kSpie | mstatus::kSpp);
    if (enabled) status |= mstatus::kSpie;
    if (state_.privilege == Privilege::supervisor) status |= mstatus::kSpp;
    state_.privilege = Privilege::supervisor;
  } else {
    const bool enabled = (status & mstatus::kMie) != 0;
    status &= ~(mstatus::kMie | mstatus::kMpie | mstatus::kMpp);
    if (enabled) status |= mstatus::kMpie;
    status |= static_cast<uint64_t>(state_.privilege) << mstatus::kMppShift;
    state_.privilege = Privilege::machine;
  }
  state_.reservation.valid = false;
  return r.tvec & ~uint64_t{3};
}

uint64_t CsrFile::enter(const Trap& trap, uint64_t pc) {
  return push(delegated(trap), static_cast<uint64_t>(trap.cause), trap.value, pc);
}

uint64_t CsrFile::enter_interrupt(unsigned number, uint64_t pc) {
  const bool to_supervisor = (mideleg_ >> number & 1) != 0;
  const uint64_t base = push(to_supervisor, kInterruptFlag | number, 0, pc);
  const bool vectored = ((to_supervisor ? supervisor_ : machine_).tvec & kVectored) != 0;
  return vectored ? base + 4 * number : base;
}

bool CsrFile::leave_machine(uint64_t* pc) {
  if (state_.privilege != Privilege::machine) return false;
  uint64_t& status = state_.mstatus;
  const bool enabled = (status & mstatus::kMpie) != 0;
  state_.privilege = static_cast<Privilege>((status & mstatus::kMpp) >> mstatus::kMppShift);
  status &= ~(mstatus::kMie | mstatus::kMpp);
  status |= mstatus::kMpie | kMppUser | (enabled ? mstatus::kMie : 0);
  if (state_.privilege != Privilege::machine) status &= ~mstatus::kMprv;
  state_.reservation.valid = false;
  ++returns_;
  *pc = machine_.epc;
  return true;
}

bool CsrFile::leave_supervisor(uint64_t* pc) {
  if (state_.privilege == Privilege::user) return false;
  uint64_t& status = state_.mstatus;
  if (state_.privilege == Privilege::supervisor && (status & mstatus::kTsr)) return false;
  const bool enabled = (status & mstatus::kSpie) != 0;
  state_.privilege = (status & mstatus::kSpp) ? Privilege::supervisor : Privilege::user;
  status &= ~(mstatus::kSie | mstatus::kSpp | mstatus::kMprv);
  status |= mstatus::kSpie | (enabled ? mstatus::kSie : 0);
  state_.reservation.valid = false;
  ++returns_;
  *pc = supervisor_.epc;
  return true;
}

// ---- interrupts

bool CsrFile::choose_interrupt(uint64_t pending, unsigned* number) const {
  const bool to_machine = state_.privilege != Privilege::machine || (state_.mstatus & mstatus::kMie) != 0;
  const bool to_supervisor =
      state_.privilege == Privilege::user ||
      (state_.privilege == Privilege::supervisor && (state_.mstatus & mstatus::kSie) != 0);
  uint64_t active = to_machine ? pending & ~mideleg_ : 0;
  if (active == 0 && to_supervisor) active = pending & mideleg_;
  if (active == 0) return false;
  for (const unsigned n :
       {kExternal, kSoftware, kTimer, kSupervisorExternal, kSupervisorSoftware, kSupervisorTimer}) {
    if (active & bit(n)) {
      *number = n;
      return true;
    }
  }
  return false;
}

void CsrFile::set_line(unsigned number, bool level) {
  lines_ = level ? lines_ | bit(number) : lines_ & ~bit(number);
}

void CsrFile::set_deadline(core::Time at) {
  deadline_ = at;
  set_stimecmp(stimecmp_);
}

void CsrFile::reset() {
  state_.privilege = Privilege::machine;
  state_.mstatus = 0;
  state_.satp = 0;
  state_.update_ad = update_ad_;
  pmp_.reset();
  mie_ = 0;
  software_ = 0;
  supervisor_deadline_ = core::kNever;
  medeleg_ = 0;
  mideleg_ = 0;
  machine_ = {};
  supervisor_ = {};
  mcounteren_ = 0;
  scounteren_ = 0;
  mcountinhibit_ = 0;
  menvcfg_ = 0;
  senvcfg_ = 0;
  stimecmp_ = 0;
  cycle_.set(0, raw_cycle(), false);
  instret_.set(0, state_.retired, false);
}

}  // namespace rdu::mgmt
