#include "fabric/pcu/pcu_cycle.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "core/error.h"
#include "fabric/math/cross_lane.h"
#include "fabric/math/scalar.h"
#include "fabric/math/tail.h"
#include "regs/pcu.hpp"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::pcu;
namespace S = rdu::regs::pcu::STAGE;

unsigned log2_of(uint64_t power_of_two) {
  unsigned n = 0;
  while (power_of_two >>= 1) ++n;
  return n;
}

bool is_cross_lane(uint32_t op) {
  return op >= S::OP_FRED_SUM;
}

/// Operands that an operation reads: A, A and B, or all three.
unsigned operands_of(uint32_t op) {
  switch (op) {
    case S::OP_MOV:
    case S::OP_FABS:
    case S::OP_FNEG:
    case S::OP_IABS:
    case S::OP_INEG:
    case S::OP_NOT:
    case S::OP_I2F:
    case S::OP_F2I:
    case S::OP_F2I_ZERO:
    case S::OP_F2I_FLOOR:
    case S::OP_RBF16:
    case S::OP_SRBF16:
    case S::OP_SAT8:
      return 1;
    case S::OP_FMADD:
    case S::OP_FNMADD:
    case S::OP_SEL:
      return 3;
    case S::OP_BCAST:
    case S::OP_UP:
    case S::OP_DOWN:
      return 2;
    default:
      return is_cross_lane(op) ? 1 : 2;
  }
}

}  // namespace

PcuCycle::PcuCycle(const FabricParams& params) : params_(params) {
  pins_.packet_in = kInputs;
  pins_.packet_out = kPrograms;
  pins_.scalar_in = 2;
  pins_.scalar_out = 1;
  pins_.token_in = 2;
  pins_.token_out = 2;
  pins_.actors = kPrograms;
}

void PcuCycle::reset() {
  inputs_ = {};
  constants_ = {};
  programs_ = {};
  now_ = 0;
  for (auto& fifo : fifos_) fifo.clear();
  for (auto& fifo : words_) fifo.clear();
  tokens_ = {};
  for (auto& flights : flights_) flights.clear();
  for (auto& out : out_) {
    out.entries.clear();
    out.used = 0;
    out.leaves = false;
  }
  scalar_out_.entries.clear();
  scalar_out_.used = 0;
  scalar_out_.leaves = false;
  accumulators_ = {};
  free_from_ = {};
  tile_ = step_ = drained_ = 0;
  tiles_ = {};
  drained_packets_ = 0;
  signals_.clear();
}

// --- configuration ---

void PcuCycle::configure(const ConfigWords& words) {
  for (unsigned i = 0; i < kInputs; ++i) {
    const uint64_t offset = regs::kINPUT_OFFSET + i * regs::kINPUT_STRIDE;
    inputs_[i] = {words.get(offset, regs::INPUT::FORMAT), words.get(offset, regs::INPUT::PROGRAM),
                  words.get(offset, regs::INPUT::PRED)};
    constants_[i] = words.at(regs::kCONST_OFFSET + i * regs::kCONST_STRIDE);
  }
  for (unsigned p = 0; p < kPrograms; ++p) decode_program(p, words);
}

