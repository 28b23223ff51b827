#include "fabric/agcu/agcu.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace rdu::fabric {
namespace {

/// Spreads a piece's bytes, which lie one behind the other at the block's start, so that each packet begins
/// at its own place and is padded with zero.
void spread(const Piece& piece, const BlockRef& block) {
  if (piece.bytes == piece.packets * kPacketBytes) return;
  std::array<std::pair<uint32_t, uint32_t>, kBlockPackets> parts;
  piece.for_each_packet([&](uint32_t p, uint32_t offset, uint32_t bytes) { parts[p] = {offset, bytes}; });
  uint8_t* data = block.packet(0);
  for (uint32_t p = piece.packets; p-- > 0;) {  // backwards: a packet only ever moves up
    const auto [offset, bytes] = parts[p];
    uint8_t* packet = block.packet(p);
    std::memmove(packet, data + offset, bytes);
    std::memset(packet + bytes, 0, kPacketBytes - bytes);
  }
}

}  // namespace

// --- load ---

void RequestTracks::slice(const Request& r) {
  core::Tracer& tracer = core::Tracer::get();
  if (!tracer.enabled()) return;
  size_t lane = 0;
  while (lane < lanes_.size() && lanes_[lane].busy_until > r.transfer.issue) ++lane;
  if (lane == lanes_.size()) lanes_.push_back({tracer.track(fmt::format("{}.{} {}", name_, what_, lane)), 0});
  lanes_[lane].busy_until = r.transfer.done;
  tracer.slice(lanes_[lane].track, r.transfer.issue, r.transfer.done, what_, r.transfer.tag,
               fmt::format("address={:#x} bytes={}", r.piece.address, r.piece.bytes));
}

LoadGenerator::LoadGenerator(Context& context, Unit& owner, Memory& memory, uint32_t initiator,
                             const std::string& name)
    : context_(context),
      owner_(owner),
      memory_(memory),
      initiator_(initiator),
      tracks_(name, "load"),
      output_(owner) {}

void LoadGenerator::start(uint64_t cycle) {
  const FabricParams& params = context_.params;
  walker_.start(rows_);
  output_.start(cycle, 0, params.max_burst);
  slots_.clear();
  slots_.push({cycle, 0, params.outstanding}, params.outstanding);
  requests_.clear();
  first_request_ = 0;
  delivered_ = 0;
  next_ = cycle;
  counts_ = {};
}

void LoadGenerator::run() {
  bool progress = true;
  while (progress) {
    progress = issue();
    progress |= deliver();
    progress |= output_.flush();
    progress |= retire();
  }
  counts_.first = output_.first_sent();
  counts_.last = output_.last_sent();
  counts_.firings = counts_.busy = counts_.vectors = output_.sent();
  counts_.stalls = output_.stalls();
}

bool LoadGenerator::issue() {
  bool progress = false;
  while (!walker_.done() && slots_.count() != 0) {
    const uint64_t cycle = std::max(next_, slots_.pop(1));
    next_ = cycle + 1;
    Request& r = memory_.make();
    r.piece = walker_.next(context_.params.request_bytes);
    r.block = BlockRef(context_.blocks.take());
    r.requester = this;
    r.unit = owner_.id();
    r.sequence = first_request_ + requests_.size();
    requests_.push_back({{}, r.piece.packets, false, 0});
    memory_.post(r, cycle + context_.params.request_cycles, false, r.block.packet(0), initiator_);
    progress = true;
  }
  return progress;
}

void LoadGenerator::answered(Request& r, uint64_t done_cycle) {
  tracks_.slice(r);
  spread(r.piece, r.block);
  Pending& pending = requests_[r.sequence - first_request_];
  pending.answered = true;
  pending.ready = done_cycle + context_.params.response_cycles;
  pending.block = r.block;
  counts_.bytes += r.piece.bytes;
  owner_.wake();
}

bool LoadGenerator::deliver() {
  bool progress = false;
  while (delivered_ < requests_.size() && requests_[delivered_].answered) {
    Pending& pending = requests_[delivered_];
    output_.put({{pending.ready, 0, pending.packets}, std::move(pending.block), 0});
    ++delivered_;
    progress = true;
  }
  return progress;
}

bool LoadGenerator::retire() {
  bool progress = false;
  while (delivered_ != 0 && output_.free_places() >= requests_.front().packets) {
    slots_.push({output_.take_places(requests_.front().packets), 0, 1}, 1);
    requests_.pop_front();
    ++first_request_;
    --delivered_;
    progress = true;
  }
  return progress;
}

std::string LoadGenerator::waits_for() const {
  if (finished()) return "";
  const std::string credit = output_.blocked_by();
  return credit.empty() ? "memory (load)" : credit;
}

// --- store ---

StoreGenerator::StoreGenerator(Context& context, Unit& owner, Memory& memory, uint32_t initiator,
                               const std::string& name)
    : context_(context),
      owner_(owner),
      memory_(memory),
      initiator_(initiator),
      tracks_(name, "store"),
      input_(owner) {}

void StoreGenerator::start(uint64_t cycle) {
  walker_.start(rows_);
  slots_.clear();
  slots_.push({cycle, 0, context_.params.outstanding}, context_.params.outstanding);
  filling_ = false;
  block_ = {};
  unacknowledged_.clear();
  first_request_ = 0;
  last_acknowledged_ = cycle;
  next_ = cycle;
  counts_ = {};
}

void StoreGenerator::run() {
  while (take()) {
  }
}

