#include "fabric/agcu/sequencer.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "core/error.h"
#include "core/trace.h"
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
      "NONE",     "NO_PROGRAM", "BAD_MAGIC", "BAD_VERSION", "BAD_SIZE", "BAD_CRC", "BAD_SHAPE", "BAD_UNIT",
      "BAD_WORD", "BAD_CONFIG", "BAD_ROUTE", "SEGMENT",     "MEMORY",   "HUNG",    "ABORTED",   "BUSY"};
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
      fetch_(context_, memory_, first_initiator + static_cast<uint32_t>(2 * params_.agcus())) {
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
  counter(regs_.PERF_BUSY, [](const UnitCounts& c) { return c.busy; });
  counter(regs_.PERF_STALL_IN, [](const UnitCounts& c) { return c.stalls.input; });
  counter(regs_.PERF_STALL_OUT, [](const UnitCounts& c) { return c.stalls.output; });
  counter(regs_.PERF_VECTORS, [](const UnitCounts& c) { return c.vectors; });
  counter(regs_.PERF_BYTES, [](const UnitCounts& c) { return c.bytes; });
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
  interrupt_.set(regs_.STATUS.get(regs::STATUS::DONE) != 0 &&
                 regs_.IRQ_ENABLE.get(regs::IRQ_ENABLE::DONE) != 0);
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
  if (!program_load && !argument_load && !execute) return;
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
  todo_scrub_ = program_load && bit(regs::CONTROL::SCRUB);
  todo_argument_load_ = argument_load;
  todo_execute_ = execute;
  unload_ = false;
  next_step();
}

void Sequencer::abort() {
  jammed_ = false;
  if (state_ == State::idle) {
    graph_.reset();
    regs_.STATUS.set(regs::STATUS::LOADED, 0);
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
  scrubbed_ = 0;
  graph_.reset();
  pads_.clear();
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
    start_program_load();
  } else if (todo_argument_load_) {
    todo_argument_load_ = false;
    start_argument_load();
  } else if (todo_execute_) {
    todo_execute_ = false;
    start_execution();
  } else {
    set_state(State::idle);
    command_ended();
  }
}

void Sequencer::start_program_load() {
  set_state(State::program_load);
  graph_.reset();
  regs_.STATUS.set(regs::STATUS::LOADED, 0);
  if (todo_scrub_) scrub();
  const uint64_t size = regs_.PROGRAM_SIZE.value();
  const uint64_t most = ProgramImage::largest(params_);
  if (size < sizeof(rdu_program_header) || size > most) {
    fail({codes::CODE_BAD_SIZE, 0, 0, core::now(),
          fmt::format("PROGRAM_SIZE = {} is not in {}..{}", size, sizeof(rdu_program_header), most)});
    return;
  }
  configuration_chain_.start(step_cycle_);
  fetch_.start(step_cycle_, regs_.PROGRAM_ADDRESS.value(), size, configuration_chain_);
}

/// The scratchpads clear themselves, side by side, while the stream is read.
void Sequencer::scrub() {
  todo_scrub_ = false;
  pads_.clear();
  last_counts_.clear();
  const uint64_t cycles = (params_.pmu_bytes + params_.pmu_scrub_bytes - 1) / params_.pmu_scrub_bytes;
  scrubbed_ = cycle_time(step_cycle_ + cycles);
}

void Sequencer::start_argument_load() {
  set_state(State::argument_load);
  if (!graph_) {
    fail({codes::CODE_NO_PROGRAM, 0, 0, core::now(), "argument load, but no program is loaded"});
    return;
  }
  const uint64_t count = regs_.ARGUMENT_COUNT.value();
  if (count == 0) {
    regs_.ALOAD_CYCLES.set_value(0);
    next_step();
    return;
  }
  if (count > kMostArguments) {
    fail({codes::CODE_BAD_SIZE, 0, 0, core::now(),
          fmt::format("ARGUMENT_COUNT = {} is more than {}", count, kMostArguments)});
    return;
  }
  argument_chain_.start(step_cycle_);
  fetch_.start(step_cycle_, regs_.ARGUMENT_ADDRESS.value(), count * sizeof(rdu_argument_tuple),
               argument_chain_);
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
      load_arguments();
    }
    step_end_ = end(ProgramImage::units_of(params_));
    if (is_program) step_end_ = std::max(*step_end_, scrubbed_);
    schedule();
  } catch (const LoadFault& e) {
    fail({e.code(), e.unit(), 0, end(0), e.what()});
  }
}

void Sequencer::look_for_end_of_execution() {
  if (step_end_ || fault_) return;
  if (const std::optional<uint64_t> end = graph_->end()) {
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

void Sequencer::load_arguments() {
  const std::vector<uint32_t> touched = program_.apply_arguments(fetch_.data());
  try {
    if (!graph_->reconfigure(program_, touched)) graph_ = std::make_unique<Graph>(site_, program_);
  } catch (const LoadFault&) {
    program_.undo_arguments();
    throw;
  }
}

void Sequencer::finish_program_load() {
  regs_.STATUS.set(regs::STATUS::LOADED, 1);
  const uint64_t cycles = clock_.cycles_ceil(core::now()) - step_cycle_;
  regs_.PLOAD_CYCLES.set_value(cycles);
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
  regs_.ALOAD_CYCLES.set_value(cycles);
  ++statistics_.argument_loads;
  statistics_.argument_load_cycles += cycles;
  core::Tracer& tracer = core::Tracer::get();
  if (tracer.enabled()) {
    tracer.slice(track_, step_begin_, core::now(), "argument load", memory_.tag(),
                 fmt::format("tuples={}", fetch_.data().size() / sizeof(rdu_argument_tuple)));
  }
  next_step();
}

void Sequencer::finish_execution() {
  account_execution(core::now());
  ++statistics_.executions;
  memory_.abandon();  // loads that nobody has waited for
  next_step();
}

void Sequencer::account_execution(core::Time end) {
  const uint64_t cycles = std::max(clock_.cycles_ceil(end), step_cycle_) - step_cycle_;
  regs_.EXEC_CYCLES.set_value(cycles);
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
    core::TraceHash::get().add(kUnitTimes, cycle_time(counts.first), unit, cycle_time(counts.last));
    core::TraceHash::get().add(kUnitCounts, cycle_time(counts.busy), counts.firings, counts.vectors);
    if (RDU_UNIT_KIND(unit) == RDU_UNIT_AGCU) {
      const Agcu* agcu = static_cast<const Agcu*>(graph_->find(unit));
      statistics_.bytes_loaded += agcu->bytes_loaded();
      statistics_.bytes_stored += agcu->bytes_stored();
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
  if (state_ == State::program_load || state_ == State::argument_load || state_ == State::execute)
    fail(fault);
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
  core::report_guest_fault(fault.unit == 0 ? std::string(name()) : tile_ + "." + unit_name(fault.unit),
                           fmt::format("{}: {}", code_name(fault.code), fault.text));
  if (state_ == State::execute && graph_) account_execution(core::now());
  if (state_ == State::program_load) graph_.reset();
  memory_.abandon();
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
  if (unload_) {
    graph_.reset();
    regs_.STATUS.set(regs::STATUS::LOADED, 0);
  }
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
  std::vector<UnitStatistics> all;
  for (const auto& [unit, statistics] : unit_statistics_) {
    all.push_back(statistics);
    all.back().unit = unit;
    all.back().name = unit_name(unit);
  }
  return all;
}

}  // namespace rdu::fabric
