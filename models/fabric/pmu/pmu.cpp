#include "fabric/pmu/pmu.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace rdu::fabric {

uint8_t* Scratchpad::data() {
  if (!data_) {
    data_.reset(static_cast<uint8_t*>(std::calloc(bytes_, 1)));  // pages appear when they are touched
    if (!data_) throw std::bad_alloc();
  }
  return data_.get();
}

void Scratchpad::Free::operator()(uint8_t* p) const {
  std::free(p);
}

Pmu::Pmu(Context& context, uint32_t id, const PmuConfig& config, Scratchpad& memory)
    : Unit(context, id), memory_(memory), input_(*this), output_(*this), out_(context.blocks) {
  configure(config);
}

void Pmu::configure(const PmuConfig& config) {
  config_ = config;
  const auto banks = static_cast<unsigned>(context_.params.pmu_banks);
  writer_.cost = BankCost(banks, config.bank_shift, config.bank_skew, 1, config.write_bytes, 0);
  reader_.cost =
      BankCost(banks, config.bank_shift, config.bank_skew, config.lanes, config.element, config.lane_stride);
}

template <unsigned Levels>
void Pmu::start(Pipeline<Levels>& pipeline, const Counters<Levels>& counters, uint64_t per_fill,
                uint64_t cycle) {
  pipeline.counters = counters;
  pipeline.counters.rewind();
  pipeline.per_fill = per_fill;
  pipeline.fill = 0;
  pipeline.index = 0;
  pipeline.next = cycle;
  pipeline.busy = 0;
  pipeline.is_uniform = pipeline.cost.is_period(counters.inner_stride());
  pipeline.handed_over.fill(cycle);
}

void Pmu::start(uint64_t cycle) {
  bytes_ = memory_.data();
  counts_ = {};
  start(writer_, config_.write, config_.writes, cycle);
  start(reader_, config_.read, config_.reads, cycle);
  out_.drop();
  output_.start(cycle, context_.params.output_depth, context_.params.max_burst);
}

void Pmu::run() {
  bool progress = true;
  while (progress) {
    progress = output_.flush();
    progress |= write();
    progress |= read();
  }
}

template <unsigned Levels>
uint64_t Pmu::look_ahead(Pipeline<Levels>& pipeline, uint64_t limit) {
  const uint64_t base = config_.base + buffer(pipeline.fill) * config_.buffer_size;
  Counters<Levels>& ahead = pipeline.behind;
  ahead = pipeline.counters;
  pipeline.cycles = pipeline.cost.cost(base + static_cast<uint64_t>(ahead.offset()));
  pipeline.stretch_count = 0;
  limit = std::min<uint64_t>(limit, kBlockPackets);
  uint64_t n = 0;
  while (n < limit) {
    const uint64_t address = base + static_cast<uint64_t>(ahead.offset());
    const uint64_t most = std::min(limit - n, ahead.inner_left());
    uint64_t count = 0;
    if (pipeline.is_uniform) {
      if (pipeline.cost.cost(address) == pipeline.cycles) count = most;
    } else {
      const auto stride = static_cast<uint64_t>(ahead.inner_stride());
      while (count < most && pipeline.cost.cost(address + count * stride) == pipeline.cycles) ++count;
    }
    if (count == 0) break;
    pipeline.stretches[pipeline.stretch_count++] = {address, static_cast<unsigned>(count)};
    ahead.advance_inner(count);
    n += count;
    if (count < most) break;
  }
  return n;
}

template <unsigned Levels>
void Pmu::advance(Pipeline<Levels>& pipeline, const Run& run, uint64_t seen) {
  if (run.n == seen) {
    pipeline.counters = pipeline.behind;
  } else {
    pipeline.counters.advance(run.n);
  }
  counts_.fired(run);
  pipeline.busy += run.n * pipeline.cycles;
  pipeline.next = run.last() + pipeline.cycles;
  pipeline.index += run.n;
  if (pipeline.index == pipeline.per_fill) {
    pipeline.handed_over[buffer(pipeline.fill)] = pipeline.next;
    pipeline.index = 0;
    ++pipeline.fill;
  }
  counts_.busy = std::max(writer_.busy, reader_.busy);
}

