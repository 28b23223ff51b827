#include "fabric/agcu/sequencer.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "core/error.h"
#include "core/trace.h"
#include "fabric/fidelity.h"
#include "fabric/program.h"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::sequencer;
namespace codes = rdu::regs::sequencer::FAULT;

/// "ours": more than any program has places to put arguments.
constexpr uint64_t kMostArguments = 65536;

/// How far units run ahead of the kernel without memory, in cycles. Changes no result; long enough that
/// hardly any kernel meets it, short enough that the host gets a word in when one never ends.
constexpr uint64_t kRunAhead = 1 << 17;

constexpr uint64_t kUnitTimes = 0x20;
constexpr uint64_t kUnitCounts = 0x21;

const char* code_name(uint32_t code) {
  static constexpr const char* kNames[] = {
      "NONE",     "NO_PROGRAM", "BAD_MAGIC",    "BAD_VERSION", "BAD_SIZE", "BAD_CRC", "BAD_SHAPE",
      "BAD_UNIT", "BAD_WORD",   "BAD_CONFIG",   "BAD_ROUTE",   "SEGMENT",  "MEMORY",  "HUNG",
      "ABORTED",  "BUSY",       "BAD_SCHEDULE", "SRAM_ECC",    "SEQUENCE"};
  return kNames[code];
}

}  // namespace

Sequencer::Sequencer(const sc_core::sc_module_name& name, const std::string& tile, const FabricParams& params,
                     core::TransferPort& port, core::AddressTranslator& slb, uint32_t first_initiator,
                     core::InterruptLine& interrupt)
    : sc_module(name),
      tile_(tile),
      params_(params),
      clock_(params.fabric_clock()),
      interrupt_(interrupt),
      port_(this->name(), regs_),
      track_(core::Tracer::get().track(this->name())),
      context_(params_),
      memory_(port, slb, params_, *this),
      pads_(params_),
      program_(params_),
      site_{context_, memory_, pads_, first_initiator, tile},
      fetch_(context_, memory_, first_initiator + static_cast<uint32_t>(2 * params_.agcus())),
      word_(context_, memory_, first_initiator + static_cast<uint32_t>(2 * params_.agcus()),
            [this](uint32_t word, uint64_t cycle) { word_done(word, cycle); }) {
  context_.fault = [this](const UnitFault& fault) {
    if (state_ != State::execute) return;
    fail({fault.code, fault.unit, fault.address, clock_.time(fault.cycle), fault.text});
  };
  bind_registers();
  present();
  SC_METHOD(act);
  sensitive << wake_;
  dont_initialize();
}

// --- registers ---

