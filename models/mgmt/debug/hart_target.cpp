#include "mgmt/debug/hart_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "mgmt/csr_names.h"
#include "mgmt/disassemble.h"
#include "mgmt/management.h"

namespace rdu::mgmt::debug {

namespace {

// gdb's numbers.
constexpr unsigned kPc = 32;
constexpr unsigned kFirstFloat = 33;
constexpr unsigned kFirstCsr = 65;
constexpr unsigned kPrivilege = kFirstCsr + 4096;

const char* to_string(Privilege privilege) {
  switch (privilege) {
    case Privilege::user:
      return "user mode";
    case Privilege::supervisor:
      return "supervisor mode";
    case Privilege::machine:
      break;
  }
  return "machine mode";
}

DebugUnit::Watch watch_of(Point point) {
  return point == Point::write  ? DebugUnit::Watch::write
         : point == Point::read ? DebugUnit::Watch::read
                                : DebugUnit::Watch::access;
}
Point point_of(DebugUnit::Watch watch) {
  return watch == DebugUnit::Watch::write  ? Point::write
         : watch == DebugUnit::Watch::read ? Point::read
                                           : Point::access;
}
bool is_breakpoint(Point point) {
  return point == Point::software || point == Point::hardware;
}

}  // namespace

HartTarget::HartTarget(Management& management) : management_(management) {
  describe_registers();
  for (unsigned t = 1; t <= threads(); ++t) {
    // The slice of simulation ends here, so that nothing else happens meanwhile.
    hart(t).debug().on_halt([] { sc_core::sc_pause(); });
  }
}

HartTarget::~HartTarget() {
  for (unsigned t = 1; t <= threads(); ++t) hart(t).debug().on_halt({});
}

Hart& HartTarget::hart(unsigned thread) const {
  return management_.hart(thread - 1);
}

unsigned HartTarget::threads() const {
  return management_.harts();
}

std::string HartTarget::thread_info(unsigned thread) const {
  const Hart& h = hart(thread);
  std::string text = to_string(h.state().privilege);
  if (h.asleep()) text += ", waits for an interrupt";
  if (h.parked()) text += ", stopped: its trap handler cannot run";
  return text;
}

// ---- registers

void HartTarget::describe_registers() {
  for (unsigned i = 0; i < 32; ++i) {
    const bool is_pointer = i == 2 || i == 3 || i == 4 || i == 8;
    registers_.push_back({i, integer_register_name(i), 64,
                          i == 1       ? "code_ptr"
                          : is_pointer ? "data_ptr"
                                       : "int",
                          "general", "org.gnu.gdb.riscv.cpu"});
  }
  registers_.push_back({kPc, "pc", 64, "code_ptr", "general", "org.gnu.gdb.riscv.cpu"});
  uint64_t misa = 0;
  hart(1).read_csr(0x301, &misa);
  const bool has_float = (misa >> ('F' - 'A') & 1) != 0;
  for (unsigned i = 0; has_float && i < 32; ++i) {
    registers_.push_back(
        {kFirstFloat + i, float_register_name(i), 64, "ieee_double", "float", "org.gnu.gdb.riscv.fpu"});
  }
  for (const CsrName& csr : csr_names()) {
    // fflags, frm and fcsr have values only while mstatus.FS is not off.
    const bool is_float = csr.number >= 1 && csr.number <= 3;
    uint64_t value = 0;
    if (!hart(1).read_csr(csr.number, &value) && !(is_float && has_float)) continue;
    registers_.push_back({kFirstCsr + csr.number, csr.name, 64, "int", "csr", "org.gnu.gdb.riscv.csr"});
  }
  registers_.push_back({kPrivilege, "priv", 8, "int", "general", "org.gnu.gdb.riscv.virtual"});
}

std::optional<uint64_t> HartTarget::read_register(unsigned thread, unsigned number) {
  Hart& h = hart(thread);
  if (number < kPc) return h.state().x[number];
  if (number == kPc) return h.state().pc;
  if (number < kFirstCsr) return h.state().f[number - kFirstFloat];
  if (number == kPrivilege) return static_cast<uint64_t>(h.state().privilege);
  uint64_t value = 0;
  if (!h.read_csr(number - kFirstCsr, &value)) return std::nullopt;
  return value;
}

bool HartTarget::write_register(unsigned thread, unsigned number, uint64_t value) {
  Hart& h = hart(thread);
  if (number < kPc) {
    h.set_register(number, value);
    return true;
  }
  if (number == kPc) {
    h.set_pc(value);
    return true;
  }
  if (number < kFirstCsr) {
    h.set_float_register(number - kFirstFloat, value);
    return true;
  }
  if (number == kPrivilege) {
    if (value != 0 && value != 1 && value != 3) return false;
    h.set_privilege(static_cast<Privilege>(value));
    return true;
  }
  return h.write_csr(number - kFirstCsr, value);
}

// ---- memory

bool HartTarget::each_page(unsigned thread, Space space, uint64_t address, size_t size,
                           const std::function<bool(uint64_t, size_t, size_t)>& access) {
  for (size_t done = 0; done < size;) {
    const uint64_t at = address + done;
    const size_t length = std::min<uint64_t>(kPage - at % kPage, size - done);
    uint64_t physical = at;
    if (space == Space::translated && !hart(thread).look_up(at, &physical)) return false;
    if (!access(physical, done, length)) return false;
    done += length;
  }
  return true;
}

bool HartTarget::read_memory(unsigned thread, Space space, uint64_t address, uint8_t* data, size_t size) {
  return each_page(thread, space, address, size, [&](uint64_t physical, size_t done, size_t length) {
    return hart(thread).read_physical(physical, data + done, length);
  });
}

bool HartTarget::write_memory(unsigned thread, Space space, uint64_t address, const uint8_t* data,
                              size_t size) {
  const bool done = each_page(thread, space, address, size, [&](uint64_t physical, size_t at, size_t length) {
    return hart(thread).write_physical(physical, data + at, length);
  });
  for (unsigned t = 1; t <= threads(); ++t) hart(t).revalidate_code();
  return done;
}

// ---- points

void HartTarget::set_point(Point point, uint64_t address, uint64_t length, bool on) {
  for (unsigned t = 1; t <= threads(); ++t) {
    DebugUnit& unit = hart(t).debug();
    if (is_breakpoint(point)) {
      unit.set_breakpoint(address, on);
    } else {
      unit.set_watchpoint(watch_of(point), address, length, on);
    }
  }
}

bool HartTarget::insert(Point point, uint64_t address, uint64_t length) {
  if (is_breakpoint(point)) {
    if (address % 2 != 0) return false;
    length = 0;  // what gdb tells there is the size of an instruction that it would plant
  }
  auto& here = points_[{address, length}];
  if (std::find(here.begin(), here.end(), point) == here.end()) here.push_back(point);
  set_point(point, address, length, true);
  return true;
}

void HartTarget::remove(Point point, uint64_t address, uint64_t length) {
  if (is_breakpoint(point)) length = 0;
  const auto it = points_.find({address, length});
  if (it == points_.end()) return;
  auto& here = it->second;
  here.erase(std::remove(here.begin(), here.end(), point), here.end());
  // Software and hardware breakpoints at one address are one to the hart.
  const bool stays = is_breakpoint(point) && std::any_of(here.begin(), here.end(), is_breakpoint);
  if (!stays) set_point(point, address, length, false);
  if (here.empty()) points_.erase(it);
}

void HartTarget::remove_all() {
  points_.clear();
  for (unsigned t = 1; t <= threads(); ++t) hart(t).debug().clear();
}

// ---- time goes on, and stops

void HartTarget::resume(const std::vector<Action>& actions) {
  asked_ = false;
  stop_.reset();
  if (!waiting_.empty()) return;  // poll() has something to tell already
  for (unsigned t = 1; t <= threads(); ++t) {
    DebugUnit& unit = hart(t).debug();
    switch (actions[t - 1]) {
      case Action::hold:
        unit.stand();
        break;
      case Action::run:
        unit.run();
        break;
      case Action::step:
        unit.step();
        last_ = t;
        break;
    }
  }
}

void HartTarget::interrupt() {
  asked_ = true;
  for (unsigned t = 1; t <= threads(); ++t) hart(t).debug().stand();
}

std::optional<Stop> HartTarget::poll() {
  if (!stop_) {
    for (unsigned t = 1; t <= threads(); ++t) {
      const auto halt = hart(t).debug().take_halt();
      if (!halt) continue;
      Stop stop{t, Stop::Why::point, Point::software, halt->address};
      switch (halt->why) {
        case DebugUnit::Why::step:
          stop.why = Stop::Why::step;
          break;
        case DebugUnit::Why::breakpoint: {
          const auto it = points_.find({halt->address, 0});
          const bool is_hardware = it != points_.end() && it->second.front() == Point::hardware;
          stop.point = is_hardware ? Point::hardware : Point::software;
          break;
        }
        case DebugUnit::Why::watchpoint:
          stop.point = point_of(halt->watch);
          break;
      }
      waiting_.push_back(stop);
    }
    if (!waiting_.empty()) {
      stop_ = waiting_.front();
      // Another hart that stands before a breakpoint will meet it again. What happened must be told later.
      waiting_.erase(waiting_.begin());
      waiting_.erase(
          std::remove_if(waiting_.begin(), waiting_.end(),
                         [](const Stop& s) { return s.why != Stop::Why::point || is_breakpoint(s.point); }),
          waiting_.end());
    } else if (asked_) {
      unsigned thread = last_;
      for (unsigned t = threads(); t >= 1; --t) {
        if (!hart(t).asleep() && !hart(t).parked()) thread = t;
      }
      stop_ = Stop{thread, Stop::Why::interrupt, Point::software, 0};
    }
  }
  if (!stop_) return std::nullopt;
  bool all_rest = true;
  for (unsigned t = 1; t <= threads(); ++t) {
    hart(t).debug().stand();
    all_rest = all_rest && hart(t).at_rest();
  }
  if (!all_rest) return std::nullopt;
  asked_ = false;
  last_ = stop_->thread;
  return std::exchange(stop_, std::nullopt);
}

void HartTarget::show_reset() {
  waiting_.clear();
  for (unsigned t = 1; t <= threads(); ++t) hart(t).show_reset();
}

}  // namespace rdu::mgmt::debug
