#include "fabric/pmu/pmu_cycle.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "regs/pmu.hpp"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::pmu;
namespace W = rdu::regs::pmu::WRITE_MODE;
namespace R = rdu::regs::pmu::READ_MODE;

constexpr int64_t kWordBytes = 4;

int64_t signed_of(uint32_t word) {
  return static_cast<int32_t>(word);
}

}  // namespace

PmuCycle::PmuCycle(const FabricParams& params, Scratchpad& memory) : params_(params), memory_(memory) {
  pins_.packet_in = kInputs;
  pins_.packet_out = kOutputs;
  pins_.scalar_in = 2;
  pins_.token_in = 2;
  pins_.token_out = 2;
  pins_.actors = 4;
  pins_.stalls_add_up = true;
  pins_.idle_step = 2;  // turns of the pipelines go by the parity of the cycle
}

void PmuCycle::reset() {
  active_ = 0;
  pipelines_ = {};
  now_ = 0;
  for (auto& fifo : fifos_) fifo.clear();
  for (auto& fifo : words_) fifo.clear();
  tokens_ = {};
  for (Output& out : out_) {
    out.fifo.clear();
    out.used = 0;
    out.leaves = false;
  }
  for (auto& given : given_) given.clear();
}

void PmuCycle::configure(const ConfigWords& words) {
  bank_shift_ = words.get(regs::kBANK_OFFSET, regs::BANK::SHIFT);
  bank_skew_ = words.get(regs::kBANK_OFFSET, regs::BANK::SKEW);
  for (unsigned n = 0; n < kTokens; ++n) {
    tokens_[n] = words.get(regs::kTOKENS_OFFSET + n * regs::kTOKENS_STRIDE, regs::TOKENS::COUNT);
  }
  for (unsigned i = 0; i < pipelines_.size(); ++i) {
    pipelines_[i].is_read = i >= 2;
    pipelines_[i].number = i % 2;
    decode(pipelines_[i], words);
  }
  const bool together = words.get(regs::kBANK_OFFSET, regs::BANK::TOGETHER) != 0;
  for (unsigned i = 0; i < pipelines_.size(); ++i) {
    pipelines_[i].period = pipelines_[i ^ 1].enabled && !together ? 2 : 1;
  }
}

void PmuCycle::decode(Pipeline& p, const ConfigWords& words) {
  // Both groups have the same words in the same places; the last three are of reads alone.
  const uint64_t base = p.is_read ? regs::kREAD_OFFSET + p.number * regs::kREAD_STRIDE
                                  : regs::kWRITE_OFFSET + p.number * regs::kWRITE_STRIDE;
  const auto mode = [&](core::Field field) { return words.get(base + regs::kWRITE_MODE_OFFSET, field); };
  const auto word = [&](uint64_t offset) { return words.at(base + offset); };
  p.enabled = mode(W::ENABLE) != 0;
  p.address = mode(W::ADDRESS);
  p.data = mode(W::DATA);
  p.index = mode(W::INDEX);
  p.range = mode(W::RANGE);
  p.pred = mode(W::PRED);
  p.negated = mode(W::NOT) != 0;
  p.pred_level = mode(W::PRED_LEVEL);
  p.pred_value = word(regs::kWRITE_PRED_VALUE_OFFSET);
  p.range_low = signed_of(word(regs::kWRITE_RANGE_LOW_OFFSET));
  p.range_high = signed_of(word(regs::kWRITE_RANGE_HIGH_OFFSET));
  p.lanes = words.get(base + regs::kWRITE_SHAPE_OFFSET, regs::WRITE_SHAPE::LANES);
  p.element = 1u << words.get(base + regs::kWRITE_SHAPE_OFFSET, regs::WRITE_SHAPE::ELEMENT);
  p.lane_stride = signed_of(word(regs::kWRITE_LANE_STRIDE_OFFSET));
  p.base = word(regs::kWRITE_BASE_OFFSET);
  p.fills = word(regs::kWRITE_FILLS_OFFSET);
  p.buffers = words.get(base + regs::kWRITE_BUFFERS_OFFSET, regs::WRITE_BUFFERS::COUNT);
  p.buffer_size = signed_of(word(regs::kWRITE_BUFFER_SIZE_OFFSET));
  p.wait = words.get(base + regs::kWRITE_TOKEN_OFFSET, regs::WRITE_TOKEN::WAIT);
  p.give = words.get(base + regs::kWRITE_TOKEN_OFFSET, regs::WRITE_TOKEN::GIVE);
  p.out = words.get(base + regs::kWRITE_TOKEN_OFFSET, regs::WRITE_TOKEN::OUT);
  p.index_stride = signed_of(word(regs::kWRITE_INDEX_STRIDE_OFFSET));
  for (unsigned l = 0; l < kLevels; ++l) {
    const uint32_t count = word(regs::kWRITE_COUNT_OFFSET + l * regs::kWRITE_COUNT_STRIDE);
    p.counts[l] = count == 0 ? 1 : count;
    p.strides[l] = signed_of(word(regs::kWRITE_STRIDE_OFFSET + l * regs::kWRITE_STRIDE_STRIDE));
  }
  if (!p.is_read) return;
  p.has_sequence = mode(R::SEQUENCE) != 0;
  p.sequence = words.get(base + regs::kREAD_SEQ_OFFSET, regs::READ_SEQ::FIRST);
  p.sequence_step = words.get(base + regs::kREAD_SEQ_OFFSET, regs::READ_SEQ::STEP);
  p.flow = words.get(base + regs::kREAD_OUT_OFFSET, regs::READ_OUT::FLOW);
  if (words.get(base + regs::kREAD_OUT_OFFSET, regs::READ_OUT::DYNAMIC) != 0) {
    p.flow = 7;
    p.destination = word(regs::kREAD_DEST_OFFSET) & 0x1fffff;
  }
}