void Sequencer::bind_registers() {
  regs_.CONTROL.on_write([this](uint64_t) { control_written(); });
  regs_.STATUS.on_write([this](uint64_t) { update_interrupt(); });
  regs_.IRQ_ENABLE.on_write([this](uint64_t) { update_interrupt(); });
  regs_.PERF_SELECT.on_write([this](uint64_t) {
    const auto unit = static_cast<uint32_t>(regs_.PERF_SELECT.value());
    const unsigned kind = RDU_UNIT_KIND(unit);
    const uint64_t columns = kind == RDU_UNIT_AGCU ? 2 : params_.columns;
    if (kind < RDU_UNIT_PCU || kind > RDU_UNIT_AGCU || RDU_UNIT_ROW(unit) >= params_.rows ||
        RDU_UNIT_COL(unit) >= columns) {
      core::report_guest_fault(
          name(), fmt::format("PERF_SELECT = {:#x} names no unit; its counters read as 0", unit));
    }
  });
  const auto counter = [this](core::Register& reg, auto value) {
    reg.on_read([this, &reg, value] {
      const auto found = last_counts_.find(static_cast<uint32_t>(regs_.PERF_SELECT.value()));
      reg.set_value(found == last_counts_.end() ? 0 : value(found->second));
    });
  };
  regs_.SRAM_ECC_BITS.on_write([this](uint64_t) {
    const uint64_t bits = regs_.SRAM_ECC_BITS.value();
    const auto unit = static_cast<uint32_t>(regs_.SRAM_ECC_UNIT.value());
    const uint64_t address = regs_.SRAM_ECC_ADDRESS.value();
    if (RDU_UNIT_KIND(unit) != RDU_UNIT_PMU ||
        !spoil(RDU_UNIT_ROW(unit), RDU_UNIT_COL(unit), address, bits)) {
      core::report_guest_fault(
          name(), fmt::format("SRAM_ECC_UNIT = {:#x}, SRAM_ECC_ADDRESS = {:#x} name no word of a scratchpad",
                              unit, address));
    }
  });
  regs_.SRAM_ECC_CORRECTED.on_read([this] { regs_.SRAM_ECC_CORRECTED.set_value(pads_.corrected()); });
  regs_.SRAM_ECC_UNCORRECTABLE.on_read(
      [this] { regs_.SRAM_ECC_UNCORRECTABLE.set_value(pads_.uncorrectable()); });
  counter(regs_.PERF_BUSY, [](const UnitCounts& c) { return c.busy; });
  counter(regs_.PERF_STALL_IN, [](const UnitCounts& c) { return c.stalls.input; });
  counter(regs_.PERF_STALL_OUT, [](const UnitCounts& c) { return c.stalls.output; });
  counter(regs_.PERF_VECTORS, [](const UnitCounts& c) { return c.vectors; });
  counter(regs_.PERF_BYTES, [](const UnitCounts& c) { return c.bytes; });
}

bool Sequencer::spoil(uint64_t row, uint64_t column, uint64_t address, uint64_t bits) {
  if (row >= params_.rows || column >= params_.columns || address >= params_.pmu_bytes || address % 4 != 0) {
    return false;
  }
  pads_.at(static_cast<unsigned>(row), static_cast<unsigned>(column)).inject(address, bits);
  return true;
}

void Sequencer::present() {
  regs_.UNITS.set(regs::UNITS::ROWS, params_.rows);
  regs_.UNITS.set(regs::UNITS::COLUMNS, params_.columns);
  regs_.UNITS.set(regs::UNITS::AGCUS, params_.agcus());
}

void Sequencer::set_state(State state) {
  state_ = state;
  regs_.STATUS.set(regs::STATUS::STATE, static_cast<uint64_t>(state));
}

void Sequencer::update_interrupt() {
  const auto raised = [this](core::Field status, core::Field enable) {
    return regs_.STATUS.get(status) != 0 && regs_.IRQ_ENABLE.get(enable) != 0;
  };
  interrupt_.set(raised(regs::STATUS::DONE, regs::IRQ_ENABLE::DONE) ||
                 raised(regs::STATUS::NOTIFIED, regs::IRQ_ENABLE::NOTIFIED));
}

void Sequencer::control_written() {
  const auto bit = [this](core::Field field) { return regs_.CONTROL.get(field) != 0; };
  if (bit(regs::CONTROL::ABORT)) {
    abort();
    return;
  }
  const bool program_load = bit(regs::CONTROL::PLOAD);
  const bool argument_load = bit(regs::CONTROL::ALOAD);
  const bool execute = bit(regs::CONTROL::EXEC);
  const bool run_schedule = bit(regs::CONTROL::SCHEDULE);
  if (!program_load && !argument_load && !execute && !run_schedule) return;
  if (state_ != State::idle) {
    core::report_guest_fault(name(),
                             "a command was written to CONTROL while another one runs; it is ignored");
    regs_.FAULT.set(regs::FAULT::CODE, codes::CODE_BUSY);
    regs_.STATUS.set(regs::STATUS::ERROR, 1);
    return;
  }
  regs_.STATUS.set(regs::STATUS::DONE, 0);
  regs_.STATUS.set(regs::STATUS::ERROR, 0);
  update_interrupt();
  regs_.FAULT.set_value(codes::CODE_NONE);
  regs_.FAULT_UNIT.set_value(0);
  regs_.FAULT_ADDRESS.set_value(0);
  regs_.START_TIME.set_value(core::now() / core::kNanosecond);
  memory_.set_command(static_cast<unsigned>(regs_.CONTROL.get(regs::CONTROL::CONTEXT)),
                      static_cast<core::CommandTag>(regs_.TAG.value()));
  todo_program_load_ = program_load;
  todo_schedule_ = run_schedule;
  todo_scrub_ = (program_load || run_schedule) && bit(regs::CONTROL::SCRUB);
  todo_argument_load_ = argument_load;
  todo_execute_ = execute;
  unload_ = false;
  next_step();
}

