#include "fabric/agcu/agcu_cycle.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "regs/agcu.hpp"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::agcu;
namespace L = rdu::regs::agcu::LOAD;
namespace S = rdu::regs::agcu::STORE;

int64_t signed_of(uint32_t word) {
  return static_cast<int32_t>(word);
}

}  // namespace

// --- addresses ---

uint64_t AgcuCycle::AddressPipeline::address() const {
  int64_t offset = 0;
  for (unsigned l = 0; l < kLevels; ++l) offset += counters[l] * strides[l];
  if (indexed) offset += indices[row % kIndices] * index_stride;
  return base + static_cast<uint64_t>(offset) + packet * kPacketBytes;
}

uint32_t AgcuCycle::AddressPipeline::packet_bytes() const {
  return static_cast<uint32_t>(std::min<uint64_t>(kPacketBytes, row_bytes - packet * kPacketBytes));
}

/// To the next packet.
void AgcuCycle::AddressPipeline::step() {
  ++packet;
  if (packet * kPacketBytes < row_bytes) return;
  packet = 0;
  ++row;
  for (unsigned l = 0; l < kLevels; ++l) {
    if (++counters[l] < counts[l]) return;
    counters[l] = 0;
  }
}

Piece AgcuCycle::AddressPipeline::next(uint64_t request_bytes) {
  Piece piece;
  piece.address = address();
  piece.first = packet;
  piece.row_bytes = static_cast<uint32_t>(row_bytes);
  for (;;) {
    piece.bytes += packet_bytes();
    ++piece.packets;
    step();
    piece.ends_fill = fill != 0 && packet == 0 && row % fill == 0;
    const bool may_go_on = !done() && !piece.ends_fill && !needs_indices() && piece.packets < kBlockPackets;
    if (!may_go_on || address() != piece.address + piece.bytes) return piece;
    if (piece.address % request_bytes + piece.bytes + packet_bytes() > request_bytes) return piece;
  }
}

// --- set up ---

AgcuCycle::AgcuCycle(const FabricParams& params, BlockPool& blocks) : params_(params), blocks_(blocks) {
  pins_.packet_in = 2;
  pins_.packet_out = 1;
  pins_.scalar_out = 1;
  pins_.token_in = kTokenInputs;
  pins_.token_out = 2;
  pins_.actors = 2;
  pins_.stalls_add_up = true;
}

void AgcuCycle::reset() {
  load_ = {};
  store_ = {};
  data_.clear();
  indices_.clear();
  tokens_ = {};
  credits_ = 0;
  clock_ = 0;
  responses_.clear();
  loads_.clear();
  first_load_ = 0;
  sent_ = sent_bytes_ = 0;
  filling_ = false;
  block_ = {};
  taken_ = taken_bytes_ = 0;
  stores_.clear();
  first_store_ = 0;
  signals_due_ = 0;
  active_ = 0;
  memory = {};
}

AgcuCycle::Generator AgcuCycle::decode(const ConfigWords& words, uint64_t offset, uint64_t most_outstanding) {
  // Both groups have the same words and fields in the same places.
  const auto field = [&](core::Field f) { return words.get(offset + regs::kLOAD_OFFSET, f); };
  Generator g;
  g.enabled = field(L::ENABLE) != 0;
  if (!g.enabled) return g;
  AddressPipeline& a = g.rows;
  a.base = words.at64(offset + regs::kLOAD_BASE_OFFSET);
  a.row_bytes = words.at(offset + regs::kLOAD_ROW_BYTES_OFFSET);
  a.indexed = field(L::INDEX) != 0;
  a.index_stride = signed_of(words.at(offset + regs::kLOAD_INDEX_STRIDE_OFFSET));
  a.rows = 1;
  for (unsigned l = 0; l < kLevels; ++l) {
    const uint32_t count = words.at(offset + regs::kLOAD_COUNT_OFFSET + l * regs::kLOAD_COUNT_STRIDE);
    a.counts[l] = count == 0 ? 1 : count;
    a.strides[l] = signed_of(words.at(offset + regs::kLOAD_STRIDE_OFFSET + l * regs::kLOAD_STRIDE_STRIDE));
    a.rows *= a.counts[l];
  }
  g.waits = field(L::WAIT) != 0;
  g.wait_input = field(L::WAIT_INPUT);
  g.signals = field(L::SIGNAL) != 0;
  if (g.waits || g.signals) {
    a.fill = words.at(offset + regs::kLOAD_FILL_OFFSET);
    if (a.fill == 0) a.fill = a.rows;
  }
  g.slots = field(L::OUTSTANDING);
  if (g.slots == 0 || g.slots > most_outstanding) g.slots = most_outstanding;
  return g;
}

