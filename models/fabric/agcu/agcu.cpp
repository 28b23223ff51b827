#include "fabric/agcu/agcu.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "fabric/agcu/atomic.h"
#include "fabric/stream/pins.h"

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

uint64_t slots_of(uint64_t configured, const FabricParams& params) {
  return configured == 0 ? params.outstanding : std::min(configured, params.outstanding);
}

}  // namespace

// --- load ---

LoadGenerator::LoadGenerator(Context& context, Unit& owner, Memory& memory, InputPort& indices,
                             TokenInputs& tokens, uint32_t initiator, const std::string& name)
    : context_(context),
      owner_(owner),
      memory_(memory),
      initiator_(initiator),
      indices_(indices),
      tokens_(tokens),
      tracks_(name, "load"),
      output_(owner),
      signal_(owner),
      words_(context.blocks) {}

void LoadGenerator::configure(const AgcuConfig& config) {
  config_ = config;
  outstanding_ = slots_of(config.load_outstanding, context_.params);
}

void LoadGenerator::start(uint64_t cycle) {
  const FabricParams& params = context_.params;
  walker_.start(config_.load_rows);
  output_.start(cycle, 0, params.max_burst);
  signal_.start(params.max_burst);
  words_.drop();
  sequence_ = config_.first_sequence;
  slots_.clear();
  slots_.push({cycle, 0, outstanding_}, outstanding_);
  requests_.clear();
  first_request_ = 0;
  faults_.clear();
  stopped_ = false;
  answered_ = 0;
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
  while (!walker_.done() && slots_.count() != 0 && !stopped_) {
    const bool needs_indices = walker_.needs_indices();
    const Run indices = needs_indices ? indices_.head() : Run{};
    if (needs_indices && indices.n == 0) break;
    uint64_t token = 0;
    if (config_.load_tokens.wait && walker_.begins_fill()) {
      TokenInput& input = tokens_[config_.load_tokens.wait_input];
      if (input.available() == 0) break;
      token = input.pop(1);
    }
    const uint64_t cycle = std::max({next_, indices.t, token, slots_.pop(1)});
    next_ = cycle + 1;
    const uint64_t issue = cycle + context_.params.request_cycles;
    stopped_ = !faults_.allows(memory_.clock().time(issue));
    if (stopped_) break;
    if (needs_indices) {
      indices_.pop({cycle, 0, 1}, 1, [this](const BlockRef& block, uint32_t offset, unsigned) {
        walker_.give_indices(block.packet(offset));
      });
    }
    Request& r = memory_.make();
    r.piece = walker_.next(context_.params.request_bytes);
    r.block = BlockRef(context_.blocks.take());
    r.requester = this;
    r.unit = owner_.id();
    r.sequence = first_request_ + requests_.size();
    requests_.push_back(
        {{}, config_.to_scalar ? r.piece.bytes / 4 : r.piece.packets, r.piece.ends_fill, false, 0, 0});
    memory_.post(r, issue, false, r.block.packet(0), initiator_);
    progress = true;
  }
  return progress;
}

void LoadGenerator::answered(Request& r, uint64_t done_cycle) {
  tracks_.slice(r);
  if (!config_.to_scalar) spread(r.piece, r.block);
  Pending& pending = requests_[r.sequence - first_request_];
  pending.answered = true;
  pending.ready = done_cycle + context_.params.response_cycles;
  pending.done = r.transfer.done;
  pending.block = r.block;
  counts_.bytes += r.piece.bytes;
  owner_.wake();
}

void LoadGenerator::failed(Request& r, const Fault& fault) {
  faults_.add(r.sequence, fault);
  report();
}

void LoadGenerator::report() {
  if (const std::optional<Fault> fault = faults_.due(first_request_ + delivered_, answered_))
    memory_.report(*fault);
}

bool LoadGenerator::deliver() {
  bool progress = false;
  while (delivered_ < requests_.size() && requests_[delivered_].answered) {
    Pending& pending = requests_[delivered_];
    if (config_.to_scalar) {
      send_words(pending);
    } else {
      set_heads(pending);
      output_.put({{pending.ready, 0, pending.packets}, pending.block, 0});
    }
    pending.block = {};
    answered_ = std::max(answered_, pending.done);
    ++delivered_;
    progress = true;
  }
  if (progress) report();
  return progress;
}

void LoadGenerator::set_heads(const Pending& request) {
  if (!config_.has_sequence && !config_.is_dynamic) return;
  for (uint32_t p = 0; p < request.packets; ++p) {
    request.block.set_head(p, PacketHead::make(config_.has_sequence ? sequence_ : 0, config_.destination, 0));
    sequence_ += config_.sequence_step;
  }
}