void PcuCycle::decode_program(unsigned p, const ConfigWords& words) {
  Program& program = programs_[p];
  const uint64_t base = p * regs::kPROGRAM_STRIDE;
  const auto get = [&](uint64_t offset, core::Field field) { return words.get(base + offset, field); };
  program.mode = get(regs::kPROGRAM_MODE_OFFSET, regs::PROGRAM_MODE::MODE);
  program.is_over = program.mode == regs::PROGRAM_MODE::MODE_OFF;
  if (program.is_over) return;
  program.lanes = get(regs::kPROGRAM_MODE_OFFSET, regs::PROGRAM_MODE::LANES);
  program.tail = get(regs::kPROGRAM_MODE_OFFSET, regs::PROGRAM_MODE::TAIL);
  program.format = get(regs::kPROGRAM_OUT_OFFSET, regs::PROGRAM_OUT::FORMAT);
  program.out_pred = get(regs::kPROGRAM_OUT_OFFSET, regs::PROGRAM_OUT::PRED);
  program.is_scalar = get(regs::kPROGRAM_OUT_OFFSET, regs::PROGRAM_OUT::SCALAR) != 0;
  program.has_sequence = get(regs::kPROGRAM_OUT_OFFSET, regs::PROGRAM_OUT::SEQUENCE) != 0;
  program.flow = get(regs::kPROGRAM_OUT_OFFSET, regs::PROGRAM_OUT::FLOW);
  program.sequence = get(regs::kPROGRAM_SEQ_OFFSET, regs::PROGRAM_SEQ::FIRST);
  program.sequence_step = get(regs::kPROGRAM_SEQ_OFFSET, regs::PROGRAM_SEQ::STEP);
  if (get(regs::kPROGRAM_OUT_OFFSET, regs::PROGRAM_OUT::DYNAMIC) != 0) {
    program.flow = 7;
    program.destination = words.at(base + regs::kPROGRAM_DEST_OFFSET) & 0x1fffff;
  }
  program.k = get(regs::kPROGRAM_MATRIX_OFFSET, regs::PROGRAM_MATRIX::K);
  program.rows = get(regs::kPROGRAM_MATRIX_OFFSET, regs::PROGRAM_MATRIX::ROWS);
  program.is_int8 = get(regs::kPROGRAM_MATRIX_OFFSET, regs::PROGRAM_MATRIX::TYPE) != 0;
  program.waits = get(regs::kPROGRAM_TOKEN_OFFSET, regs::PROGRAM_TOKEN::WAIT) != 0;
  program.wait_input = get(regs::kPROGRAM_TOKEN_OFFSET, regs::PROGRAM_TOKEN::WAIT_INPUT);
  program.wait_level = get(regs::kPROGRAM_TOKEN_OFFSET, regs::PROGRAM_TOKEN::WAIT_LEVEL);
  program.signals = get(regs::kPROGRAM_TOKEN_OFFSET, regs::PROGRAM_TOKEN::SIGNAL) != 0;
  program.signal_level = get(regs::kPROGRAM_TOKEN_OFFSET, regs::PROGRAM_TOKEN::SIGNAL_LEVEL);
  for (unsigned l = 0; l < kLevels; ++l) {
    const uint32_t count = words.at(base + regs::kPROGRAM_COUNT_OFFSET + l * regs::kPROGRAM_COUNT_STRIDE);
    program.counts[l] = count == 0 ? 1 : count;
  }
  for (unsigned n = 1; n < 4; ++n) {
    const uint64_t offset = regs::kPROGRAM_PRED_OFFSET + (n - 1) * regs::kPROGRAM_PRED_STRIDE;
    program.predicates[n] = {get(offset, regs::PROGRAM_PRED::KIND), get(offset, regs::PROGRAM_PRED::LEVEL),
                             get(offset, regs::PROGRAM_PRED::NOT) != 0,
                             get(offset, regs::PROGRAM_PRED::VALUE)};
  }
  for (unsigned s = 0; s < 2; ++s) {
    const uint64_t offset = regs::kPROGRAM_SCALAR_IN_OFFSET + s * regs::kPROGRAM_SCALAR_IN_STRIDE;
    program.scalar_enabled[s] = get(offset, regs::PROGRAM_SCALAR_IN::ENABLE) != 0;
    program.scalar_level[s] = get(offset, regs::PROGRAM_SCALAR_IN::LEVEL);
  }
  const auto seed = words.at(base + regs::kPROGRAM_SEED_OFFSET);
  for (unsigned lane = 0; lane < kLanes; ++lane) program.random[lane] = scalar::random_start(seed, lane);

  switch (program.tail) {
    case regs::PROGRAM_MODE::TAIL_NONE:
      program.tail_latency = 1;
      break;
    case regs::PROGRAM_MODE::TAIL_EXP:
      program.tail_latency = params_.exp_cycles;
      break;
    case regs::PROGRAM_MODE::TAIL_RECIP:
      program.tail_latency = params_.recip_cycles;
      break;
    default:
      program.tail_latency = params_.tail_cycles;
      break;
  }
  if (program.mode == regs::PROGRAM_MODE::MODE_MATRIX) return;

  const unsigned first = get(regs::kPROGRAM_MODE_OFFSET, regs::PROGRAM_MODE::FIRST);
  program.stage_count = get(regs::kPROGRAM_MODE_OFFSET, regs::PROGRAM_MODE::STAGES);
  for (unsigned i = 0; i < program.stage_count; ++i) {
    Stage& stage = program.stages[i];
    decode_stage(first + i, words, stage);
    if (stage.op == S::OP_NOP) continue;
    const unsigned reads = stage.alt != 0 ? 3 : operands_of(stage.op);
    for (unsigned o = 0; o < reads; ++o) {
      const uint32_t source = stage.source[o];
      if (source >= S::A_IN0 && source <= S::A_IN3) program.uses[source - S::A_IN0] = true;
    }
  }
  uint64_t due = 1;  // the header: packets of the longest input that is used
  for (unsigned i = 0; i < kInputs; ++i) {
    if (program.uses[i]) due = std::max<uint64_t>(due, packets_in(i));
  }
  for (unsigned i = 0; i < program.stage_count; ++i) {
    Stage& stage = program.stages[i];
    if (is_cross_lane(stage.op)) due += log2_of(params_.lanes) + 1;
    stage.due = due++;
  }
  program.latency = due + program.tail_latency;
}