void Sequencer::abort() {
  jammed_ = false;
  if (state_ == State::idle) {
    unload();
    regs_.STATUS.set(regs::STATUS::DONE, 1);
    update_interrupt();
    return;
  }
  unload_ = true;
  if (state_ != State::quiesce) stop({codes::CODE_ABORTED, 0, 0, core::now(), "aborted"});
}

void Sequencer::host_reset() {
  memory_.abandon();
  wake_.cancel();
  step_end_.reset();
  horizon_.reset();
  fault_.reset();
  unload_ = false;
  jammed_ = false;
  schedule_.clear();
  scrubbed_ = 0;
  graph_.reset();
  pads_.clear();
  pads_.clear_counts();
  last_counts_.clear();
  regs_.reset();
  set_state(State::idle);
  present();
  update_interrupt();
}

// --- a command's steps ---

void Sequencer::next_step() {
  horizon_.reset();
  step_begin_ = core::now();
  step_cycle_ = clock_.cycles_ceil(step_begin_);
  step_end_.reset();
  fault_.reset();
  if (todo_program_load_) {
    todo_program_load_ = false;
    start_program_load(regs_.PROGRAM_ADDRESS.value(), regs_.PROGRAM_SIZE.value());
  } else if (todo_argument_load_) {
    todo_argument_load_ = false;
    start_argument_load(regs_.ARGUMENT_ADDRESS.value(), regs_.ARGUMENT_COUNT.value());
  } else if (todo_execute_) {
    todo_execute_ = false;
    start_execution();
  } else if (todo_schedule_) {
    todo_schedule_ = false;
    start_schedule();
  } else if (schedule_.running()) {
    start_instruction();
  } else {
    set_state(State::idle);
    command_ended();
  }
}

void Sequencer::unload() {
  graph_.reset();
  regs_.STATUS.set(regs::STATUS::LOADED, 0);
}

void Sequencer::start_program_load(uint64_t address, uint64_t size) {
  set_state(State::program_load);
  unload();
  if (todo_scrub_) scrub();
  const uint64_t most = ProgramImage::largest(params_);
  if (size < sizeof(rdu_program_header) || size > most) {
    fail({codes::CODE_BAD_SIZE, 0, 0, core::now(),
          fmt::format("a program's size of {} bytes is not in {}..{}", size, sizeof(rdu_program_header),
                      most)});
    return;
  }
  configuration_chain_.start(step_cycle_);
  fetch_.start(step_cycle_, address, size, configuration_chain_);
}

/// The scratchpads clear themselves, side by side, while the stream is read.
void Sequencer::scrub() {
  todo_scrub_ = false;
  pads_.clear();
  last_counts_.clear();
  const uint64_t cycles = (params_.pmu_bytes + params_.pmu_scrub_bytes - 1) / params_.pmu_scrub_bytes;
  scrubbed_ = cycle_time(step_cycle_ + cycles);
}

void Sequencer::start_argument_load(uint64_t address, uint64_t count) {
  set_state(State::argument_load);
  if (!graph_) {
    fail({codes::CODE_NO_PROGRAM, 0, 0, core::now(), "argument load, but no program is loaded"});
    return;
  }
  if (count == 0) {
    regs_.ALOAD_CYCLES.set_value(0);
    next_step();
    return;
  }
  if (count > kMostArguments) {
    fail({codes::CODE_BAD_SIZE, 0, 0, core::now(),
          fmt::format("{} arguments are more than {}", count, kMostArguments)});
    return;
  }
  argument_chain_.start(step_cycle_);
  fetch_.start(step_cycle_, address, count * sizeof(rdu_argument_tuple), argument_chain_);
}

