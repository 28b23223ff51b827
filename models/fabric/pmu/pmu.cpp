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

void Pmu::start(uint64_t cycle) {
  bytes_ = memory_.data();
  counts_ = {};
  for (Pipeline* p : {&writer_, &reader_}) {
    p->fill = 0;
    p->index = 0;
    p->next = cycle;
    p->busy = 0;
    p->handed_over.fill(cycle);
  }
  config_.write.rewind();
  config_.read.rewind();
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
uint64_t Pmu::look_ahead(Pipeline& pipeline, Counters<Levels> counters, uint64_t limit) {
  const uint64_t base = buffer(pipeline.fill) * config_.buffer_size;
  limit = std::min<uint64_t>(limit, pipeline.addresses.size());
  uint64_t n = 0;
  while (n < limit) {
    const uint64_t address = base + static_cast<uint64_t>(counters.offset());
    const unsigned cycles = pipeline.cost.cost(address);
    if (n == 0) pipeline.cycles = cycles;
    if (cycles != pipeline.cycles) break;
    pipeline.addresses[n++] = address;
    counters.next();
  }
  return n;
}

template <unsigned Levels>
void Pmu::advance(Pipeline& pipeline, Counters<Levels>& counters, const Run& run, uint64_t per_fill) {
  for (uint64_t i = 0; i < run.n; ++i) counters.next();
  counts_.fired(run);
  pipeline.busy += run.n * pipeline.cycles;
  pipeline.next = run.last() + pipeline.cycles;
  pipeline.index += run.n;
  if (pipeline.index == per_fill) {
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
      look_ahead(writer_, config_.write,
                 std::min({arrivals.n, config_.writes - writer_.index, context_.params.max_burst}));
  Firing firing(writer_.next, writer_.cycles, n);
  firing.need(arrivals, Cause::input);
  if (writer_.index == 0) firing.need({reader_.handed_over[buffer(writer_.fill)], 0, n}, Cause::other);
  const auto [run, stalls] = firing.solve();
  uint64_t i = 0;
  input_.pop(run, 1, [&](const BlockRef& block, uint32_t offset, unsigned packets) {
    for (unsigned p = 0; p < packets; ++p) {
      std::memcpy(bytes_ + writer_.addresses[i++], block.packet(offset + p), config_.write_bytes);
    }
  });
  counts_.bytes += run.n * config_.write_bytes;
  counts_.stalls += stalls;
  advance(writer_, config_.write, run, config_.writes);
  return true;
}

bool Pmu::read() {
  if (reader_.fill == writer_.fill) return false;
  const Run places = output_.places();
  if (places.n == 0) return false;
  const uint64_t n = look_ahead(reader_, config_.read,
                                std::min({places.n, config_.reads - reader_.index, context_.params.max_burst,
                                          static_cast<uint64_t>(out_.room())}));
  Firing firing(reader_.next, reader_.cycles, n);
  firing.need(places, Cause::output);
  if (reader_.index == 0) firing.need({writer_.handed_over[buffer(reader_.fill)], 0, n}, Cause::other);
  const auto [run, stalls] = firing.solve();
  output_.take_places(run.n);
  for (uint64_t i = 0; i < run.n; ++i) gather(out_.next() + i * kPacketBytes, reader_.addresses[i]);
  const uint64_t latency = context_.params.pmu_read_cycles + reader_.cycles - 1;
  output_.put({{run.t + latency, run.dt, run.n}, out_.block(), out_.offset()});
  out_.take(static_cast<unsigned>(run.n));
  counts_.bytes += run.n * config_.lanes * config_.element;
  counts_.vectors += run.n;
  counts_.stalls += stalls;
  advance(reader_, config_.read, run, config_.reads);
  return true;
}

void Pmu::gather(uint8_t* packet, uint64_t address) const {
  const unsigned length = config_.lanes * config_.element;
  const uint8_t* from = bytes_ + address;
  if (config_.lane_stride == config_.element) {
    std::memcpy(packet, from, length);
  } else if (config_.element == 2) {
    for (unsigned i = 0; i < config_.lanes; ++i)
      std::memcpy(packet + 2 * i, from + config_.lane_stride * i, 2);
  } else {
    for (unsigned i = 0; i < config_.lanes; ++i)
      std::memcpy(packet + 4 * i, from + config_.lane_stride * i, 4);
  }
  std::memset(packet + length, 0, kPacketBytes - length);
}

std::string Pmu::waits_for() const {
  const std::string credit = output_.blocked_by();
  if (!credit.empty()) return credit;
  if (writer_.fill == config_.fills) return "";
  return fmt::format("input 0 ({}), packet {} of {} of fill {}", input_.source(), writer_.index + 1,
                     config_.writes, writer_.fill + 1);
}

}  // namespace rdu::fabric