void PcuCycle::decode_stage(unsigned i, const ConfigWords& words, Stage& stage) {
  const uint64_t offset = regs::kSTAGE_OFFSET + i * regs::kSTAGE_STRIDE;
  stage.op = words.get(offset, S::OP);
  stage.source = {words.get(offset, S::A), words.get(offset, S::B), words.get(offset, S::C)};
  stage.pred = words.get(offset, S::PRED);
  stage.alt = words.get(offset, S::ALT);
  stage.save = words.get(offset, S::SAVE) != 0;
  stage.reg = words.get(offset, S::REG);
}

unsigned PcuCycle::packets_in(unsigned input) const {
  const uint32_t format = inputs_[input].format;
  return format == regs::INPUT::FORMAT_FP32 || format == regs::INPUT::FORMAT_INT32 ? 2 : 1;
}

unsigned PcuCycle::packets_out(const Program& program) const {
  if (program.is_scalar) return 1;
  return program.format == regs::PROGRAM_OUT::FORMAT_FP32 || program.format == regs::PROGRAM_OUT::FORMAT_INT32
             ? 2
             : 1;
}

// --- a clock ---

void PcuCycle::start(const PinCredits& credits, PinOutputs& out) {
  for (unsigned p = 0; p < kPrograms; ++p) out_[p].credits = credits.out[p][0];
  scalar_out_.credits = credits.scalar_out[0][0];
  is_active_ = true;
  show(out);
}

/// The end of cycle now_. Headers have seen what comes in, too; their credits go out in the next cycle.
void PcuCycle::tick(const PinInputs& in, PinOutputs& out) {
  is_active_ = (in.valid | in.credit | in.scalar_valid | in.scalar_credit | in.tokens) != 0;
  arriving_ = in.valid;
  for (unsigned p = 0; p < kPrograms; ++p) {
    if (programs_[p].mode == regs::PROGRAM_MODE::MODE_SIMD) header(p, out);
  }
  if (programs_[0].mode == regs::PROGRAM_MODE::MODE_MATRIX) matrix_step(out);
  for (unsigned i = 0; i < kInputs; ++i) {
    if ((in.valid >> i & 1) == 0) continue;
    Packet packet;
    std::memcpy(packet.data(), in.data[i], kPacketBytes);
    fifos_[i].push_back(packet);
  }
  for (unsigned s = 0; s < 2; ++s) {
    if ((in.scalar_valid >> s & 1) != 0) words_[s].push_back(in.scalar[s]);
    if ((in.tokens >> s & 1) != 0) ++tokens_[s];
  }
  for (unsigned p = 0; p < kPrograms; ++p) {
    if ((in.credit >> p & 1) != 0) ++out_[p].credits;
  }
  if ((in.scalar_credit & 1) != 0) ++scalar_out_.credits;
  ++now_;
  show(out);
}

/// What happens in cycle now_ by what lies in the registers.
void PcuCycle::show(PinOutputs& out) {
  for (unsigned p = 0; p < kPrograms; ++p) {
    if (programs_[p].mode == regs::PROGRAM_MODE::MODE_SIMD) move(p, out);
  }
  if (programs_[0].mode == regs::PROGRAM_MODE::MODE_MATRIX) {
    while (!signals_.empty() && signals_.front() == now_) {
      out.tokens |= 1;
      signals_.pop_front();
    }
    is_active_ |= !signals_.empty();
  }
  send(out);
  if (programs_[0].mode == regs::PROGRAM_MODE::MODE_MATRIX) matrix_drain();
  out.idle = !is_active_;
  out.done = true;
  for (unsigned p = 0; p < kPrograms; ++p) {
    out.done = out.done && programs_[p].is_over && programs_[p].busy == 0 && flights_[p].empty() &&
               out_[p].entries.empty();
  }
  out.done = out.done && scalar_out_.entries.empty() && drained_ == tile_ && signals_.empty();
}

