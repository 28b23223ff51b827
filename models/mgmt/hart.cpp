#include "mgmt/hart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "mgmt/disassemble.h"

namespace rdu::mgmt {

namespace {

/// So many times the same exception at the same place, without one MRET or SRET in between, is a loop. Ours.
constexpr uint64_t kTrapLoop = 10000;

bool same(const Trap& a, const Trap& b) {
  return a.cause == b.cause && a.value == b.value;
}

}  // namespace

Hart::Hart(const sc_core::sc_module_name& name, unsigned id, uint64_t reset_address, const HartParams& params,
           const TimeBase& time_base, const std::string& trace_track)
    : sc_module(name),
      socket("socket"),
      id_(id),
      reset_address_(reset_address),
      params_(params),
      float_(state_),
      time_(params.period()),
      csr_(id, state_, float_, pmp_, time_, time_base, params.svadu),
      bus_(socket, time_, params.timing.bus),
      mmu_(bus_, pmp_, state_),
      data_(bus_, mmu_, state_, params.misaligned),
      code_(bus_, mmu_, state_),
      interpreter_(state_, time_, csr_, mmu_, data_, code_, float_, params_.timing),
      wake_("wake"),
      debug_(data_, code_, wake_),
      trace_(trace_track) {
  state_.pc = reset_address;
  socket.register_invalidate_direct_mem_ptr(this, &Hart::invalidate_direct_mem_ptr);
  SC_THREAD(run);
}

// ---- wires

void Hart::set_interrupt(unsigned number, bool level) {
  csr_.set_line(number, level);
  if (level) wake_.notify(sc_core::SC_ZERO_TIME);
}

void Hart::set_timer_deadline(core::Time at) {
  csr_.set_deadline(at);
  // A sleeping hart computes anew how long it sleeps.
  if (asleep_) wake_.notify(sc_core::SC_ZERO_TIME);
}

void Hart::reset() {
  reset_requested_ = true;
  bus_.cancel();
  wake_.notify(sc_core::SC_ZERO_TIME);
}

void Hart::set_trace_tag(core::CommandTag tag) {
  trace_.set_tag(tag, core::now());
}

void Hart::invalidate_direct_mem_ptr(sc_dt::uint64, sc_dt::uint64) {
  bus_.invalidate();
  data_.invalidate();
  code_.flush();
}

// ---- the thread

void Hart::run() {
  trace_.wake(core::now());
  for (;;) {
    if (reset_requested_) restart();
    if (debug_.stands()) {
      stand();
      continue;
    }
    if (debug_.is_roused()) {
      debug_.forget_rousing();
      unpark();
    }
    if (parked_) {
      time_.sync();
      if (!reset_requested_ && !debug_.is_roused()) sc_core::wait(wake_);
      continue;
    }
    if (debug_.steps()) {
      step();
      continue;
    }
    unsigned interrupt = 0;
    if (csr_.pending_interrupt(&interrupt)) {
      state_.pc = csr_.enter_interrupt(interrupt, state_.pc);
      time_.add(params_.timing.trap);
      ++interrupts_;
      tell_entered(true, interrupt);
    }
    const int64_t budget = cycles_to_stop();
    if (budget <= 0) {
      catch_up();
      continue;
    }
    Interpreter::Exit exit = observers_.empty() ? interpreter_.run(budget) : run_followed(budget);
    const bool is_stop = exit == Interpreter::Exit::stop && !debug_.met_watchpoint();
    if (is_stop && !debug_.has_breakpoint(state_.pc)) exit = execute_one();  // it belongs to another page
    switch (exit) {
      case Interpreter::Exit::budget:
        // By far the most frequent way round: nothing else needs to be asked before the others have run.
        if (cycles_to_stop() <= 0) catch_up();
        break;
      case Interpreter::Exit::event:
        break;
      case Interpreter::Exit::trap:
        take_exception();
        break;
      case Interpreter::Exit::wfi:
        sleep();
        break;
      case Interpreter::Exit::stop:
        if (debug_.met_watchpoint()) {
          finish_watched();
        } else {
          debug_.halt(DebugUnit::Why::breakpoint, state_.pc);
        }
        break;
    }
  }
}

// ---- under a debugger

void Hart::stand() {
  state_.reservation.valid = false;
  while (debug_.stands() && !reset_requested_) sc_core::wait(wake_);
  // Others may have gone on alone meanwhile.
  if (core::now() > time_.now()) time_.restart(core::now());
}

void Hart::step() {
  if (cycles_to_stop() <= 0) {
    catch_up();
    return;
  }
  // An SC fails if anything may have happened since its LR, so their sequence is one step. The architecture
  // promises success to sequences of at most 16 instructions only.
  constexpr unsigned kSequence = 16;
  for (unsigned i = 0; i < kSequence; ++i) {
    switch (execute_one()) {
      case Interpreter::Exit::trap:
        take_exception();
        break;
      case Interpreter::Exit::stop:
        if (finish_watched()) return;
        break;
      default:
        break;
    }
    if (!state_.reservation.valid) break;
  }
  debug_.halt(DebugUnit::Why::step, state_.pc);
}

/// Executes the instruction whose access meets a watchpoint and halts behind it. False if it has trapped.
bool Hart::finish_watched() {
  data_.ignore_watcher(true);
  const Interpreter::Exit exit = execute_one();
  data_.ignore_watcher(false);
  if (exit == Interpreter::Exit::trap) {
    debug_.forget_watchpoint();
    take_exception();
    return false;
  }
  debug_.halt(DebugUnit::Why::watchpoint, state_.pc);
  return true;
}

// ---- followed, instruction by instruction

void Hart::unfollow(InstructionObserver& observer) {
  observers_.erase(std::remove(observers_.begin(), observers_.end(), &observer), observers_.end());
}

/// As Interpreter::run(): the same instructions, and the end of the budget is looked for at jumps and at the
/// ends of pages only.
Interpreter::Exit Hart::run_followed(int64_t budget) {
  constexpr uint64_t kPageMask = 0xfff;
  const core::Time end = time_.now() + static_cast<core::Time>(budget) * time_.period();
  for (;;) {
    if (debug_.has_breakpoint(state_.pc)) return Interpreter::Exit::stop;
    const uint64_t pc = state_.pc;
    const Interpreter::Exit exit = execute_one();
    if (exit != Interpreter::Exit::budget) return exit;
    const bool is_straight = state_.pc - pc <= 4 && ((state_.pc ^ pc) & ~kPageMask) == 0;
    if (!is_straight && time_.now() >= end) return exit;
  }
}

Interpreter::Exit Hart::execute_one() {
  if (observers_.empty()) return interpreter_.step();
  Executed e;
  e.hart = id_;
  e.at = time_.now();
  e.privilege = state_.privilege;
  e.pc = state_.pc;
  e.fetched = fetch(e.pc, &e.bits);
  if (e.fetched) e.instruction = decode(e.bits);
  const MemoryOperand operand = memory_operand(e.instruction.op);
  e.accesses = operand != MemoryOperand::none;
  e.address = state_.x[e.instruction.rs1];
  if (operand == MemoryOperand::at_offset) e.address += static_cast<uint64_t>(int64_t{e.instruction.imm});
  const uint64_t retired = state_.retired;
  const Interpreter::Exit exit = interpreter_.step();
  if (exit == Interpreter::Exit::stop) return exit;  // before it: it will be executed once more
  e.retired = state_.retired != retired;
  if (exit == Interpreter::Exit::trap) e.trap = interpreter_.trap();
  e.cycles = (time_.now() - e.at) / time_.period();
  e.next_pc = state_.pc;
  e.writes_float = writes_float(e.instruction.op);
  e.value = e.writes_float ? state_.f[e.instruction.rd] : state_.x[e.instruction.rd];
  const bool is_told = e.retired || exit == Interpreter::Exit::trap;  // else a reset has dropped it
  if (is_told) {
    observers_.erase(std::remove_if(observers_.begin(), observers_.end(),
                                    [&e](InstructionObserver* o) { return !o->executed(e); }),
                     observers_.end());
  }
  return exit;
}

/// The encoding at `pc`; false if there is nothing to fetch.
bool Hart::fetch(uint64_t pc, uint32_t* bits) {
  *bits = 0;
  for (unsigned half = 0; half < 2; ++half) {
    uint64_t physical = 0;
    if (!look_up(pc + 2 * half, &physical)) return false;
    const uint8_t* const page = bus_.direct(physical & ~uint64_t{0xfff}, false);
    if (!page) return false;
    uint16_t value = 0;
    std::memcpy(&value, page + (physical & 0xfff), sizeof value);
    *bits |= uint32_t{value} << (16 * half);
    if ((*bits & 3) != 3) break;
  }
  return true;
}

void Hart::tell_entered(bool is_interrupt, uint64_t cause) {
  for (InstructionObserver* o : observers_) o->entered(id_, is_interrupt, cause, state_.pc, time_.now());
}

void Hart::set_register(unsigned number, uint64_t value) {
  if (number != 0) state_.x[number] = value;
}

void Hart::set_pc(uint64_t pc) {
  state_.pc = pc & ~uint64_t{1};
  debug_.rouse();
}

bool Hart::read_csr(unsigned number, uint64_t* value) {
  const Privilege privilege = std::exchange(state_.privilege, Privilege::machine);
  const bool exists = csr_.read(number, value);
  state_.privilege = privilege;
  return exists;
}

bool Hart::write_csr(unsigned number, uint64_t value) {
  const Privilege privilege = std::exchange(state_.privilege, Privilege::machine);
  const bool done = interpreter_.write_csr(number, value);
  state_.privilege = privilege;
  return done;
}

bool Hart::write_physical(uint64_t address, const uint8_t* data, uint64_t size) {
  return bus_.debug(true, address, const_cast<uint8_t*>(data), size);  // TLM takes no const
}

void Hart::show_reset() {
  if (!reset_requested_ || !at_rest()) return;
  restart();
  debug_.rouse();  // it may have slept
}

/// Lets the kernel's time come to the hart's.
void Hart::catch_up() {
  state_.reservation.valid = false;  // others may store meanwhile
  time_.sync();
}

/// To the end of the quantum or to the timer's interrupt, whichever comes first.
int64_t Hart::cycles_to_stop() const {
  const core::Time here = time_.now();
  const core::Time stop = std::min(core::now() + params_.quantum, csr_.timer_deadline(here));
  if (stop <= here) return 0;
  return static_cast<int64_t>((stop - here + time_.period() - 1) / time_.period());
}

void Hart::sleep() {
  trace_.sleep(time_.now());
  state_.reservation.valid = false;
  time_.sync();
  asleep_ = true;
  idle_since_ = core::now();
  if (activity_) activity_(false);
  while (!csr_.wakes() && !reset_requested_ && !debug_.is_roused()) {
    // Nothing is scheduled unless the timer can end the sleep.
    const core::Time deadline = csr_.timer_deadline(time_.now());
    if (deadline == core::kNever) {
      sc_core::wait(wake_);
    } else {
      sc_core::wait(core::to_sc(deadline - core::now()), wake_);
    }
    time_.restart(core::now());
  }
  idle_ += core::now() - idle_since_;
  asleep_ = false;
  if (activity_) activity_(true);
  trace_.wake(time_.now());
}

void Hart::restart() {
  reset_requested_ = false;
  unpark();
  time_.restart(std::max(core::now(), time_.now()));
  std::fill(std::begin(state_.x), std::end(state_.x), 0);
  std::fill(std::begin(state_.f), std::end(state_.f), 0);
  state_.fcsr = 0;
  state_.pc = reset_address_;
  state_.reservation = {};
  csr_.reset();
  mmu_.forget();
  data_.invalidate();
  code_.revalidate();
  last_ = {};
}

void Hart::end_of_simulation() {
  trace_.sleep(std::max(core::now(), time_.now()));
}

HartStatistics Hart::statistics() const {
  HartStatistics s;
  s.instructions = state_.retired;
  const core::Time until = asleep_ || parked_ ? idle_since_ : time_.now();
  s.cycles = (until - idle_) / time_.period();
  s.exceptions = exceptions_;
  s.interrupts = interrupts_;
  return s;
}

// ---- exceptions

void Hart::take_exception() {
  const Trap& trap = interpreter_.trap();
  ++exceptions_;
  const bool is_bus_error = trap.cause == Cause::fetch_access || trap.cause == Cause::load_access ||
                            trap.cause == Cause::store_access;
  if (is_bus_error) report(trap);
  if (is_trap_loop(trap)) return;
  state_.pc = csr_.enter(trap, state_.pc);
  tell_entered(false, static_cast<uint64_t>(trap.cause));
  time_.add(params_.timing.trap);
}

/// A hart whose handler cannot run would trap for ever. Stops it and says so.
bool Hart::is_trap_loop(const Trap& trap) {
  const bool nothing_done = last_.valid && last_.retired == state_.retired;
  const bool again = last_.valid && same(last_.trap, trap) && last_.pc == state_.pc;
  if (!nothing_done) {
    last_.first = trap;
    last_.first_pc = state_.pc;
  }
  last_.repeats = again && last_.returns == csr_.returns() ? last_.repeats + 1 : 0;
  last_.valid = true;
  last_.trap = trap;
  last_.pc = state_.pc;
  last_.retired = state_.retired;
  last_.returns = csr_.returns();
  if (again && nothing_done) {
    park(fmt::format("stopped: the trap handler at {} cannot run ({}); it was entered for: {} at pc {}",
                     place(csr_.handler_of(trap)), to_string(trap.cause), to_string(last_.first.cause),
                     place(last_.first_pc)));
    return true;
  }
  if (last_.repeats >= kTrapLoop) {
    park(fmt::format("stopped: {} at pc {}, value {:#x}, {} times and no return from the handler",
                     to_string(trap.cause), place(state_.pc), trap.value, last_.repeats));
    return true;
  }
  return false;
}

void Hart::park(const std::string& why) {
  core::report_guest_fault(name(), why);
  trace_.sleep(time_.now());
  // run() waits: here the caller's strings would never be freed if the simulation ends meanwhile.
  parked_ = true;
  idle_since_ = time_.now();
}

void Hart::unpark() {
  if (!parked_) return;
  const core::Time now = std::max(core::now(), time_.now());
  idle_ += now - idle_since_;
  parked_ = false;
  last_ = {};
  trace_.wake(now);
}

/// The same instruction's fault again and again is reported the first, second, fourth, eighth ... time, also
/// if its address moves on: a stack or a loop that runs out of memory.
void Hart::report(const Trap& trap) {
  const bool again = reported_.times != 0 && reported_.cause == trap.cause && reported_.pc == state_.pc;
  reported_.cause = trap.cause;
  reported_.pc = state_.pc;
  reported_.times = again ? reported_.times + 1 : 1;
  if ((reported_.times & (reported_.times - 1)) != 0) return;
  std::string text =
      fmt::format("{}: address {:#x}, pc {}", to_string(trap.cause), trap.value, place(state_.pc));
  // A wrong pc says nothing of what is there, and a wrong address all.
  uint32_t bits = 0;
  if (trap.cause != Cause::fetch_access && fetch(state_.pc, &bits)) {
    text += ": " + disassemble(decode(bits), state_.pc);
  }
  if (reported_.times > 1) text += fmt::format(" ({} times)", reported_.times);
  core::report_guest_fault(name(), text);
}

std::string Hart::place(uint64_t address) const {
  const std::string symbol = symbols_ ? symbols_->describe(address) : std::string();
  return symbol.empty() ? fmt::format("{:#x}", address) : fmt::format("{:#x} ({})", address, symbol);
}

}  // namespace rdu::mgmt
