#include "fabric/pmu/pmu.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "fabric/stream/pins.h"
#include "regs/sequencer.hpp"

namespace rdu::fabric {
namespace {

using Address = PmuPipelineConfig::Address;
using Deed = Pipeline::Deed;
constexpr unsigned kIndicesPerPacket = kPacketBytes / 4;
/// A shorter fill is copied: a view would cost more.
constexpr uint64_t kLeastView = kBlockPackets;

/// Moves one element.
void move(uint8_t* to, const uint8_t* from, unsigned bytes) {
  switch (bytes) {
    case 1:
      *to = *from;
      break;
    case 2:
      std::memcpy(to, from, 2);
      break;
    default:
      std::memcpy(to, from, 4);
      break;
  }
}

}  // namespace

Pmu::Pmu(Context& context, uint32_t id, const PmuConfig& config, Scratchpad& memory)
    : Unit(context, id),
      memory_(memory),
      inputs_{InputPort(*this), InputPort(*this), InputPort(*this), InputPort(*this)},
      token_outputs_{TokenOutput(*this), TokenOutput(*this)},
      tokens_(*this),
      readers_{Reader(*this, context.blocks), Reader(*this, context.blocks)} {
  configure(config);
}

void Pmu::configure(const PmuConfig& config) {
  config_ = config;
  const auto banks = static_cast<unsigned>(context_.params.pmu_banks);
  for (unsigned i = 0; i < PmuConfig::kPipelines; ++i) {
    writers_[i].pipeline = Pipeline(config.write[i], banks, config.bank_shift, config.bank_skew);
    readers_[i].pipeline = Pipeline(config.read[i], banks, config.bank_shift, config.bank_skew);
    const PmuPipelineConfig& c = config.read[i];
    readers_[i].may_lend = c.address == Address::counters && c.range == PmuPipelineConfig::Range::off &&
                           c.pred == PmuPipelineConfig::Pred::always && !c.has_sequence && !c.is_dynamic &&
                           c.accesses >= kLeastView;
  }
}

void Pmu::start(uint64_t cycle) {
  bytes_ = memory_.data();
  counts_ = {};
  tokens_.start(cycle, config_.tokens);
  for (TokenOutput& output : token_outputs_) output.start(context_.params.max_burst);
  for (Writer& w : writers_) {
    w.pipeline.start(cycle);
    w.seen.clear();
  }
  for (Reader& r : readers_) {
    r.pipeline.start(cycle);
    r.out.drop();
    r.view = {};
    r.lender.drop();
    r.output.start(cycle, context_.params.output_depth, context_.params.max_burst);
  }
}

void Pmu::run() {
  bool progress = true;
  while (progress) {
    progress = false;
    for (Reader& r : readers_) progress |= r.output.flush();
    for (Writer& w : writers_) progress |= write(w);
    for (Reader& r : readers_) progress |= read(r);
  }
}

bool Pmu::finished() const {
  return std::all_of(writers_.begin(), writers_.end(), [](const Writer& w) { return w.pipeline.over(); }) &&
         std::all_of(readers_.begin(), readers_.end(),
                     [](const Reader& r) { return r.pipeline.over() && r.output.waiting() == 0; });
}

// --- fills ---

bool Pmu::need_tokens(const Pipeline& p, Firing& firing) const {
  if (!p.at_begin_of_fill() || p.config().wait == 0) return true;
  if (tokens_.missing(p.config().wait) >= 0) return false;
  // Later accesses of the fill have no need, so the first one's holds for all.
  firing.need(p.slots({tokens_.ready(p.config().wait), 0, kBlockPackets}, p.config().period), Cause::other);
  return true;
}

void Pmu::advance(Pipeline& p, const Run& run, const Pipeline::Batch& batch) {
  if (p.at_begin_of_fill()) tokens_.take(p.config().wait);
  counts_.fired(run);
  const bool is_over = p.advance(run, batch);
  counts_.busy = std::max(counts_.busy, p.busy());
  if (!is_over) return;
  tokens_.give(p.config().give, p.end());
  for (unsigned c = 0; c < token_outputs_.size(); ++c) {
    if ((p.config().out >> c & 1) != 0) token_outputs_[c].send({p.end(), 0, 1});
  }
}

// --- indices ---

/// Takes all index packets of the next access but the last one. False if one of them is not there yet.
bool Pmu::take_indices_beforehand(Pipeline& p, Indices& indices) {
  InputPort& input = inputs_[p.config().index];
  while (p.held() + 1 < p.config().index_packets()) {
    const Run head = input.head();
    if (head.n == 0) return false;
    Firing firing(p.next(), p.config().period, 1);
    firing.need(p.slots(head, p.config().period), Cause::input);
    const auto [run, stalls] = firing.solve();
    take_indices(p, indices, run);
    counts_.stalls += stalls;
    p.took_index(run.t);
  }
  return true;
}

void Pmu::take_indices(Pipeline& p, Indices& indices, const Run& run) {
  inputs_[p.config().index].pop(run, 1, [&](const BlockRef& block, uint32_t offset, unsigned) {
    std::memcpy(&indices[p.held() * kIndicesPerPacket], block.packet(offset), kPacketBytes);
  });
}

Pmu::Lanes Pmu::lanes_by_index(const Pipeline& p, const Indices& indices) const {
  const PmuPipelineConfig& c = p.config();
  Lanes lanes;
  if (!p.predicate()) return lanes;
  const int64_t start = p.start_of_buffer();
  for (unsigned l = 0; l < c.lanes; ++l) {
    const int64_t offset = p.offset() + static_cast<int64_t>(l) * c.lane_stride + indices[l] * c.index_stride;
    if (!p.in_range(offset)) continue;
    lanes.address[lanes.count] = static_cast<uint64_t>(start + offset);
    lanes.lane[lanes.count] = static_cast<uint8_t>(l);
    ++lanes.count;
  }
  return lanes;
}

Pmu::Lanes Pmu::all_lanes(const Pipeline& p, uint64_t address) const {
  Lanes lanes;
  lanes.count = p.config().lanes;
  for (unsigned l = 0; l < lanes.count; ++l) {
    lanes.address[l] = address + static_cast<uint64_t>(static_cast<int64_t>(l) * p.config().lane_stride);
    lanes.lane[l] = static_cast<uint8_t>(l);
  }
  return lanes;
}

unsigned Pmu::cost(const Pipeline& p, const Lanes& lanes) const {
  std::array<uint64_t, RDU_VECTOR_BYTES> words;
  for (unsigned i = 0; i < lanes.count; ++i) words[i] = lanes.address[i] & ~uint64_t{3};
  return p.cost_of_words(words.data(), lanes.count);
}

// --- writing ---

bool Pmu::write(Writer& w) {
  if (w.pipeline.over()) return false;
  return w.pipeline.config().address == Address::counters ? write_counters(w) : write_by_data(w);
}

bool Pmu::write_counters(Writer& w) {
  Pipeline& p = w.pipeline;
  const PmuPipelineConfig& c = p.config();
  InputPort& input = inputs_[c.data];
  const Run arrivals = input.head();
  if (arrivals.n == 0 || (p.at_begin_of_fill() && tokens_.missing(c.wait) >= 0)) return false;
  const Pipeline::Batch batch = p.look_ahead(std::min(arrivals.n, context_.params.max_burst));
  const uint64_t interval = uint64_t{batch.cost} * c.period;
  Firing firing(p.next(), interval, batch.count);
  firing.need(p.slots(arrivals, interval), Cause::input);
  if (!need_tokens(p, firing)) return false;
  const Firing::Result solution = firing.solve();
  const Run& run = solution.run;
  announce(p);
  const int64_t stride = p.inner_stride();
  const bool is_packed = c.lane_stride == c.element || c.lanes == 1;
  const unsigned length = c.lanes * c.element;
  unsigned in_stretch = 0;
  unsigned stretch = 0;
  uint64_t done = 0;
  input.pop(run, 1, [&](const BlockRef& block, uint32_t offset, unsigned packets) {
    if (batch.deed != Deed::access) return;
    for (unsigned i = 0; i < packets; ++i, ++done) {
      const Pipeline::Stretch& s = p.stretch(stretch);
      const uint64_t address = s.address + static_cast<uint64_t>(stride * in_stretch);
      const uint8_t* packet = block.packet(offset + i);
      if (!is_packed || memory_.has_errors()) {
        store(p, all_lanes(p, address), packet, run.at(done));
      } else if (length == kPacketBytes) {
        std::memcpy(bytes_ + address, packet, kPacketBytes);
      } else {
        std::memcpy(bytes_ + address, packet, length);
      }
      if (++in_stretch == s.count) ++stretch, in_stretch = 0;
    }
  });
  if (batch.deed == Deed::access) counts_.bytes += run.n * length;
  counts_.stalls += solution.stalls;
  advance(p, run, batch);
  return true;
}

bool Pmu::write_by_data(Writer& w) {
  Pipeline& p = w.pipeline;
  const PmuPipelineConfig& c = p.config();
  InputPort& input = inputs_[c.data];
  const bool is_scatter = c.address == Address::index;
  if (is_scatter && !take_indices_beforehand(p, w.indices)) return false;
  Run arrival = input.head();
  if (arrival.n == 0) return false;
  Firing firing(p.next(), c.period, 1);
  firing.need(p.slots(arrival, c.period), Cause::input);
  if (is_scatter) {
    const Run indices = inputs_[c.index].head();
    if (indices.n == 0) return false;
    firing.need(p.slots(indices, c.period), Cause::input);
  }
  if (!need_tokens(p, firing)) return false;
  const Firing::Result solution = firing.solve();
  const Run& run = solution.run;
  if (is_scatter) take_indices(p, w.indices, run);
  announce(p);
  Pipeline::Batch batch;
  batch.count = 1;
  input.pop(run, 1, [&](const BlockRef& block, uint32_t offset, unsigned) {
    Lanes lanes;
    if (is_scatter) {
      lanes = lanes_by_index(p, w.indices);
    } else {
      const unsigned id = PacketHead::sequence(block.head(offset));
      const int64_t at = static_cast<int64_t>(id) * c.index_stride;
      if (p.in_range(at)) {
        lanes = all_lanes(p, static_cast<uint64_t>(p.start_of_buffer() + at));
        note_sequence(w, id, run.t);
      }
    }
    batch.cost = cost(p, lanes);
    store(p, lanes, block.packet(offset), run.t);
    counts_.bytes += lanes.count * c.element;
  });
  counts_.stalls += solution.stalls;
  advance(p, run, batch);
  if (p.at_begin_of_fill()) w.seen.clear();
  return true;
}

void Pmu::note_sequence(Writer& w, unsigned id, uint64_t cycle) {
  if (w.seen.size() <= id) w.seen.resize(id + 1);
  if (w.seen[id]) {
    context_.fault({regs::sequencer::FAULT::CODE_SEQUENCE, this->id(), id, cycle,
                    fmt::format("{}: a second packet of fill {} has sequence id {}",
                                w.pipeline.config().name(), w.pipeline.fill() + 1, id)});
  }
  w.seen[id] = true;
}

void Pmu::store(const Pipeline& p, const Lanes& lanes, const uint8_t* packet, uint64_t cycle) {
  const unsigned size = p.config().element;
  Scratchpad::Checked checked;
  std::array<uint64_t, RDU_VECTOR_BYTES> kept;  // words that stay as they are
  unsigned kept_count = 0;
  if (memory_.has_errors()) {
    for (unsigned i = 0; i < lanes.count; ++i) {
      const uint64_t word = lanes.address[i] & ~uint64_t{3};
      unsigned bytes = 0;
      bool is_first = true;
      for (unsigned j = 0; j < lanes.count; ++j) {
        if ((lanes.address[j] & ~uint64_t{3}) != word) continue;
        is_first &= j >= i;
        bytes |= ((1u << size) - 1) << (lanes.address[j] & 3);
      }
      if (is_first && !memory_.before_write(word, bytes, checked)) kept[kept_count++] = word;
    }
  }
  for (unsigned i = 0; i < lanes.count; ++i) {
    if (kept_count != 0 && std::find(kept.begin(), kept.begin() + kept_count,
                                     lanes.address[i] & ~uint64_t{3}) != kept.begin() + kept_count) {
      continue;
    }
    move(bytes_ + lanes.address[i], packet + lanes.lane[i] * size, size);
  }
  report(checked, cycle);
}

// --- reading ---

bool Pmu::read(Reader& r) {
  Pipeline& p = r.pipeline;
  if (p.over() || beyond_horizon(p.next())) return false;
  return p.config().address == Address::index ? read_by_index(r) : read_counters(r);
}

bool Pmu::read_counters(Reader& r) {
  Pipeline& p = r.pipeline;
  const PmuPipelineConfig& c = p.config();
  if (p.at_begin_of_fill() && tokens_.missing(c.wait) >= 0) return false;
  const bool takes_scalar = c.address == Address::scalar && p.at_begin_of_fill();
  if (takes_scalar) {
    if (r.scalar.available() == 0) return false;
    int32_t word;
    std::memcpy(&word, r.scalar.front(), sizeof word);
    p.set_scalar(word * c.index_stride);
  }
  const bool lends = r.may_lend && !memory_.has_errors();
  const unsigned room = !lends ? r.out.room() : r.view ? r.lender.room(*r.view, p.index()) : kBlockPackets;
  const Pipeline::Batch batch = p.look_ahead(std::min<uint64_t>(context_.params.max_burst, room));
  const uint64_t interval = uint64_t{batch.cost} * c.period;
  Firing firing(p.next(), interval, batch.count);
  const bool sends = batch.deed != Deed::nothing;
  if (sends) {
    const Run places = r.output.places();
    if (places.n == 0) return false;
    firing.need(p.slots(places, interval), Cause::output);
  }
  if (takes_scalar) {
    const Run head = r.scalar.head();
    firing.need(p.slots({head.t, 0, batch.count}, interval), Cause::input);
  }
  if (!need_tokens(p, firing)) return false;
  const auto [run, stalls] = firing.solve();
  if (takes_scalar) r.scalar.pop({run.t, 0, 1}, 1, [](const BlockRef&, uint32_t, unsigned) {});
  if (lends) {
    const uint32_t offset = r.lender.lend(view(r), p.index(), static_cast<unsigned>(run.n));
    counts_.bytes += run.n * c.lanes * c.element;
    send(r, run, batch.cost, r.lender.block(), offset);
  } else if (sends) {
    uint8_t* packets = r.out.next();
    if (batch.deed == Deed::zeros) {
      std::memset(packets, 0, run.n * kPacketBytes);
    } else {
      uint64_t done = 0;
      for (unsigned i = 0; done != run.n; ++i) {
        const Pipeline::Stretch& s = p.stretch(i);
        const auto count = static_cast<unsigned>(std::min<uint64_t>(run.n - done, s.count));
        if (memory_.has_errors()) {
          for (unsigned k = 0; k < count; ++k) {
            const uint64_t address = s.address + static_cast<uint64_t>(p.inner_stride() * k);
            gather(p, all_lanes(p, address), packets + (done + k) * kPacketBytes, run.at(done + k));
          }
        } else {
          const VectorShape shape = {c.lanes, c.element, c.lane_stride};
          fabric::gather(packets + done * kPacketBytes, bytes_ + s.address, shape, p.inner_stride(), count);
        }
        done += count;
      }
      counts_.bytes += run.n * c.lanes * c.element;
    }
    send(r, run, batch.cost, r.out.block(), r.out.offset());
    r.out.take(static_cast<unsigned>(run.n));
  }
  counts_.stalls += stalls;
  advance(p, run, batch);
  if (p.at_begin_of_fill()) r.view = {}, r.lender.drop();
  return true;
}

PacketSource& Pmu::view(Reader& r) {
  if (!r.view) {
    const Pipeline& p = r.pipeline;
    const PmuPipelineConfig& c = p.config();
    r.view = PadView::create(memory_.views(), bytes_, {c.lanes, c.element, c.lane_stride},
                             static_cast<uint64_t>(p.start_of_buffer()), p.counters(), p.low(), p.high());
  }
  return *r.view;
}

uint64_t Pmu::steady_reads(const Reader& r) const {
  if (!r.view || !r.pipeline.is_steady() || memory_.has_errors()) return 0;
  return r.pipeline.left_in_fill();
}

SourceRef Pmu::read_steadily(Reader& r, uint64_t firings, uint64_t* first) {
  Pipeline& p = r.pipeline;
  const PmuPipelineConfig& c = p.config();
  SourceRef packets = r.view;
  *first = p.index();
  counts_.bytes += firings * c.lanes * c.element;
  counts_.vectors += firings;
  Pipeline::Batch batch;
  batch.count = firings;
  advance(p, {p.next(), 1, firings}, batch);
  if (p.at_begin_of_fill()) r.view = {}, r.lender.drop();
  return packets;
}

bool Pmu::read_by_index(Reader& r) {
  Pipeline& p = r.pipeline;
  const PmuPipelineConfig& c = p.config();
  if (!take_indices_beforehand(p, r.indices)) return false;
  const Run indices = inputs_[c.index].head();
  if (indices.n == 0) return false;
  Firing firing(p.next(), c.period, 1);
  firing.need(p.slots(indices, c.period), Cause::input);
  const bool sends = p.predicate();
  if (sends) {
    const Run places = r.output.places();
    if (places.n == 0) return false;
    firing.need(p.slots(places, c.period), Cause::output);
  }
  if (!need_tokens(p, firing)) return false;
  const auto [run, stalls] = firing.solve();
  take_indices(p, r.indices, run);
  const Lanes lanes = lanes_by_index(p, r.indices);
  Pipeline::Batch batch;
  batch.count = 1;
  batch.cost = cost(p, lanes);
  if (sends) {
    r.out.room();
    gather(p, lanes, r.out.next(), run.t);
    send(r, run, batch.cost, r.out.block(), r.out.offset());
    r.out.take(1);
  }
  counts_.bytes += lanes.count * c.element;
  counts_.stalls += stalls;
  advance(p, run, batch);
  return true;
}

/// `run.n` vectors lie there in `block`; their reads begin at run.
void Pmu::send(Reader& r, const Run& run, unsigned cost, const BlockRef& block, uint32_t offset) {
  const Pipeline& p = r.pipeline;
  const PmuPipelineConfig& c = p.config();
  if (c.has_sequence || c.is_dynamic) {
    for (uint64_t i = 0; i < run.n; ++i) {
      const uint64_t id = c.has_sequence ? c.sequence_first + (p.number() + i) * c.sequence_step : 0;
      block.set_head(offset + i, PacketHead::make(static_cast<uint32_t>(id & 0xffff), c.destination, 0));
    }
  }
  r.output.take_places(run.n);
  const uint64_t latency = context_.params.pmu_read_cycles + uint64_t{cost - 1} * c.period;
  r.output.put({{run.t + latency, run.dt, run.n}, block, offset});
  counts_.vectors += run.n;
}

void Pmu::gather(const Pipeline& p, const Lanes& lanes, uint8_t* packet, uint64_t cycle) {
  const unsigned size = p.config().element;
  Scratchpad::Checked checked;
  std::array<uint64_t, RDU_VECTOR_BYTES> words;
  unsigned count = 0;
  if (memory_.has_errors()) {
    for (unsigned i = 0; i < lanes.count; ++i) words[i] = lanes.address[i] & ~uint64_t{3};
    std::sort(words.begin(), words.begin() + lanes.count);
    count = static_cast<unsigned>(std::unique(words.begin(), words.begin() + lanes.count) - words.begin());
    for (unsigned i = 0; i < count; ++i) memory_.before_read(words[i], checked);
  }
  std::memset(packet, 0, kPacketBytes);
  for (unsigned i = 0; i < lanes.count; ++i) {
    move(packet + lanes.lane[i] * size, bytes_ + lanes.address[i], size);
  }
  for (unsigned i = 0; i < count; ++i) memory_.restore(words[i]);
  report(checked, cycle);
}

void Pmu::report(const Scratchpad::Checked& checked, uint64_t cycle) {
  if (!checked.uncorrectable) return;
  context_.fault({regs::sequencer::FAULT::CODE_SRAM_ECC, id(), *checked.uncorrectable, cycle,
                  fmt::format("an uncorrectable error in the word at byte {:#x} of the scratchpad",
                              *checked.uncorrectable)});
}

// --- what it waits for ---

std::string Pmu::waits_for() const {
  std::string text;
  const auto add = [&](const std::string& what, const Pipeline& p) {
    if (!what.empty()) text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", what, p.config().name());
  };
  for (const Reader& r : readers_) add(r.output.blocked_by(), r.pipeline);
  for (const Writer& w : writers_) add(waits_for(w.pipeline), w.pipeline);
  for (const Reader& r : readers_) add(waits_for(r.pipeline), r.pipeline);
  return text;
}

/// Of what a pipeline waits for, the first that is not there; empty if everything is.
std::string Pmu::waits_for(const Pipeline& p) const {
  if (p.over()) return "";
  const PmuPipelineConfig& c = p.config();
  const std::string access =
      c.accesses == 1 ? fmt::format("fill {}", p.fill() + 1)
                      : fmt::format("access {} of {} of fill {}", p.index() + 1, c.accesses, p.fill() + 1);
  if (p.at_begin_of_fill()) {
    const int token = tokens_.missing(c.wait);
    if (token >= 0) return fmt::format("token {} for fill {}", token, p.fill() + 1);
  }
  if (c.address == Address::index && inputs_[c.index].available() == 0) {
    return fmt::format("indices at input {} ({}) for {}", c.index, inputs_[c.index].source(), access);
  }
  if (c.kind == PmuPipelineConfig::Kind::write) {
    if (inputs_[c.data].available() != 0) return "";
    return fmt::format("input {} ({}), {}", c.data, inputs_[c.data].source(), access);
  }
  const Reader& r = readers_[c.number];
  if (c.address == Address::scalar && p.at_begin_of_fill() && r.scalar.available() == 0) {
    return fmt::format("a word of scalar input {} ({}) for fill {}", c.number, r.scalar.source(),
                       p.fill() + 1);
  }
  return "";
}

}  // namespace rdu::fabric