/// One item of each output FIFO leaves if there is a credit; its place is free in the next cycle.
void PcuCycle::send(PinOutputs& out) {
  const auto next = [this](auto& fifo) {
    if (fifo.leaves) --fifo.used;
    is_active_ |= fifo.leaves;
    fifo.leaves = !fifo.entries.empty() && fifo.entries.front().ready <= now_ && fifo.credits != 0;
    // What has no credit waits for a pin; what is not ready counts down.
    is_active_ |= fifo.leaves || (!fifo.entries.empty() && fifo.entries.back().ready > now_);
    if (fifo.leaves) --fifo.credits;
    return fifo.leaves;
  };
  for (unsigned p = 0; p < kPrograms; ++p) {
    if (!next(out_[p])) continue;
    out.valid |= 1u << p;
    out.head[p] = out_[p].entries.front().head;
    std::memcpy(out.data[p], out_[p].entries.front().item.data(), kPacketBytes);
    out_[p].entries.pop_front();
  }
  if (!next(scalar_out_)) return;
  out.scalar_valid |= 1;
  out.scalar[0] = scalar_out_.entries.front().item;
  out.scalar_flow[0] = static_cast<uint8_t>(scalar_out_.entries.front().head);
  scalar_out_.entries.pop_front();
}

// --- SIMD: the header ---

/// Fires, or goes on with a firing: takes a packet from each input that has one more, and a place.
void PcuCycle::header(unsigned p, PinOutputs& out) {
  Program& program = programs_[p];
  if (program.busy == 0 && !begin(p, out)) return;
  is_active_ = true;
  for (unsigned i = 0; i < kInputs; ++i) {
    if ((program.taking >> i & 1) != 0 && program.step < packets_in(i)) take(program, i, out);
  }
  if (program.step < program.places) ++(program.is_scalar ? scalar_out_.used : out_[p].used);
  ++program.step;
  --program.busy;
  // The vectors that the newest flight has taken are complete before it enters its first stage.
  flights_[p].back().inputs = program.inputs;
}

/// Makes the next firing if all that it needs is there.
bool PcuCycle::begin(unsigned p, PinOutputs& out) {
  Program& program = programs_[p];
  if (program.is_over) return false;
  const auto is_first = [&](unsigned level) {
    for (unsigned l = 0; l <= level; ++l) {
      if (program.counters[l] != 0) return false;
    }
    return true;
  };
  const auto is_last = [&](unsigned level) {
    for (unsigned l = 0; l <= level; ++l) {
      if (program.counters[l] != program.counts[l] - 1) return false;
    }
    return true;
  };

  Activity& activity = out.activity[p];
  activity = {};
  activity.late_in = std::exchange(program.late_in, true);
  activity.late_out = std::exchange(program.late_out, false);
  std::array<bool, 2> takes_word{};
  std::array<uint32_t, 2> scalars = program.scalars;
  for (unsigned s = 0; s < 2; ++s) {
    takes_word[s] = program.scalar_enabled[s] && is_first(program.scalar_level[s]);
    if (!takes_word[s]) continue;
    if (words_[s].empty()) return false;
    scalars[s] = words_[s].front();
  }
  const bool takes_token = program.waits && is_first(program.wait_level);
  if (takes_token && tokens_[program.wait_input] == 0) return false;
  const uint32_t holds = predicates(program, scalars);
  uint64_t cost = 1;
  uint32_t taking = 0;
  for (unsigned i = 0; i < kInputs; ++i) {
    if (!program.uses[i] || (holds >> inputs_[i].pred & 1) == 0) continue;
    // The second packet of a vector may come in now: it is read in the next cycle.
    if (fifos_[i].empty() || fifos_[i].size() + (arriving_ >> i & 1) < packets_in(i)) return false;
    taking |= 1u << i;
    cost = std::max<uint64_t>(cost, packets_in(i));
  }
  program.late_in = false;
  program.late_out = true;
  const bool sends = (holds >> program.out_pred & 1) != 0;
  const unsigned places = sends ? packets_out(program) : 0;
  // Packet q takes its place q cycles from now; one that leaves now is free by then.
  const uint64_t used = program.is_scalar ? scalar_out_.used : out_[p].used;
  const bool leaves = program.is_scalar ? scalar_out_.leaves : out_[p].leaves;
  const uint64_t depth = params_.output_depth;
  if (places >= 1 && used >= depth) return false;
  if (places == 2 && used - (leaves ? 1 : 0) + 1 >= depth) return false;
  cost = std::max<uint64_t>(cost, places);

  program.late_in = program.late_out = false;
  out.active |= 1u << p;
  activity.begins = activity.fired = true;
  activity.cost = static_cast<uint16_t>(cost);
  activity.vectors = sends ? 1 : 0;
  for (unsigned s = 0; s < 2; ++s) {
    if (!takes_word[s]) continue;
    words_[s].pop_front();
    out.scalar_credit |= 1u << s;
    out.sin_credit[s] = 1;
  }
  if (takes_token) --tokens_[program.wait_input];
  program.scalars = scalars;
  program.taking = taking;
  program.busy = cost;
  program.step = 0;
  program.places = places;

  Flight flight;
  flight.fired = now_;
  flight.counters = program.counters;
  flight.holds = holds;
  flight.sends = sends;
  flight.signals = program.signals && is_last(program.signal_level);
  flight.scalars = scalars;
  flights_[p].push_back(flight);

  program.is_over = is_last(kLevels - 1);
  for (unsigned l = 0; l < kLevels; ++l) {
    if (++program.counters[l] != program.counts[l]) break;
    program.counters[l] = 0;
  }
  return true;
}