bool Pmu::write() {
  if (writer_.fill == config_.fills || writer_.fill - reader_.fill >= config_.buffers) return false;
  const Run arrivals = input_.head();
  if (arrivals.n == 0) return false;
  const uint64_t n =
      look_ahead(writer_, std::min({arrivals.n, config_.writes - writer_.index, context_.params.max_burst}));
  Firing firing(writer_.next, writer_.cycles, n);
  firing.need(arrivals, Cause::input);
  if (writer_.index == 0) firing.need({reader_.handed_over[buffer(writer_.fill)], 0, n}, Cause::other);
  const auto [run, stalls] = firing.solve();
  const int64_t stride = writer_.counters.inner_stride();
  const Stretch* stretch = writer_.stretches.data();
  unsigned in_stretch = 0;
  uint8_t* to = bytes_ + stretch->address;
  input_.pop(run, 1, [&](const BlockRef& block, uint32_t offset, unsigned packets) {
    for (unsigned p = 0; p < packets; ++p) {
      if (in_stretch == stretch->count) {
        ++stretch;
        in_stretch = 0;
        to = bytes_ + stretch->address;
      }
      if (config_.write_bytes == kPacketBytes) {
        std::memcpy(to, block.packet(offset + p), kPacketBytes);
      } else {
        std::memcpy(to, block.packet(offset + p), config_.write_bytes);
      }
      if (++in_stretch != stretch->count) to += stride;
    }
  });
  counts_.bytes += run.n * config_.write_bytes;
  counts_.stalls += stalls;
  advance(writer_, run, n);
  return true;
}

bool Pmu::read() {
  if (reader_.fill == writer_.fill || beyond_horizon(reader_.next)) return false;
  const Run places = output_.places();
  if (places.n == 0) return false;
  const uint64_t n =
      look_ahead(reader_, std::min({places.n, config_.reads - reader_.index, context_.params.max_burst,
                                    static_cast<uint64_t>(out_.room())}));
  Firing firing(reader_.next, reader_.cycles, n);
  firing.need(places, Cause::output);
  if (reader_.index == 0) firing.need({writer_.handed_over[buffer(reader_.fill)], 0, n}, Cause::other);
  const auto [run, stalls] = firing.solve();
  output_.take_places(run.n);
  uint8_t* packets = out_.next();
  for (uint64_t left = run.n, i = 0; left != 0; ++i) {
    const Stretch& stretch = reader_.stretches[i];
    const auto count = static_cast<unsigned>(std::min<uint64_t>(left, stretch.count));
    gather(packets, stretch.address, count);
    packets += count * kPacketBytes;
    left -= count;
  }
  const uint64_t latency = context_.params.pmu_read_cycles + reader_.cycles - 1;
  output_.put({{run.t + latency, run.dt, run.n}, out_.block(), out_.offset()});
  out_.take(static_cast<unsigned>(run.n));
  counts_.bytes += run.n * config_.lanes * config_.element;
  counts_.vectors += run.n;
  counts_.stalls += stalls;
  advance(reader_, run, n);
  return true;
}

void Pmu::gather(uint8_t* packets, uint64_t address, unsigned count) const {
  const unsigned length = config_.lanes * config_.element;
  const int64_t stride = reader_.counters.inner_stride();
  const int64_t lane_stride = config_.lane_stride;
  const uint8_t* from = bytes_ + address;
  if (lane_stride == config_.element && length == kPacketBytes && stride == kPacketBytes) {
    std::memcpy(packets, from, count * kPacketBytes);
    return;
  }
  for (unsigned p = 0; p < count; ++p) {
    uint8_t* packet = packets + p * kPacketBytes;
    if (lane_stride != config_.element) {
      if (config_.element == 1) {
        for (unsigned i = 0; i < config_.lanes; ++i) packet[i] = from[lane_stride * i];
      } else if (config_.element == 2) {
        for (unsigned i = 0; i < config_.lanes; ++i) std::memcpy(packet + 2 * i, from + lane_stride * i, 2);
      } else {
        for (unsigned i = 0; i < config_.lanes; ++i) std::memcpy(packet + 4 * i, from + lane_stride * i, 4);
      }
    } else if (length == kPacketBytes) {
      std::memcpy(packet, from, kPacketBytes);
    } else {
      std::memcpy(packet, from, length);
    }
    std::memset(packet + length, 0, kPacketBytes - length);
    if (p + 1 != count) from += stride;
  }
}

std::string Pmu::waits_for() const {
  const std::string credit = output_.blocked_by();
  if (!credit.empty()) return credit;
  if (writer_.fill == config_.fills) return "";
  return fmt::format("input 0 ({}), packet {} of {} of fill {}", input_.source(), writer_.index + 1,
                     config_.writes, writer_.fill + 1);
}

}  // namespace rdu::fabric