bool StoreGenerator::take() {
  if (!filling_) {
    if (walker_.done() || slots_.count() == 0) return false;
    slot_ = slots_.pop(1);
    piece_ = walker_.next(context_.params.request_bytes);
    block_ = BlockRef(context_.blocks.take());
    taken_packets_ = 0;
    taken_bytes_ = 0;
    filling_ = true;
  }
  const Run arrivals = input_.head();
  if (arrivals.n == 0) return false;
  const uint64_t limit = std::min<uint64_t>(piece_.packets - taken_packets_, context_.params.max_burst);
  Firing firing(next_, 1, limit);
  firing.need(arrivals, Cause::input);
  if (taken_packets_ == 0) firing.need({slot_, 0, limit}, Cause::output);
  const auto [run, stalls] = firing.solve();
  uint8_t* data = block_.packet(0);
  input_.pop(run, 1, [&](const BlockRef& block, uint32_t offset, unsigned packets) {
    for (unsigned p = 0; p < packets; ++p) {
      const uint64_t in_row = (piece_.first + taken_packets_) % rows_.packets();
      const auto bytes =
          static_cast<uint32_t>(std::min<uint64_t>(kPacketBytes, rows_.bytes - in_row * kPacketBytes));
      std::memcpy(data + taken_bytes_, block.packet(offset + p), bytes);
      taken_bytes_ += bytes;
      ++taken_packets_;
    }
  });
  next_ = run.last() + 1;
  counts_.fired(run);
  counts_.busy += run.n;
  counts_.stalls += stalls;
  if (taken_packets_ == piece_.packets) {
    Request& r = memory_.make();
    r.piece = piece_;
    r.block = std::move(block_);
    r.requester = this;
    r.unit = owner_.id();
    r.sequence = first_request_ + unacknowledged_.size();
    unacknowledged_.push_back({});
    filling_ = false;
    counts_.bytes += piece_.bytes;
    memory_.post(r, run.last() + context_.params.request_cycles, true, data, initiator_);
  }
  return true;
}

void StoreGenerator::answered(Request& r, uint64_t done_cycle) {
  tracks_.slice(r);
  Pending& pending = unacknowledged_[r.sequence - first_request_];
  pending = {true, done_cycle};
  while (!unacknowledged_.empty() && unacknowledged_.front().answered) {
    const uint64_t done = unacknowledged_.front().done;
    last_acknowledged_ = std::max(last_acknowledged_, done);
    slots_.push({done + 1, 0, 1}, 1);
    unacknowledged_.pop_front();
    ++first_request_;
  }
  owner_.wake();
}

std::string StoreGenerator::waits_for() const {
  if (finished()) return "";
  if (walker_.done() && !filling_) return "memory (store)";
  if (!filling_ && slots_.count() == 0) return "memory (store)";
  return fmt::format("input ({})", input_.source());
}

// --- both ---

Agcu::Agcu(Context& context, uint32_t id, const AgcuConfig& config, Memory& memory, uint32_t initiator,
           const std::string& name)
    : Unit(context, id), done_(*this), tokens_{TokenInput(*this), TokenInput(*this), TokenInput(*this),
                                               TokenInput(*this), TokenInput(*this), TokenInput(*this),
                                               TokenInput(*this), TokenInput(*this)} {
  if (config.load) load_ = std::make_unique<LoadGenerator>(context, *this, memory, initiator, name);
  if (config.store) store_ = std::make_unique<StoreGenerator>(context, *this, memory, initiator + 1, name);
  configure(config);
}

void Agcu::configure(const AgcuConfig& config) {
  config_ = config;
  if (load_) load_->configure(config.load_rows);
  if (store_) store_->configure(config.store_rows);
}

void Agcu::start(uint64_t cycle) {
  if (load_) load_->start(cycle);
  if (store_) store_->start(cycle);
  done_.start(context_.params.max_burst);
  is_done_sent_ = false;
}

void Agcu::run() {
  if (load_) load_->run();
  if (store_) store_->run();
  if (config_.done_token && !is_done_sent_ && store_->finished()) {
    is_done_sent_ = true;
    done_.send({store_->last_acknowledged(), 0, 1});
  }
}

bool Agcu::finished() const {
  return (!load_ || load_->finished()) && (!store_ || store_->finished());
}

std::optional<uint64_t> Agcu::last_token() const {
  uint64_t last = 0;
  for (unsigned i = 0; i < AgcuConfig::kTokenInputs; ++i) {
    if ((config_.tokens >> i & 1) == 0) continue;
    if (tokens_[i].available() == 0) return std::nullopt;
    last = std::max(last, tokens_[i].head().t);
  }
  return last;
}

std::string Agcu::waits_for() const {
  std::string text = load_ ? load_->waits_for() : "";
  const std::string store = store_ ? store_->waits_for() : "";
  if (!text.empty() && !store.empty()) text += " and ";
  return text + store;
}

const UnitCounts& Agcu::counts() const {
  const UnitCounts load = load_ ? load_->counts() : UnitCounts{};
  const UnitCounts store = store_ ? store_->counts() : UnitCounts{};
  counts_ = load;
  if (store.firings != 0) {
    counts_.first = load.firings != 0 ? std::min(load.first, store.first) : store.first;
    counts_.last = std::max(load.last, store.last);
  }
  counts_.firings += store.firings;
  counts_.busy = std::max(load.busy, store.busy);
  counts_.stalls += store.stalls;
  counts_.bytes += store.bytes;
  return counts_;
}

}  // namespace rdu::fabric