void Sequencer::start_execution() {
  set_state(State::execute);
  if (!graph_) {
    fail({codes::CODE_NO_PROGRAM, 0, 0, core::now(), "execute, but no program is loaded"});
    return;
  }
  ++step_cycle_;  // the start wire
  graph_->start(step_cycle_);
  run_graph();
  look_for_end();
}

// --- schedules ---

void Sequencer::start_schedule() {
  set_state(State::schedule);
  unload();
  if (todo_scrub_) scrub();
  for (core::Register* reg : {&regs_.PLOAD_CYCLES, &regs_.ALOAD_CYCLES, &regs_.EXEC_CYCLES,
                              &regs_.SCHEDULE_INDEX, &regs_.SCHEDULE_EXECUTIONS}) {
    reg->set_value(0);
  }
  const uint64_t size = regs_.SCHEDULE_SIZE.value();
  constexpr uint64_t kBytes = sizeof(rdu_schedule_instruction);
  if (size == 0 || size % kBytes != 0 || size / kBytes > RDU_SCHEDULE_MOST) {
    fail({codes::CODE_BAD_SCHEDULE, 0, 0, core::now(),
          fmt::format("SCHEDULE_SIZE = {} is not that of 1 to {} instructions of {} bytes", size,
                      RDU_SCHEDULE_MOST, kBytes)});
    return;
  }
  instructions_.start(step_cycle_);
  fetch_.start(step_cycle_, regs_.SCHEDULE_ADDRESS.value(), size, instructions_);
}

void Sequencer::look_for_end_of_schedule_fetch() {
  if (step_end_ || fault_ || schedule_.running() || !fetch_.done()) return;
  try {
    schedule_.load(fetch_.data());
    step_end_ = std::max(cycle_time(instructions_.end()), scrubbed_);
    schedule();
  } catch (const BadSchedule& e) {
    regs_.SCHEDULE_INDEX.set_value(e.index());
    fail({codes::CODE_BAD_SCHEDULE, 0, 0, cycle_time(instructions_.end()),
          fmt::format("instruction {}: {}", e.index(), e.what())});
  }
}

void Sequencer::end_at(uint64_t cycle) {
  step_end_ = cycle_time(cycle);
  schedule();
}

void Sequencer::start_instruction() {
  set_state(State::schedule);
  regs_.SCHEDULE_INDEX.set_value(schedule_.index());
  ++step_cycle_;  // it is decoded
  const rdu_schedule_instruction i = schedule_.now();
  switch (i.op) {
    case RDU_SCHEDULE_LOAD:
      schedule_.next();
      start_program_load(i.address, i.count);
      break;
    case RDU_SCHEDULE_ARGUMENTS:
      schedule_.next();
      start_argument_load(i.address, i.count);
      break;
    case RDU_SCHEDULE_ARGUMENT:
      write_arguments(schedule_.arguments());
      break;
    case RDU_SCHEDULE_EXECUTE:
      schedule_.next();
      start_execution();
      break;
    case RDU_SCHEDULE_LOOP:
    case RDU_SCHEDULE_END_LOOP:
      schedule_.next();
      end_at(step_cycle_);
      break;
    case RDU_SCHEDULE_SKIP:
    case RDU_SCHEDULE_BREAK:
    case RDU_SCHEDULE_WAIT:
      if (i.condition == RDU_IF_ALWAYS) {
        schedule_.jump();
        end_at(step_cycle_);
      } else {
        looked_ = step_cycle_;
        word_.read(looked_, i.address);
      }
      break;
    case RDU_SCHEDULE_NOTIFY:
      if (i.address == 0) {
        set_notified(i);
        end_at(step_cycle_);
      } else {
        word_.write(step_cycle_, i.address, static_cast<uint32_t>(i.value));
      }
      break;
    default:  // END
      schedule_.clear();
      set_state(State::idle);
      command_ended();
  }
}