void AgcuCycle::configure(const ConfigWords& words) {
  static_assert(
      regs::kSTORE_STRIDE_OFFSET - regs::kSTORE_OFFSET == regs::kLOAD_STRIDE_OFFSET - regs::kLOAD_OFFSET,
      "loads and stores have the same words");
  load_ = decode(words, 0, params_.outstanding);
  store_ = decode(words, regs::kSTORE_OFFSET - regs::kLOAD_OFFSET, params_.outstanding);
  to_scalar_ = words.get(regs::kSCALAR_OFFSET, regs::SCALAR::OUT) != 0;
  has_sequence_ = words.get(regs::kLOAD_OFFSET, L::SEQUENCE) != 0;
  sequence_ = words.get(regs::kLOAD_SEQ_OFFSET, regs::LOAD_SEQ::FIRST);
  sequence_step_ = words.get(regs::kLOAD_SEQ_OFFSET, regs::LOAD_SEQ::STEP);
  destination_ = words.get(regs::kLOAD_OFFSET, L::DYNAMIC) != 0 ? words.at(regs::kLOAD_DEST_OFFSET) : 0;
  done_token_ = words.get(regs::kSTORE_OFFSET, S::DONE_TOKEN) != 0;
}

// --- a clock ---

void AgcuCycle::start(const PinCredits& credits, PinOutputs& out) {
  credits_ = to_scalar_ ? credits.scalar_out[0][0] : credits.out[0][0];
  cycle(out);
}

void AgcuCycle::tick(const PinInputs& in, PinOutputs& out) {
  const auto enter = [&](Ring<Packet>& fifo, unsigned port) {
    if ((in.valid >> port & 1) == 0) return;
    Packet packet;
    std::memcpy(packet.data(), in.data[port], kPacketBytes);
    fifo.push_back(packet);
  };
  enter(data_, 0);
  enter(indices_, 1);
  for (unsigned t = 0; t < kTokenInputs; ++t) tokens_[t] += in.tokens >> t & 1;
  credits_ += (to_scalar_ ? in.scalar_credit : in.credit) & 1;
  ++clock_;
  for (const AgcuMemoryPins::Answer& answer : memory.loaded)
    responses_.push_back({clock_ + params_.response_cycles, answer});
  for (const AgcuMemoryPins::Answer& answer : memory.stored)
    stores_[answer.number - first_store_].acknowledged = true;
  cycle(out);
}

/// What the registers show, and what they become with it.
void AgcuCycle::cycle(PinOutputs& out) {
  memory.load.valid = memory.store.valid = false;
  out.active = std::exchange(active_, 0);
  out.activity = activity_;
  return_slots(load_);
  return_slots(store_);
  respond();
  send(out);
  make_load(out);
  signal(out);
  take(out);
  remember();
  out.idle = active_ == 0 && responses_.empty() && load_.returning == 0 && store_.returning == 0 &&
             signals_due_ == 0 && !can_send() && !may_begin(load_) && !can_take();
  out.done = load_.rows.done() && loads_.empty() && store_.rows.done() && !filling_ && stores_.empty() &&
             signals_due_ == 0;
}

/// A packet, or word, was sent or taken in this cycle.
void AgcuCycle::did(unsigned actor, const Generator& g) {
  active_ |= 1u << actor;
  Activity& activity = activity_[actor];
  activity = {};
  activity.cost = 1;
  activity.begins = activity.fired = true;
  activity.late_in = g.lacks_input;
  activity.late_out = g.lacks_output;
  activity.vectors = actor == kLoad ? 1 : 0;
}

/// What is missing in this cycle for what has not been done in it: so it is until something comes.
void AgcuCycle::remember() {
  load_.lacks_input = loads_.empty() || !loads_.front().block;
  load_.lacks_output = credits_ == 0;
  store_.lacks_input = data_.empty() || (!filling_ && store_.rows.needs_indices() && indices_.empty());
  store_.lacks_output = !filling_ && store_.slots == 0;
}

void AgcuCycle::return_slots(Generator& g) {
  g.slots += g.returning;
  g.returning = 0;
}

/// Whether a request can be made in this cycle.
bool AgcuCycle::may_begin(const Generator& g) const {
  return !g.stopped && !g.rows.done() && g.slots != 0 && (!g.rows.needs_indices() || !indices_.empty()) &&
         (!g.waits || !g.rows.begins_fill() || tokens_[g.wait_input] != 0);
}