uint32_t PcuCycle::predicates(const Program& program, const std::array<uint32_t, 2>& scalars) const {
  uint32_t holds = 1;
  for (unsigned n = 1; n < 4; ++n) {
    const Predicate& predicate = program.predicates[n];
    const unsigned level = std::min<unsigned>(predicate.level, kLevels - 1);
    bool is_true = true;
    switch (predicate.kind) {
      case regs::PROGRAM_PRED::KIND_FIRST:
        for (unsigned l = 0; l <= level; ++l) is_true = is_true && program.counters[l] == 0;
        break;
      case regs::PROGRAM_PRED::KIND_LAST:
        for (unsigned l = 0; l <= level; ++l)
          is_true = is_true && program.counters[l] == program.counts[l] - 1;
        break;
      case regs::PROGRAM_PRED::KIND_EQ:
        is_true = program.counters[level] == predicate.value;
        break;
      case regs::PROGRAM_PRED::KIND_LT:
        is_true = program.counters[level] < predicate.value;
        break;
      case regs::PROGRAM_PRED::KIND_SCALAR:
        is_true = scalars[level & 1] != 0;
        break;
      default:
        break;
    }
    if (is_true != predicate.negated) holds |= 1u << n;
  }
  return holds;
}

/// Packet `step` of a vector goes into the lanes.
void PcuCycle::take(Program& program, unsigned input, PinOutputs& out) {
  const Packet packet = fifos_[input].front();
  fifos_[input].pop_front();
  out.credit |= 1u << input;
  out.in_credit[input] = 1;
  Vector& lanes = program.inputs[input];
  switch (inputs_[input].format) {
    case regs::INPUT::FORMAT_BF16:
      for (unsigned i = 0; i < kLanes; ++i) {
        lanes[i] = (uint32_t{packet[2 * i]} | uint32_t{packet[2 * i + 1]} << 8) << 16;
      }
      break;
    case regs::INPUT::FORMAT_INT8:
      for (unsigned i = 0; i < kLanes; ++i) lanes[i] = scalar::from_int8(packet[i]);
      break;
    default:
      std::memcpy(&lanes[program.step * (kLanes / 2)], packet.data(), kPacketBytes);
      break;
  }
}

// --- SIMD: the stages ---

/// All vectors on their way make a step.
void PcuCycle::move(unsigned p, PinOutputs& out) {
  Program& program = programs_[p];
  Ring<Flight>& flights = flights_[p];
  is_active_ |= !flights.empty();
  for (size_t f = 0; f < flights.size(); ++f) {
    Flight& flight = flights[f];
    const uint64_t age = now_ - flight.fired;
    if (flight.next < program.stage_count && program.stages[flight.next].due == age) compute(program, flight);
  }
  if (!flights.empty() && now_ - flights.front().fired == program.latency) {
    finish(p, flights.front(), out);
    flights.pop_front();
  }
}

/// A vector passes a stage.
void PcuCycle::compute(Program& program, Flight& flight) {
  const Stage& stage = program.stages[flight.next++];
  if (stage.op != S::OP_NOP && (flight.holds >> stage.pred & 1) != 0) {
    const Vector a = operand(flight, program, stage, 0);
    Vector b = operand(flight, program, stage, 1);
    Vector c = operand(flight, program, stage, 2);
    if (stage.alt != 0 && (flight.holds >> stage.alt & 1) != 0) {
      if (stage.op == S::OP_FMADD || stage.op == S::OP_FNMADD) {
        c = {};
      } else {
        b = c;
      }
    }
    flight.previous = result(program, stage, a, b, c);
    if (stage.save) program.saved[stage.reg] = flight.previous;
  }
  if (stage.save) flight.saved[stage.reg] = program.saved[stage.reg];
}