void Sequencer::word_done(uint32_t word, uint64_t cycle) {
  const rdu_schedule_instruction i = schedule_.now();
  if (i.op == RDU_SCHEDULE_NOTIFY) {
    set_notified(i);
  } else if (i.op == RDU_SCHEDULE_WAIT && !schedule_.holds(word)) {
    looked_ = std::max(cycle, looked_ + i.count);
    word_.read(looked_, i.address);
    return;
  } else if (i.op != RDU_SCHEDULE_WAIT && schedule_.holds(word)) {
    schedule_.jump();
  } else {
    schedule_.next();
  }
  end_at(cycle);
}

void Sequencer::set_notified(const rdu_schedule_instruction& i) {
  schedule_.next();
  regs_.NOTIFY_VALUE.set_value(i.value);
  regs_.STATUS.set(regs::STATUS::NOTIFIED, 1);
  update_interrupt();
}

void Sequencer::write_arguments(const std::vector<rdu_argument_tuple>& pairs) {
  set_state(State::argument_load);
  uint64_t words = 0;
  for (const rdu_argument_tuple& pair : pairs) words += pair.count == 2 ? 2 : 1;
  const auto* bytes = reinterpret_cast<const uint8_t*>(pairs.data());
  try {
    if (!graph_) throw LoadFault(codes::CODE_NO_PROGRAM, 0, "an argument, but no program is loaded");
    load_arguments({bytes, bytes + pairs.size() * sizeof pairs[0]});
    end_at(step_cycle_ + words + ProgramImage::units_of(params_));
  } catch (const LoadFault& e) {
    fail({e.code(), e.unit(), 0, cycle_time(step_cycle_ + words), e.what()});
  }
}

void Sequencer::run_graph() {
  const uint64_t horizon = std::max(step_cycle_, clock_.cycles_ceil(core::now())) + kRunAhead;
  horizon_.reset();
  if (const std::optional<uint64_t> again = graph_->run(horizon)) horizon_ = cycle_time(*again);
}

void Sequencer::memory_answered() {
  if (state_ == State::execute && graph_) run_graph();
  look_for_end();
}

void Sequencer::look_for_end() {
  if (state_ == State::quiesce) {
    schedule();
  } else if (state_ == State::execute) {
    look_for_end_of_execution();
  } else if (state_ == State::schedule) {
    look_for_end_of_schedule_fetch();
  } else if (state_ != State::idle) {
    look_for_end_of_fetch();
  }
}

void Sequencer::look_for_end_of_fetch() {
  if (step_end_ || fault_ || !fetch_.done()) return;
  const bool is_program = state_ == State::program_load;
  const auto end = [&](uint64_t units) {
    return cycle_time(is_program ? configuration_chain_.end(units) : argument_chain_.end(units));
  };
  try {
    if (is_program) {
      load_program();
    } else {
      load_arguments(fetch_.data());
    }
    step_end_ = end(ProgramImage::units_of(params_));
    if (is_program) step_end_ = std::max(*step_end_, scrubbed_);
    schedule();
  } catch (const LoadFault& e) {
    fail({e.code(), e.unit(), 0, end(0), e.what()});
  }
}

void Sequencer::look_for_end_of_execution() {
  if (step_end_ || fault_) {
    schedule();  // until then the graph goes on
  } else if (const std::optional<uint64_t> end = graph_->end()) {
    step_end_ = cycle_time(std::max(*end, step_cycle_));
    schedule();
  } else if (horizon_) {
    schedule();
  } else if (memory_.in_flight() == 0) {
    uint32_t unit = 0;
    const std::string text = graph_->blocked(&unit);
    const core::Time last =
        std::max({core::now(), memory_.last_answer(), cycle_time(graph_->last_activity())});
    fail({codes::CODE_HUNG, unit, 0, last, "the kernel hangs: " + text});
  }
}

void Sequencer::load_program() {
  program_.parse(fetch_.data());
  graph_ = std::make_unique<Graph>(site_, program_);
}