void AgcuCycle::begin(Generator& g, PinOutputs& out) {
  --g.slots;
  if (g.waits && g.rows.begins_fill()) --tokens_[g.wait_input];
  if (!g.rows.needs_indices()) return;
  std::memcpy(g.rows.indices.data(), indices_.front().data(), kPacketBytes);
  ++g.rows.index_packets;
  indices_.pop_front();
  out.credit |= 2;
  out.in_credit[1] = 1;
}

// --- loads ---

void AgcuCycle::respond() {
  while (!responses_.empty() && responses_.front().ready <= clock_) {
    const AgcuMemoryPins::Answer& answer = responses_.front().answer;
    loads_[answer.number - first_load_].block = answer.block;
    responses_.pop_front();
  }
}

bool AgcuCycle::can_send() const {
  return credits_ != 0 && !loads_.empty() && loads_.front().block;
}

void AgcuCycle::send(PinOutputs& out) {
  if (!can_send()) return;
  const Load& load = loads_.front();
  send_one(load, out);
  --credits_;
  ++sent_;
  did(kLoad, load_);
  if (sent_bytes_ != load.piece.bytes) return;
  if (load_.signals && load.piece.ends_fill) out.tokens |= 1;
  load_.returning = 1;
  loads_.pop_front();
  ++first_load_;
  sent_ = sent_bytes_ = 0;
}

void AgcuCycle::send_one(const Load& load, PinOutputs& out) {
  const uint8_t* bytes = load.block.packet(0) + sent_bytes_;
  if (to_scalar_) {
    out.scalar_valid = 1;
    std::memcpy(&out.scalar[0], bytes, 4);
    out.scalar_flow[0] = 0;
    sent_bytes_ += 4;
    return;
  }
  const uint64_t row_packets = (load.piece.row_bytes + kPacketBytes - 1) / kPacketBytes;
  const uint64_t in_row = (load.piece.first + sent_) % row_packets * kPacketBytes;
  const uint64_t size = std::min(kPacketBytes, load.piece.row_bytes - in_row);
  out.valid = 1;
  std::memcpy(out.data[0], bytes, size);
  std::memset(out.data[0] + size, 0, kPacketBytes - size);
  out.head[0] = PacketHead::make(has_sequence_ ? sequence_ : 0, destination_, 0);
  sequence_ += sequence_step_;
  sent_bytes_ += static_cast<uint32_t>(size);
}

void AgcuCycle::make_load(PinOutputs& out) {
  if (!may_begin(load_)) return;
  if (memory.load_stops) {
    load_.stopped = true;
    return;
  }
  begin(load_, out);
  memory.load.valid = true;
  memory.load.piece = load_.rows.next(params_.request_bytes);
  memory.load.is_last = load_.rows.done();
  loads_.push_back({memory.load.piece, {}});
}

// --- stores ---

/// What is acknowledged, in order.
void AgcuCycle::signal(PinOutputs& out) {
  while (!stores_.empty() && stores_.front().acknowledged) {
    const bool ends_fill = stores_.front().ends_fill;
    stores_.pop_front();
    ++first_store_;
    ++store_.returning;
    const bool is_last = stores_.empty() && store_.rows.done() && !filling_;
    if ((store_.signals && ends_fill) || (done_token_ && is_last)) ++signals_due_;
  }
  if (signals_due_ == 0) return;
  --signals_due_;
  out.tokens |= 2;
}

bool AgcuCycle::can_take() const {
  return !store_.stopped && !data_.empty() && (filling_ || may_begin(store_));
}

void AgcuCycle::take(PinOutputs& out) {
  if (!can_take()) return;
  if (!filling_) {
    begin(store_, out);
    piece_ = store_.rows.next(params_.request_bytes);
    block_ = BlockRef(blocks_.take());
    taken_ = taken_bytes_ = 0;
    filling_ = true;
  }
  const uint64_t row_packets = (piece_.row_bytes + kPacketBytes - 1) / kPacketBytes;
  const uint64_t in_row = (piece_.first + taken_) % row_packets * kPacketBytes;
  const uint64_t size = std::min(kPacketBytes, piece_.row_bytes - in_row);
  std::memcpy(block_.packet(0) + taken_bytes_, data_.front().data(), size);
  taken_bytes_ += static_cast<uint32_t>(size);
  ++taken_;
  data_.pop_front();
  out.credit |= 1;
  out.in_credit[0] = 1;
  did(kStore, store_);
  if (taken_ != piece_.packets) return;
  if (memory.store_stops) {
    store_.stopped = true;
    return;
  }
  filling_ = false;
  stores_.push_back({piece_.ends_fill, false});
  memory.store = {true, piece_, std::move(block_), store_.rows.done()};
  block_ = {};
}

}  // namespace rdu::fabric