PcuCycle::Vector PcuCycle::operand(const Flight& flight, const Program& program, const Stage& stage,
                                   unsigned which) const {
  const uint32_t source = stage.source[which];
  Vector x{};
  if (source == S::A_PREV) return flight.previous;
  if (source >= S::A_IN0 && source <= S::A_IN3) return flight.inputs[source - S::A_IN0];
  if (source >= S::A_REG0 && source <= S::A_REG3) {
    // The stage that saves a register sees the value before; later ones that of this firing.
    const uint32_t reg = source - S::A_REG0;
    return stage.save && stage.reg == reg ? program.saved[reg] : flight.saved[reg];
  }
  if (source == S::A_LANE) {
    for (unsigned i = 0; i < kLanes; ++i) x[i] = i;
  } else if (source == S::A_S0 || source == S::A_S1) {
    x.fill(flight.scalars[source - S::A_S0]);
  } else if (source >= S::A_CONST0 && source <= S::A_CONST3) {
    x.fill(constants_[source - S::A_CONST0]);
  } else if (source >= S::A_COUNT0 && source <= S::A_COUNT5) {
    x.fill(flight.counters[source - S::A_COUNT0]);
  }
  return x;
}

PcuCycle::Vector PcuCycle::result(Program& program, const Stage& stage, const Vector& a, const Vector& b,
                                  const Vector& c) {
  Vector r{};
  const auto each1 = [&](uint32_t (*op)(uint32_t)) {
    for (unsigned i = 0; i < kLanes; ++i) r[i] = op(a[i]);
  };
  const auto each2 = [&](uint32_t (*op)(uint32_t, uint32_t)) {
    for (unsigned i = 0; i < kLanes; ++i) r[i] = op(a[i], b[i]);
  };
  const auto each3 = [&](uint32_t (*op)(uint32_t, uint32_t, uint32_t)) {
    for (unsigned i = 0; i < kLanes; ++i) r[i] = op(a[i], b[i], c[i]);
  };
  const auto across1 = [&](void (*op)(uint32_t*, const uint32_t*, unsigned)) {
    op(r.data(), a.data(), program.lanes);
  };
  const auto across2 = [&](void (*op)(uint32_t*, const uint32_t*, const uint32_t*, unsigned)) {
    op(r.data(), a.data(), b.data(), program.lanes);
  };
  switch (stage.op) {
    // clang-format off
    case S::OP_MOV: r = a; break;
    case S::OP_FADD: each2(scalar::fadd); break;
    case S::OP_FSUB: each2(scalar::fsub); break;
    case S::OP_FMUL: each2(scalar::fmul); break;
    case S::OP_FMAX: each2(scalar::fmax); break;
    case S::OP_FMIN: each2(scalar::fmin); break;
    case S::OP_FMADD: each3(scalar::fmadd); break;
    case S::OP_FNMADD: each3(scalar::fnmadd); break;
    case S::OP_FABS: each1(scalar::fabs); break;
    case S::OP_FNEG: each1(scalar::fneg); break;
    case S::OP_FEQ: each2(scalar::feq); break;
    case S::OP_FNE: each2(scalar::fne); break;
    case S::OP_FLT: each2(scalar::flt); break;
    case S::OP_FLE: each2(scalar::fle); break;
    case S::OP_IADD: each2(scalar::iadd); break;
    case S::OP_ISUB: each2(scalar::isub); break;
    case S::OP_IMUL: each2(scalar::imul); break;
    case S::OP_IMAX: each2(scalar::imax); break;
    case S::OP_IMIN: each2(scalar::imin); break;
    case S::OP_IABS: each1(scalar::iabs); break;
    case S::OP_INEG: each1(scalar::ineg); break;
    case S::OP_IEQ: each2(scalar::ieq); break;
    case S::OP_INE: each2(scalar::ine); break;
    case S::OP_ILT: each2(scalar::ilt); break;
    case S::OP_ILE: each2(scalar::ile); break;
    case S::OP_ULT: each2(scalar::ult); break;
    case S::OP_ULE: each2(scalar::ule); break;
    case S::OP_AND: each2(scalar::bit_and); break;
    case S::OP_OR: each2(scalar::bit_or); break;
    case S::OP_XOR: each2(scalar::bit_xor); break;
    case S::OP_ANDN: each2(scalar::bit_andn); break;
    case S::OP_NOT: each1(scalar::bit_not); break;
    case S::OP_SHL: each2(scalar::shl); break;
    case S::OP_SHR: each2(scalar::shr); break;
    case S::OP_SAR: each2(scalar::sar); break;
    case S::OP_SEL: each3(scalar::sel); break;
    case S::OP_I2F: each1(scalar::i2f); break;
    case S::OP_F2I: each1(scalar::f2i); break;
    case S::OP_F2I_ZERO: each1(scalar::f2i_zero); break;
    case S::OP_F2I_FLOOR: each1(scalar::f2i_floor); break;
    case S::OP_RBF16: each1(scalar::rbf16); break;
    case S::OP_SAT8: each1(scalar::sat8); break;
    case S::OP_SRBF16:
      for (unsigned i = 0; i < kLanes; ++i) {
        program.random[i] = scalar::random_next(program.random[i]);
        r[i] = scalar::srbf16(a[i], program.random[i]);
      }
      break;
    case S::OP_FRED_SUM: across1(scalar::fred_sum); break;
    case S::OP_FRED_MAX: across1(scalar::fred_max); break;
    case S::OP_FRED_MIN: across1(scalar::fred_min); break;
    case S::OP_FARGMAX: across1(scalar::fargmax); break;
    case S::OP_FARGMIN: across1(scalar::fargmin); break;
    case S::OP_FSCAN_SUM: across1(scalar::fscan_sum); break;
    case S::OP_FSCAN_MAX: across1(scalar::fscan_max); break;
    case S::OP_IRED_SUM: across1(scalar::ired_sum); break;
    case S::OP_IRED_MAX: across1(scalar::ired_max); break;
    case S::OP_IRED_MIN: across1(scalar::ired_min); break;
    case S::OP_IARGMAX: across1(scalar::iargmax); break;
    case S::OP_IARGMIN: across1(scalar::iargmin); break;
    case S::OP_ISCAN_SUM: across1(scalar::iscan_sum); break;
    case S::OP_RED_AND: across1(scalar::red_and); break;
    case S::OP_RED_OR: across1(scalar::red_or); break;
    case S::OP_RED_XOR: across1(scalar::red_xor); break;
    case S::OP_BCAST: across2(scalar::bcast); break;
    case S::OP_UP: across2(scalar::up); break;
    case S::OP_DOWN: across2(scalar::down); break;
    // clang-format on
    default:
      throw core::Error(core::ErrorKind::internal, "pcu", "an operation that the decoder let through");
  }
  return r;
}