// --- a clock ---

void PmuCycle::start(const PinCredits& credits, PinOutputs& out) {
  bytes_ = memory_.data();
  for (unsigned r = 0; r < kOutputs; ++r) out_[r].credits = credits.out[r][0];
  cycle(out);
}

void PmuCycle::tick(const PinInputs& in, PinOutputs& out) {
  for (unsigned i = 0; i < kInputs; ++i) {
    if ((in.valid >> i & 1) == 0) continue;
    Arrived arrived;
    std::memcpy(arrived.packet.data(), in.data[i], kPacketBytes);
    arrived.sequence = PacketHead::sequence(in.head[i]);
    fifos_[i].push_back(arrived);
  }
  for (unsigned s = 0; s < 2; ++s) {
    if ((in.scalar_valid >> s & 1) != 0) words_[s].push_back(in.scalar[s]);
    if ((in.tokens >> s & 1) != 0) ++tokens_[kFirstControlToken + s];
    if ((in.credit >> s & 1) != 0) ++out_[s].credits;
  }
  ++now_;
  cycle(out);
}

/// What happens in cycle now_, given what lies in the registers.
void PmuCycle::cycle(PinOutputs& out) {
  is_active_ = false;
  out.active = std::exchange(active_, 0);
  out.activity = activity_;
  give_tokens(out);
  send(out);
  for (Pipeline& p : pipelines_) work(p, out);
  out.idle = !is_active_;
  out.done = true;
  for (unsigned i = 0; i < pipelines_.size(); ++i) {
    out.done = out.done && pipelines_[i].is_over() && given_[i].empty();
  }
  for (const Output& output : out_) out.done = out.done && output.fifo.empty();
}

/// Tokens of fills whose last access has ended.
void PmuCycle::give_tokens(PinOutputs& out) {
  for (auto& given : given_) {
    while (!given.empty() && given.front().cycle == now_) {
      for (unsigned n = 0; n < kTokens; ++n) tokens_[n] += given.front().tokens >> n & 1;
      out.tokens |= given.front().outputs;
      given.pop_front();
      is_active_ = true;
    }
    is_active_ |= !given.empty();
  }
}

/// A packet of each output FIFO leaves if there is a credit; its place is free in the next cycle.
void PmuCycle::send(PinOutputs& out) {
  for (unsigned r = 0; r < kOutputs; ++r) {
    Output& output = out_[r];
    if (output.leaves) --output.used;
    output.leaves = !output.fifo.empty() && output.fifo.front().cycle <= now_ && output.credits != 0;
    is_active_ |= output.leaves || (!output.fifo.empty() && output.fifo.back().cycle > now_);
    if (!output.leaves) continue;
    --output.credits;
    out.valid |= 1u << r;
    out.head[r] = output.fifo.front().head;
    std::memcpy(out.data[r], output.fifo.front().packet.data(), kPacketBytes);
    output.fifo.pop_front();
  }
}