void Sequencer::load_arguments(const std::vector<uint8_t>& pairs) {
  const std::vector<uint32_t> touched = program_.apply_arguments(pairs);
  try {
    if (!graph_->reconfigure(program_, touched)) graph_ = std::make_unique<Graph>(site_, program_);
  } catch (const LoadFault&) {
    program_.undo_arguments();
    throw;
  }
}

void Sequencer::account_cycles(core::Register& reg, uint64_t cycles) {
  reg.set_value(schedule_.running() ? reg.value() + cycles : cycles);
}

void Sequencer::finish_program_load() {
  regs_.STATUS.set(regs::STATUS::LOADED, 1);
  const uint64_t cycles = clock_.cycles_ceil(core::now()) - step_cycle_;
  account_cycles(regs_.PLOAD_CYCLES, cycles);
  ++statistics_.program_loads;
  statistics_.program_load_cycles += cycles;
  core::Tracer& tracer = core::Tracer::get();
  if (tracer.enabled()) {
    tracer.slice(track_, step_begin_, core::now(), "program load", memory_.tag(),
                 fmt::format("bytes={}", fetch_.data().size()));
  }
  next_step();
}

void Sequencer::finish_argument_load() {
  const uint64_t cycles = clock_.cycles_ceil(core::now()) - step_cycle_;
  account_cycles(regs_.ALOAD_CYCLES, cycles);
  ++statistics_.argument_loads;
  statistics_.argument_load_cycles += cycles;
  core::Tracer& tracer = core::Tracer::get();
  if (tracer.enabled()) {
    tracer.slice(track_, step_begin_, core::now(), "argument load", memory_.tag());
  }
  next_step();
}

void Sequencer::finish_execution() {
  account_execution(core::now());
  ++statistics_.executions;
  if (schedule_.running()) regs_.SCHEDULE_EXECUTIONS.set_value(regs_.SCHEDULE_EXECUTIONS.value() + 1);
  memory_.abandon();  // loads that nobody has waited for
  next_step();
}

void Sequencer::account_execution(core::Time end) {
  const uint64_t cycles = std::max(clock_.cycles_ceil(end), step_cycle_) - step_cycle_;
  account_cycles(regs_.EXEC_CYCLES, cycles);
  statistics_.execution_cycles += cycles;
  core::Tracer& tracer = core::Tracer::get();
  if (tracer.enabled())
    tracer.slice(track_, step_begin_, end, "execute", memory_.tag(), fmt::format("cycles={}", cycles));
  last_counts_.clear();
  for (const auto& [unit, counts] : graph_->counts()) {
    last_counts_.emplace(unit, counts);
    UnitStatistics& total = unit_statistics_[unit];
    ++total.executions;
    total.busy += counts.busy;
    statistics_.busy[RDU_UNIT_KIND(unit)] += counts.busy;
    total.stall_in += counts.stalls.input;
    total.stall_out += counts.stalls.output;
    total.vectors += counts.vectors;
    total.bytes += counts.bytes;
    // A switch that is not clocked has no times of its own.
    const bool has_times = RDU_UNIT_KIND(unit) != RDU_UNIT_SWITCH;
    core::TraceHash::get().add(kUnitTimes, has_times ? cycle_time(counts.first) : 0, unit,
                               has_times ? cycle_time(counts.last) : 0);
    core::TraceHash::get().add(kUnitCounts, cycle_time(counts.busy), counts.firings, counts.vectors);
    if (RDU_UNIT_KIND(unit) == RDU_UNIT_AGCU) {
      const AgcuUnit& agcu = graph_->agcu(unit);
      statistics_.bytes_loaded += agcu.bytes_loaded();
      statistics_.bytes_stored += agcu.bytes_stored();
    }
    if (tracer.enabled() && counts.firings != 0 && RDU_UNIT_KIND(unit) != RDU_UNIT_SWITCH) {
      tracer.slice(tracer.track(tile_ + "." + unit_name(unit)), cycle_time(counts.first),
                   cycle_time(counts.last + 1), "execute", memory_.tag(),
                   fmt::format("firings={} busy={} stall_in={} stall_out={}", counts.firings, counts.busy,
                               counts.stalls.input, counts.stalls.output));
    }
  }
}