// --- SIMD: tail and output ---

void PcuCycle::tail(const Program& program, Vector& x) const {
  if (program.tail == regs::PROGRAM_MODE::TAIL_NONE) return;
  static constexpr float (*kFunctions[])(float) = {nullptr,         scalar::exp,  scalar::recip,
                                                   scalar::log,     scalar::sqrt, scalar::rsqrt,
                                                   scalar::sigmoid, scalar::tanh, scalar::erf};
  for (uint32_t& lane : x) lane = scalar::bits_of(kFunctions[program.tail](scalar::from_bits(lane)));
}

/// A vector as packets; returns how many.
unsigned PcuCycle::pack(Program& program, const Vector& x, std::array<Packet, 2>& packets) {
  packets = {};
  const auto half = [&](unsigned lane, uint16_t bits) { std::memcpy(&packets[0][2 * lane], &bits, 2); };
  const auto word = [&](unsigned lane, uint32_t bits) {
    std::memcpy(&packets[lane / 16][lane % 16 * 4], &bits, 4);
  };
  if (program.format == regs::PROGRAM_OUT::FORMAT_BF16_SR) {
    for (uint32_t& state : program.random) state = scalar::random_next(state);
  }
  for (unsigned i = 0; i < program.lanes; ++i) {
    const float value = scalar::from_bits(x[i]);
    switch (program.format) {
      case regs::PROGRAM_OUT::FORMAT_FP32:
        word(i, scalar::bits_of(scalar::canonical(value)));
        break;
      case regs::PROGRAM_OUT::FORMAT_INT32:
        word(i, x[i]);
        break;
      case regs::PROGRAM_OUT::FORMAT_BF16:
        half(i, scalar::to_bf16(value));
        break;
      case regs::PROGRAM_OUT::FORMAT_BF16_SR:
        half(i, scalar::to_bf16_stochastic(value, program.random[i]));
        break;
      default:
        packets[0][i] = scalar::to_int8(x[i]);
        break;
    }
  }
  return packets_out(program);
}

uint64_t PcuCycle::next_head(Program& program) {
  const uint64_t head =
      PacketHead::make(program.has_sequence ? program.sequence : 0, program.destination, program.flow);
  program.sequence = (program.sequence + program.sequence_step) & 0xffff;
  return head;
}