// --- a pipeline ---

/// Begins the next access if this is the pipeline's slot and all that it needs is there; or takes an index
/// packet beforehand.
void PmuCycle::work(Pipeline& p, PinOutputs& out) {
  if (p.is_over()) return;
  if (now_ < p.next) {
    is_active_ = true;
    return;
  }
  const bool is_slot = p.period == 1 || now_ % 2 == p.number;
  const bool has_index = p.address == W::ADDRESS_INDEX;
  const unsigned index_packets = has_index ? (p.lanes + 15) / 16 : 0;
  const bool is_beforehand = has_index && p.indices_taken + 1 < index_packets;
  const bool takes_word = p.is_read && p.address == R::ADDRESS_SCALAR && p.is_first;
  const bool lacks_input = (has_index && fifos_[p.index].empty()) ||
                           (!is_beforehand && ((!p.is_read && fifos_[p.data].empty()) ||
                                               (takes_word && words_[p.number].empty())));
  bool lacks_token = false;
  for (unsigned n = 0; n < kTokens; ++n) {
    lacks_token |= !is_beforehand && p.is_first && (p.wait >> n & 1) != 0 && tokens_[n] == 0;
  }
  const int64_t scalar = takes_word && !lacks_input ? signed_of(words_[p.number].front()) : p.scalar;
  Access access;
  bool lacks_place = false;
  if (!is_beforehand && !lacks_input) {
    // The last index packet of the access is still in the FIFO: its words are read where they lie.
    Pipeline with_indices = p;
    if (has_index) {
      const Packet& packet = fifos_[p.index].front().packet;
      std::memcpy(&with_indices.indices[16 * p.indices_taken], packet.data(), kPacketBytes);
    }
    access = look(with_indices, scalar);
    lacks_place = access.sends && out_[p.number].used >= params_.output_depth;
  }
  const unsigned slot_before = static_cast<unsigned>(p.period - 1);
  const bool late_in = (p.late_in >> slot_before & 1) != 0;
  const bool late_out = (p.late_out >> slot_before & 1) != 0;
  // The clock may stop only when what these remember is the same for every slot that goes by.
  is_active_ |= p.period != 1 && ((p.late_in & 1) != lacks_input || (p.late_out & 1) != lacks_place);
  p.late_in = p.late_in << 1 | (lacks_input ? 1 : 0);
  p.late_out = p.late_out << 1 | (lacks_place ? 1 : 0);
  if (lacks_input || lacks_token || lacks_place) return;
  is_active_ = true;
  if (!is_slot) return;

  const unsigned number = 2 * p.is_read + p.number;
  active_ |= 1u << number;
  Activity& activity = activity_[number];
  activity = {};
  activity.cost = 1;
  activity.begins = true;
  activity.late_in = late_in;
  activity.late_out = late_out;
  activity.is_slow = p.period != 1;
  if (is_beforehand) {
    take_index(p, out);
    p.next = now_ + p.period;
    return;
  }
  p.scalar = scalar;
  if (takes_word) {
    words_[p.number].pop_front();
    out.scalar_credit |= 1u << p.number;
    out.sin_credit[p.number] = 1;
  }
  if (p.is_first) {
    for (unsigned n = 0; n < kTokens; ++n) tokens_[n] -= p.wait >> n & 1;
  }
  const unsigned cycles = cost(p, access);
  activity.cost = static_cast<uint16_t>(cycles);
  activity.fired = true;
  activity.vectors = access.sends ? 1 : 0;
  activity.bytes = static_cast<uint16_t>(__builtin_popcountll(access.inside) * p.element);
  perform(p, access);
  if (!p.is_read) take_packet(p.data, out);
  if (has_index) take_index(p, out);
  p.indices_taken = 0;
  p.next = now_ + cycles * p.period;
  advance(p, now_ + (cycles - 1) * p.period + 1);
}

void PmuCycle::take_packet(unsigned input, PinOutputs& out) {
  fifos_[input].pop_front();
  out.credit |= 1u << input;
  out.in_credit[input] = 1;
}

void PmuCycle::take_index(Pipeline& p, PinOutputs& out) {
  const Packet& packet = fifos_[p.index].front().packet;
  std::memcpy(&p.indices[16 * p.indices_taken], packet.data(), kPacketBytes);
  ++p.indices_taken;
  take_packet(p.index, out);
}