// --- ends ---

void Sequencer::memory_fault(const Fault& fault) {
  if (state_ != State::idle && state_ != State::quiesce) fail(fault);
}

void Sequencer::fail(Fault fault) {
  // Of several, the first in time counts, whichever the simulator comes across first.
  const auto order = [](const Fault& f) { return std::make_tuple(f.time, f.unit, f.address); };
  if (state_ == State::program_load) fault.time = std::max(fault.time, scrubbed_);
  if (!fault_ || order(fault) < order(*fault_)) fault_ = std::move(fault);
  schedule();
}

void Sequencer::stop(const Fault& fault) {
  ++statistics_.faults;
  regs_.FAULT.set(regs::FAULT::CODE, fault.code);
  regs_.FAULT_UNIT.set_value(fault.unit);
  regs_.FAULT_ADDRESS.set_value(fault.address);
  regs_.STATUS.set(regs::STATUS::ERROR, 1);
  core::report_guest_fault(
      fault.unit == 0 ? std::string(name()) : tile_ + "." + unit_name(fault.unit),
      fmt::format("{}: {}{}", code_name(fault.code),
                  schedule_.running() ? fmt::format("instruction {}: ", regs_.SCHEDULE_INDEX.value()) : "",
                  fault.text));
  if (state_ == State::execute && graph_) account_execution(core::now());
  if (state_ == State::program_load) graph_.reset();
  memory_.abandon();
  schedule_.clear();
  step_end_.reset();
  horizon_.reset();
  fault_.reset();
  set_state(State::quiesce);
  settle();
}

void Sequencer::settle() {
  if (memory_.in_flight() != 0 || memory_.last_answer() > core::now()) {
    schedule();
    return;
  }
  if (unload_) unload();
  unload_ = false;
  set_state(State::idle);
  command_ended();
}

void Sequencer::command_ended() {
  regs_.END_TIME.set_value(core::now() / core::kNanosecond);
  regs_.STATUS.set(regs::STATUS::DONE, 1);
  update_interrupt();
}

void Sequencer::schedule() {
  core::Time at = core::kNever;
  if (fault_) at = std::min(at, fault_->time);
  if (step_end_) at = std::min(at, *step_end_);
  if (horizon_) at = std::min(at, *horizon_);
  if (state_ == State::quiesce && memory_.in_flight() == 0) at = std::min(at, memory_.last_answer());
  wake_.cancel();
  if (at == core::kNever) return;
  const core::Time now = core::now();
  if (at <= now) {
    wake_.notify(sc_core::SC_ZERO_TIME);
  } else {
    wake_.notify(core::to_sc(at - now));
  }
}

void Sequencer::act() {
  const core::Time now = core::now();
  if (state_ == State::quiesce) {
    settle();
  } else if (jammed_) {
    return;
  } else if (fault_ && fault_->time <= now) {
    stop(Fault(*fault_));
  } else if (step_end_ && *step_end_ <= now) {
    if (state_ == State::program_load) {
      finish_program_load();
    } else if (state_ == State::argument_load) {
      finish_argument_load();
    } else if (state_ == State::schedule) {
      next_step();
    } else {
      finish_execution();
    }
  } else if (horizon_ && *horizon_ <= now) {
    run_graph();
    look_for_end();
    schedule();
  } else {
    schedule();
  }
}

std::vector<UnitStatistics> Sequencer::unit_statistics() const {
  const FidelityMap fidelity(params_);
  std::vector<UnitStatistics> all;
  for (const auto& [unit, statistics] : unit_statistics_) {
    all.push_back(statistics);
    all.back().unit = unit;
    all.back().name = unit_name(unit);
    all.back().fidelity = to_string(fidelity.of(unit));
  }
  return all;
}

}  // namespace rdu::fabric