/// A vector has passed the tail.
void PcuCycle::finish(unsigned p, Flight& flight, PinOutputs& out) {
  Program& program = programs_[p];
  if (flight.signals) out.tokens |= 1u << p;
  if (!flight.sends) return;
  tail(program, flight.previous);
  if (program.is_scalar) {
    scalar_out_.entries.push_back({now_, flight.previous[0], program.flow});
    return;
  }
  std::array<Packet, 2> packets;
  const unsigned count = pack(program, flight.previous, packets);
  for (unsigned q = 0; q < count; ++q) out_[p].entries.push_back({now_ + q, packets[q], next_head(program)});
}

// --- matrix ---

void PcuCycle::matrix_step(PinOutputs& out) {
  Program& program = programs_[0];
  Activity& activity = out.activity[0];
  activity = {};
  if (program.is_over) return;
  activity.late_in = std::exchange(program.late_in, false);
  activity.late_out = std::exchange(program.late_out, false);
  const unsigned set = tile_ % 2;
  const auto is_first = [&](unsigned level) {
    for (unsigned l = 0; l <= level; ++l) {
      if (program.counters[l] != 0) return false;
    }
    return true;
  };
  const auto is_last = [&](unsigned level) {
    for (unsigned l = 0; l <= level; ++l) {
      if (program.counters[l] != program.counts[l] - 1) return false;
    }
    return true;
  };
  const bool takes_token = step_ == 0 && program.waits && is_first(program.wait_level);
  program.late_in =
      fifos_[0].empty() || fifos_[1].empty() || (takes_token && tokens_[program.wait_input] == 0);
  program.late_out = step_ == 0 && (tile_ - drained_ == 2 || now_ < free_from_[set]);
  is_active_ |= tile_ - drained_ != 2 && now_ < free_from_[set];
  if (program.late_in || program.late_out) return;
  is_active_ = true;
  if (takes_token) --tokens_[program.wait_input];
  if (step_ == 0) accumulators_[set] = {};
  out.active |= 1;
  activity.begins = activity.fired = true;
  activity.cost = 1;
  const Packet lanes = fifos_[0].front();
  const Packet rows = fifos_[1].front();
  for (unsigned i = 0; i < 2; ++i) {
    fifos_[i].pop_front();
    out.credit |= 1u << i;
    out.in_credit[i] = 1;
  }
  const auto half = [](const Packet& packet, unsigned i) {
    return static_cast<uint16_t>(packet[2 * i] | packet[2 * i + 1] << 8);
  };
  for (unsigned row = 0; row < program.rows; ++row) {
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      uint32_t& acc = accumulators_[set][row][lane];
      if (program.is_int8) {
        acc = scalar::matrix_int8(acc, &rows[2 * row], &lanes[2 * lane]);
      } else {
        acc =
            scalar::bits_of(scalar::matrix_bf16(scalar::from_bits(acc), half(rows, row), half(lanes, lane)));
      }
    }
  }
  if (++step_ != program.k) return;
  step_ = 0;
  activity.vectors = static_cast<uint8_t>(program.rows);
  tiles_[set] = {now_ + 1 + log2_of(params_.lanes) + params_.stages,
                 program.signals && is_last(program.signal_level)};
  ++tile_;
  program.is_over = is_last(kLevels - 1);
  for (unsigned l = 0; l < kLevels; ++l) {
    if (++program.counters[l] != program.counts[l]) break;
    program.counters[l] = 0;
  }
}

void PcuCycle::matrix_drain() {
  Program& program = programs_[0];
  if (drained_ == tile_) return;
  const unsigned set = drained_ % 2;
  is_active_ |= now_ < tiles_[(tile_ - 1) % 2].ready;
  if (now_ < tiles_[set].ready || out_[0].used >= params_.output_depth) return;
  is_active_ = true;
  ++out_[0].used;
  const unsigned per_row = packets_out(program);
  const unsigned q = drained_packets_ % per_row;
  if (q == 0) {
    Vector row = accumulators_[set][drained_packets_ / per_row];
    tail(program, row);
    pack(program, row, row_);
  }
  out_[0].entries.push_back({now_ + program.tail_latency, row_[q], next_head(program)});
  if (++drained_packets_ != program.rows * per_row) return;
  drained_packets_ = 0;
  free_from_[set] = now_ + 1;
  if (tiles_[set].signals) signals_.push_back(now_ + program.tail_latency);
  ++drained_;
}

}  // namespace rdu::fabric