/// Which bytes the next access of a pipeline touches.
PmuCycle::Access PmuCycle::look(const Pipeline& p, int64_t scalar) const {
  int64_t offset = 0;
  for (unsigned l = 0; l < kLevels; ++l) offset += int64_t{p.counters[l]} * p.strides[l];
  if (!p.is_read && p.address == W::ADDRESS_SEQUENCE) {
    offset += int64_t{fifos_[p.data].front().sequence} * p.index_stride;
  }
  if (p.is_read && p.address == R::ADDRESS_SCALAR) offset += scalar * p.index_stride;
  bool pred = true;
  if (p.pred == W::PRED_EQ) pred = p.counters[p.pred_level] == p.pred_value;
  if (p.pred == W::PRED_LT) pred = p.counters[p.pred_level] < p.pred_value;
  pred = pred != p.negated;

  Access access;
  const int64_t start = p.base + static_cast<int64_t>(p.fill % p.buffers) * p.buffer_size;
  const bool has_index = p.address == W::ADDRESS_INDEX;
  for (unsigned l = 0; l < p.lanes; ++l) {
    int64_t lane = offset + l * p.lane_stride;
    if (has_index) lane += int64_t{p.indices[l]} * p.index_stride;
    const int64_t x = has_index ? lane : offset;
    const bool inside = p.range == W::RANGE_OFF || (p.range_low <= x && x < p.range_high);
    access.lane[l] = start + lane;
    if (pred && inside) access.inside |= uint64_t{1} << l;
  }
  access.sends = p.is_read && pred && (access.inside != 0 || p.range == R::RANGE_ZERO || has_index);
  return access;
}

/// Cycles that it takes: the largest number of distinct words in one bank.
unsigned PmuCycle::cost(const Pipeline& p, const Access& access) const {
  std::array<int64_t, kPacketBytes> words;
  unsigned count = 0;
  for (unsigned l = 0; l < p.lanes; ++l) {
    if ((access.inside >> l & 1) != 0) words[count++] = access.lane[l] / kWordBytes;
  }
  std::sort(words.begin(), words.begin() + count);
  count = static_cast<unsigned>(std::unique(words.begin(), words.begin() + count) - words.begin());
  std::array<unsigned, 64> load{};
  unsigned most = 1;
  for (unsigned i = 0; i < count; ++i) {
    const auto a = static_cast<uint64_t>(words[i] * kWordBytes);
    const uint64_t bank = ((a >> bank_shift_) + (bank_skew_ != 0 ? a >> bank_skew_ : 0)) % params_.pmu_banks;
    most = std::max(most, ++load[bank]);
  }
  return most;
}

/// Moves the bytes of an access.
void PmuCycle::perform(Pipeline& p, const Access& access) {
  if (!p.is_read) {
    const Packet& packet = fifos_[p.data].front().packet;
    for (unsigned l = 0; l < p.lanes; ++l) {
      if ((access.inside >> l & 1) != 0)
        std::memcpy(bytes_ + access.lane[l], &packet[l * p.element], p.element);
    }
    return;
  }
  if (!access.sends) return;
  Ready ready{now_, PacketHead::make(p.has_sequence ? p.sequence : 0, p.destination, p.flow), {}};
  ready.cycle += (cost(p, access) - 1) * p.period + params_.pmu_read_cycles;
  for (unsigned l = 0; l < p.lanes; ++l) {
    if ((access.inside >> l & 1) != 0) {
      std::memcpy(&ready.packet[l * p.element], bytes_ + access.lane[l], p.element);
    }
  }
  ++out_[p.number].used;
  out_[p.number].fifo.push_back(ready);
}

/// Counts on; after the last access of a fill, which ends before cycle `end`, tokens are given.
void PmuCycle::advance(Pipeline& p, uint64_t end) {
  p.sequence = (p.sequence + p.sequence_step) & 0xffff;
  p.is_first = true;
  for (unsigned l = 0; l < kLevels; ++l) {
    if (++p.counters[l] != p.counts[l]) {
      p.is_first = false;
      break;
    }
    p.counters[l] = 0;
  }
  if (!p.is_first) return;
  ++p.fill;
  if ((p.give | p.out) != 0) given_[2 * p.is_read + p.number].push_back({end, p.give, p.out});
}

}  // namespace rdu::fabric