/// A word is what a packet is elsewhere: it lies at the begin of one.
void LoadGenerator::send_words(const Pending& request) {
  for (uint32_t w = 0; w < request.packets; ++w) {
    words_.room();
    std::memcpy(words_.next(), request.block.packet(0) + 4 * w, 4);
    output_.put({{request.ready, 0, 1}, words_.block(), words_.offset()});
    words_.take(1);
  }
}

bool LoadGenerator::retire() {
  bool progress = false;
  while (delivered_ != 0 && output_.free_places() >= requests_.front().packets) {
    const uint64_t left = output_.take_places(requests_.front().packets);  // a cycle after the last packet
    slots_.push({left, 0, 1}, 1);
    if (requests_.front().ends_fill && config_.load_tokens.signal) signal_.send({left - 1, 0, 1});
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
  if (!credit.empty()) return credit;
  if (requests_.empty() && walker_.needs_indices() && indices_.available() == 0)
    return fmt::format("input 1, indices ({})", indices_.source());
  if (requests_.empty() && walker_.begins_fill() && config_.load_tokens.wait)
    return fmt::format("a token on token input {}", config_.load_tokens.wait_input);
  return "memory (load)";
}

// --- store ---

StoreGenerator::StoreGenerator(Context& context, Unit& owner, Memory& memory, InputPort& indices,
                               TokenInputs& tokens, uint32_t initiator, const std::string& name)
    : context_(context),
      owner_(owner),
      memory_(memory),
      initiator_(initiator),
      indices_(indices),
      tokens_(tokens),
      tracks_(name, "store"),
      input_(owner),
      signal_(owner) {}

void StoreGenerator::configure(const AgcuConfig& config) {
  config_ = config;
  outstanding_ = slots_of(config.store_outstanding, context_.params);
  modify_ = modify_of(config.op);
}

void StoreGenerator::start(uint64_t cycle) {
  walker_.start(config_.store_rows);
  signal_.start(context_.params.max_burst);
  next_signal_ = cycle;
  token_ = cycle;
  slots_.clear();
  slots_.push({cycle, 0, outstanding_}, outstanding_);
  filling_ = false;
  block_ = {};
  indices_arrived_.reset();
  unacknowledged_.clear();
  first_request_ = 0;
  faults_.clear();
  stopped_ = false;
  answered_ = 0;
  last_acknowledged_ = cycle;
  next_ = cycle;
  counts_ = {};
}

void StoreGenerator::run() {
  while (take()) {
  }
}

/// Makes the next request, to be filled; false if it cannot be made yet.
bool StoreGenerator::begin() {
  if (walker_.done() || slots_.count() == 0) return false;
  if (walker_.needs_indices()) {
    if (indices_.available() == 0) return false;
  }
  if (config_.store_tokens.wait && walker_.begins_fill()) {
    TokenInput& input = tokens_[config_.store_tokens.wait_input];
    if (input.available() == 0) return false;
    token_ = input.pop(1);
  }
  if (walker_.needs_indices()) {
    indices_arrived_ = indices_.head().t;
    walker_.give_indices(indices_.front());
  }
  slot_ = slots_.pop(1);
  piece_ = walker_.next(context_.params.request_bytes);
  block_ = BlockRef(context_.blocks.take());
  taken_packets_ = 0;
  taken_bytes_ = 0;
  filling_ = true;
  return true;
}

bool StoreGenerator::take() {
  if (stopped_ || (!filling_ && !begin())) return false;
  const Run arrivals = input_.head();
  if (arrivals.n == 0) return false;
  const uint64_t limit = std::min<uint64_t>(piece_.packets - taken_packets_, context_.params.max_burst);
  Firing firing(next_, 1, limit);
  firing.need(arrivals, Cause::input);
  if (indices_arrived_) firing.need({*indices_arrived_, 0, limit}, Cause::input);
  if (taken_packets_ == 0) {
    firing.need({slot_, 0, limit}, Cause::output);
    firing.need({token_, 0, limit}, Cause::other);
  }
  const auto [run, stalls] = firing.solve();
  if (indices_arrived_) {
    indices_.pop({run.t, 0, 1}, 1, [](const BlockRef&, uint32_t, unsigned) {});
    indices_arrived_.reset();
  }
  uint8_t* data = block_.packet(0);
  const AgcuConfig::Rows& rows = config_.store_rows;
  input_.pop(run, 1, [&](const BlockRef& block, uint32_t offset, unsigned packets) {
    for (unsigned p = 0; p < packets; ++p) {
      const uint64_t in_row = (piece_.first + taken_packets_) % rows.packets();
      const auto bytes =
          static_cast<uint32_t>(std::min<uint64_t>(kPacketBytes, rows.bytes - in_row * kPacketBytes));
      std::memcpy(data + taken_bytes_, block.packet(offset + p), bytes);
      taken_bytes_ += bytes;
      ++taken_packets_;
    }
  });
  next_ = run.last() + 1;
  counts_.fired(run);
  counts_.busy += run.n;
  counts_.stalls += stalls;
  if (taken_packets_ == piece_.packets) send(run.last());
  return true;
}

void StoreGenerator::send(uint64_t last_packet) {
  const uint64_t issue = last_packet + context_.params.request_cycles;
  stopped_ = !faults_.allows(memory_.clock().time(issue));
  if (stopped_) return;
  Request& r = memory_.make();
  r.piece = piece_;
  r.block = std::move(block_);
  r.requester = this;
  r.unit = owner_.id();
  r.sequence = first_request_ + unacknowledged_.size();
  unacknowledged_.push_back({piece_.ends_fill, false, 0, 0});
  filling_ = false;
  counts_.bytes += piece_.bytes;
  memory_.post(r, issue, true, r.block.packet(0), initiator_, modify_);
}

void StoreGenerator::answered(Request& r, uint64_t done_cycle) {
  tracks_.slice(r);
  Pending& pending = unacknowledged_[r.sequence - first_request_];
  pending = {pending.ends_fill, true, done_cycle, r.transfer.done};
  while (!unacknowledged_.empty() && unacknowledged_.front().answered) {
    const Pending& front = unacknowledged_.front();
    last_acknowledged_ = std::max(last_acknowledged_, front.done_cycle);
    answered_ = std::max(answered_, front.done);
    slots_.push({front.done_cycle + 1, 0, 1}, 1);
    if (front.ends_fill && config_.store_tokens.signal) {
      const uint64_t at = std::max(next_signal_, last_acknowledged_);  // a pulse a cycle
      signal_.send({at, 0, 1});
      next_signal_ = at + 1;
    }
    unacknowledged_.pop_front();
    ++first_request_;
  }
  if (config_.done_token && finished()) signal_.send({last_acknowledged_, 0, 1});
  report();
  owner_.wake();
}

void StoreGenerator::failed(Request& r, const Fault& fault) {
  faults_.add(r.sequence, fault);
  memory_.withdraw(*this, faults_.stop());
  report();
}

void StoreGenerator::report() {
  if (const std::optional<Fault> fault = faults_.due(first_request_, answered_)) memory_.report(*fault);
}

std::string StoreGenerator::waits_for() const {
  if (finished()) return "";
  if (walker_.done() && !filling_) return "memory (store)";
  if (!filling_ && slots_.count() == 0) return "memory (store)";
  if (!filling_ && walker_.needs_indices() && indices_.available() == 0)
    return fmt::format("input 1, indices ({})", indices_.source());
  if (!filling_ && walker_.begins_fill() && config_.store_tokens.wait)
    return fmt::format("a token on token input {}", config_.store_tokens.wait_input);
  return fmt::format("input ({})", input_.source());
}

// --- both ---

Agcu::Agcu(Context& context, uint32_t id, const AgcuConfig& config, Memory& memory, uint32_t initiator,
           const std::string& name)
    : Unit(context, id), indices_(*this), tokens_{TokenInput(*this), TokenInput(*this), TokenInput(*this),
                                                  TokenInput(*this), TokenInput(*this), TokenInput(*this),
                                                  TokenInput(*this), TokenInput(*this)} {
  if (config.load)
    load_ = std::make_unique<LoadGenerator>(context, *this, memory, indices_, tokens_, initiator, name);
  if (config.store)
    store_ = std::make_unique<StoreGenerator>(context, *this, memory, indices_, tokens_, initiator + 1, name);
  set_up(config);
}

void Agcu::configure(const AgcuConfig& config, const ConfigWords&) {
  set_up(config);
}

void Agcu::set_up(const AgcuConfig& config) {
  config_ = config;
  if (load_) load_->configure(config);
  if (store_) store_->configure(config);
}

void Agcu::start(uint64_t cycle) {
  if (load_) load_->start(cycle);
  if (store_) store_->start(cycle);
}

void Agcu::run() {
  if (load_) load_->run();
  if (store_) store_->run();
}

bool Agcu::finished() const {
  return (!load_ || load_->finished()) && (!store_ || store_->finished());
}

std::optional<uint64_t> Agcu::end() const {
  uint64_t end = 0;
  if (store_) {
    if (!store_->finished()) return std::nullopt;
    end = store_->last_acknowledged();
  }
  for (unsigned i = 0; i < AgcuConfig::kTokenInputs; ++i) {
    if ((config_.tokens >> i & 1) == 0) continue;
    if (tokens_[i].available() == 0) return std::nullopt;
    end = std::max(end, tokens_[i].head().t);
  }
  return end;
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
