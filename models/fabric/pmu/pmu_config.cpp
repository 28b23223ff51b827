#include "fabric/pmu/pmu_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "fabric/program.h"
#include "regs/pmu.hpp"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::pmu;

template <unsigned Levels>
uint64_t decode_counters(const ConfigWords& words, const char* name, uint64_t offset,
                         Counters<Levels>& counters) {
  for (unsigned i = 0; i < Levels; ++i) {
    const uint64_t at = offset + 8 * i;
    counters.set(i, words.at(at), words.at(at + 4));
  }
  const uint64_t total = counters.total();
  if (total > Counters<Levels>::kMostIterations) {
    throw BadConfig(fmt::format("{} iterate more than 2^40 times", name));
  }
  if (!counters.fits()) throw BadConfig(fmt::format("{} reach further than 2^62 bytes", name));
  counters.compact();
  return total;
}

}  // namespace

PmuConfig PmuConfig::decode(const ConfigWords& words, const FabricParams& params) {
  PmuConfig c;
  c.enabled = words.get(regs::kMODE_OFFSET, regs::MODE::ENABLE) != 0;
  if (!c.enabled) return c;
  c.out_flow = words.get(regs::kMODE_OFFSET, regs::MODE::OUT_FLOW);
  c.fills = words.at(regs::kFILLS_OFFSET);
  if (c.fills == 0) throw BadConfig("FILLS is 0");
  c.buffers = words.get(regs::kBUFFERS_OFFSET, regs::BUFFERS::COUNT);
  if (c.buffers < 1 || c.buffers > 16)
    throw BadConfig(fmt::format("BUFFERS = {} is not in 1..16", c.buffers));
  c.buffer_size = words.at(regs::kBUFFER_SIZE_OFFSET);

  c.write_bytes = words.get(regs::kWRITE_OFFSET, regs::WRITE::BYTES);
  if (c.write_bytes < 1 || c.write_bytes > RDU_VECTOR_BYTES) {
    throw BadConfig(fmt::format("WRITE.BYTES = {} is not in 1..{}", c.write_bytes, RDU_VECTOR_BYTES));
  }
  c.lanes = words.get(regs::kREAD_OFFSET, regs::READ::LANES);
  c.element = words.get(regs::kREAD_OFFSET, regs::READ::ELEMENT) == regs::READ::ELEMENT_WORD ? 4 : 2;
  if (c.lanes < 1 || c.lanes > RDU_LANES_MAX || c.lanes * c.element > RDU_VECTOR_BYTES) {
    throw BadConfig(
        fmt::format("READ.LANES = {} of {} bytes do not make a vector of 1..{} lanes and {} bytes", c.lanes,
                    c.element, RDU_LANES_MAX, RDU_VECTOR_BYTES));
  }
  c.lane_stride = static_cast<int32_t>(words.at(regs::kLANE_STRIDE_OFFSET));
  c.bank_shift = words.get(regs::kBANK_OFFSET, regs::BANK::SHIFT);
  c.bank_skew = words.get(regs::kBANK_OFFSET, regs::BANK::SKEW);
  c.writes = decode_counters(words, "the write counters", regs::kWRITE_COUNTER_OFFSET, c.write);
  c.reads = decode_counters(words, "the read counters", regs::kREAD_COUNTER_OFFSET, c.read);

  const auto [write_low, write_high] = c.write.extent();
  const auto [read_low, read_high] = c.read.extent();
  const int64_t lanes = static_cast<int64_t>(c.lanes - 1) * c.lane_stride;
  const int64_t low = std::min(write_low, read_low + std::min<int64_t>(lanes, 0));
  const int64_t high =
      std::max(write_high + c.write_bytes, read_high + std::max<int64_t>(lanes, 0) + c.element);
  const auto size = static_cast<int64_t>(c.buffer_size);
  if (c.buffers > 1 && high - low > size) {
    throw BadConfig(fmt::format("accesses span {} bytes, more than BUFFER_SIZE = {}: buffers would overlap",
                                high - low, size));
  }
  const int64_t end = high + static_cast<int64_t>(c.buffers - 1) * size;
  if (low < 0 || end > static_cast<int64_t>(params.pmu_bytes)) {
    throw BadConfig(fmt::format("accesses reach from byte {} up to {}, outside the scratchpad of {} bytes",
                                low, end, params.pmu_bytes));
  }
  return c;
}

}  // namespace rdu::fabric
