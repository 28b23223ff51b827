#include "fabric/pmu/pmu_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "fabric/program.h"
#include "regs/pmu.hpp"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::pmu;

constexpr uint64_t kWrite = regs::kWRITE_OFFSET;
constexpr uint64_t kRead = regs::kREAD_OFFSET;
constexpr unsigned kPipelines = 2;  ///< of each kind

/// What the model cannot do although the unit can.
void not_yet(bool used, const char* what) {
  if (used) throw BadConfig(fmt::format("{}: the model does not do that yet", what));
}

uint64_t decode_counters(const ConfigWords& words, const char* name, uint64_t counts, uint64_t strides,
                         unsigned size, Counters<6>& counters) {
  for (unsigned i = 0; i < 6; ++i) {
    const uint32_t count = words.at(counts + 4 * i);
    const uint32_t stride = words.at(strides + 4 * i);
    if (count > 1 && static_cast<int32_t>(stride) % static_cast<int32_t>(size) != 0) {
      throw BadConfig(fmt::format("{}: STRIDE[{}] = {} is not a multiple of the element size {}", name, i,
                                  static_cast<int32_t>(stride), size));
    }
    counters.set(i, count, stride);
  }
  const uint64_t total = counters.total();
  if (total > Counters<6>::kMostIterations) {
    throw BadConfig(fmt::format("{}: its counters iterate more than 2^40 times", name));
  }
  if (!counters.fits() || counters.extent().first < INT32_MIN || counters.extent().second > INT32_MAX) {
    throw BadConfig(fmt::format("{}: its counters reach further than 2^31 bytes", name));
  }
  counters.compact();
  return total;
}

void check_shape(const char* name, unsigned lanes, unsigned element) {
  if (element > regs::READ_SHAPE::ELEMENT_WORD) {
    throw BadConfig(fmt::format("{}: ELEMENT = {} has no meaning", name, element));
  }
  if (lanes < 1 || lanes > RDU_VECTOR_BYTES || lanes << element > RDU_VECTOR_BYTES) {
    throw BadConfig(fmt::format("{}: {} lanes of {} bytes do not make 1..{} bytes", name, lanes,
                                1u << element, RDU_VECTOR_BYTES));
  }
}

void check_multiple(const char* name, const char* word, uint32_t value, unsigned size) {
  if (value % size != 0) {
    throw BadConfig(fmt::format("{}: {} = {} is not a multiple of the element size {}", name, word,
                                static_cast<int32_t>(value), size));
  }
}

}  // namespace

PmuConfig PmuConfig::decode(const ConfigWords& words, const FabricParams& params) {
  namespace W = regs::WRITE_MODE;
  namespace R = regs::READ_MODE;
  PmuConfig c;
  bool used = false;
  for (unsigned i = 0; i < kPipelines; ++i) {
    used |= words.get(kWrite + i * regs::kWRITE_STRIDE + regs::kWRITE_MODE_OFFSET, W::ENABLE) != 0;
    used |= words.get(kRead + i * regs::kREAD_STRIDE + regs::kREAD_MODE_OFFSET, R::ENABLE) != 0;
  }
  if (!used) return c;
  const auto write = [&](uint64_t offset, core::Field field) { return words.get(kWrite + offset, field); };
  const auto read = [&](uint64_t offset, core::Field field) { return words.get(kRead + offset, field); };
  const uint64_t mode = regs::kWRITE_MODE_OFFSET;
  static_assert(regs::kREAD_MODE_OFFSET == regs::kWRITE_MODE_OFFSET);
  not_yet(write(mode + regs::kWRITE_STRIDE, W::ENABLE) != 0, "write pipeline 1");
  not_yet(read(mode + regs::kREAD_STRIDE, R::ENABLE) != 0, "read pipeline 1");
  not_yet(write(mode, W::ENABLE) == 0 || read(mode, R::ENABLE) == 0, "one pipeline without the other");
  not_yet(write(mode, W::DATA) != 0, "data of another input than 0");
  not_yet(write(mode, W::ADDRESS) != W::ADDRESS_COUNTERS || read(mode, R::ADDRESS) != R::ADDRESS_COUNTERS,
          "addresses by index, sequence id or scalar");
  not_yet(write(mode, W::RANGE) != W::RANGE_OFF || read(mode, R::RANGE) != R::RANGE_OFF, "RANGE");
  not_yet(write(mode, W::PRED) != W::PRED_ALWAYS || read(mode, R::PRED) != R::PRED_ALWAYS, "PRED");
  not_yet(write(mode, W::NOT) != 0 || read(mode, R::NOT) != 0, "NOT");
  not_yet(read(mode, R::SEQUENCE) != 0, "sequence ids");
  not_yet(read(regs::kREAD_OUT_OFFSET, regs::READ_OUT::DYNAMIC) != 0, "dynamic routes");
  not_yet(words.get(regs::kBANK_OFFSET, regs::BANK::TOGETHER) != 0, "TOGETHER");
  c.enabled = true;
  c.out_flow = read(regs::kREAD_OUT_OFFSET, regs::READ_OUT::FLOW);

  c.fills = words.at(kWrite + regs::kWRITE_FILLS_OFFSET);
  if (c.fills == 0) throw BadConfig("write pipeline 0: FILLS is 0");
  not_yet(words.at(kRead + regs::kREAD_FILLS_OFFSET) != c.fills,
          "other FILLS of the reader than of the writer");
  c.buffers = write(regs::kWRITE_BUFFERS_OFFSET, regs::WRITE_BUFFERS::COUNT);
  if (c.buffers == 0) throw BadConfig("write pipeline 0: BUFFERS.COUNT is 0");
  not_yet(read(regs::kREAD_BUFFERS_OFFSET, regs::READ_BUFFERS::COUNT) != c.buffers,
          "other BUFFERS of the reader than of the writer");
  c.buffer_size = words.at(kWrite + regs::kWRITE_BUFFER_SIZE_OFFSET);
  not_yet(words.at(kRead + regs::kREAD_BUFFER_SIZE_OFFSET) != c.buffer_size,
          "another BUFFER_SIZE of the reader than of the writer");
  c.base = words.at(kWrite + regs::kWRITE_BASE_OFFSET);
  not_yet(words.at(kRead + regs::kREAD_BASE_OFFSET) != c.base,
          "another BASE of the reader than of the writer");

  // The writer waits for a token of which there is one a buffer and gives one that the reader waits for.
  const uint32_t wait = write(regs::kWRITE_TOKEN_OFFSET, regs::WRITE_TOKEN::WAIT);
  const uint32_t give = write(regs::kWRITE_TOKEN_OFFSET, regs::WRITE_TOKEN::GIVE);
  const auto one = [](uint32_t mask) { return mask != 0 && (mask & (mask - 1)) == 0; };
  const auto initial = [&](uint32_t mask) {
    return words.at(regs::kTOKENS_OFFSET + regs::kTOKENS_STRIDE * static_cast<unsigned>(__builtin_ctz(mask)));
  };
  not_yet(!one(wait) || !one(give) || wait == give ||
              read(regs::kREAD_TOKEN_OFFSET, regs::READ_TOKEN::WAIT) != give ||
              read(regs::kREAD_TOKEN_OFFSET, regs::READ_TOKEN::GIVE) != wait || initial(wait) != c.buffers ||
              initial(give) != 0,
          "tokens other than a pair of which the writer's is there once a buffer");
  not_yet(write(regs::kWRITE_TOKEN_OFFSET, regs::WRITE_TOKEN::OUT) != 0 ||
              read(regs::kREAD_TOKEN_OFFSET, regs::READ_TOKEN::OUT) != 0,
          "tokens to other units");

  const unsigned write_lanes = write(regs::kWRITE_SHAPE_OFFSET, regs::WRITE_SHAPE::LANES);
  const unsigned write_element = write(regs::kWRITE_SHAPE_OFFSET, regs::WRITE_SHAPE::ELEMENT);
  check_shape("write pipeline 0", write_lanes, write_element);
  c.write_bytes = write_lanes << write_element;
  not_yet(write_lanes > 1 && words.at(kWrite + regs::kWRITE_LANE_STRIDE_OFFSET) != 1u << write_element,
          "writes of lanes that are apart");
  c.lanes = read(regs::kREAD_SHAPE_OFFSET, regs::READ_SHAPE::LANES);
  const unsigned element = read(regs::kREAD_SHAPE_OFFSET, regs::READ_SHAPE::ELEMENT);
  check_shape("read pipeline 0", c.lanes, element);
  c.element = 1u << element;
  c.lane_stride = static_cast<int32_t>(words.at(kRead + regs::kREAD_LANE_STRIDE_OFFSET));
  if (c.lanes > 1) {
    check_multiple("read pipeline 0", "LANE_STRIDE", static_cast<uint32_t>(c.lane_stride), c.element);
  }
  for (const auto& [name, size] :
       {std::pair{"write pipeline 0", 1u << write_element}, std::pair{"read pipeline 0", c.element}}) {
    check_multiple(name, "BASE", static_cast<uint32_t>(c.base), size);
    if (c.buffers > 1) check_multiple(name, "BUFFER_SIZE", static_cast<uint32_t>(c.buffer_size), size);
  }
  c.bank_shift = words.get(regs::kBANK_OFFSET, regs::BANK::SHIFT);
  c.bank_skew = words.get(regs::kBANK_OFFSET, regs::BANK::SKEW);
  c.writes = decode_counters(words, "write pipeline 0", kWrite + regs::kWRITE_COUNT_OFFSET,
                             kWrite + regs::kWRITE_STRIDE_OFFSET, 1u << write_element, c.write);
  c.reads = decode_counters(words, "read pipeline 0", kRead + regs::kREAD_COUNT_OFFSET,
                            kRead + regs::kREAD_STRIDE_OFFSET, c.element, c.read);

  const auto [write_low, write_high] = c.write.extent();
  const auto [read_low, read_high] = c.read.extent();
  const int64_t lanes = static_cast<int64_t>(c.lanes - 1) * c.lane_stride;
  const int64_t low =
      static_cast<int64_t>(c.base) + std::min(write_low, read_low + std::min<int64_t>(lanes, 0));
  const int64_t high =
      static_cast<int64_t>(c.base) +
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

PortUse PmuConfig::ports() const {
  PortUse use;
  PortUse::Output output;
  output.flow = out_flow;
  use.outputs.push_back(output);
  use.inputs.push_back({});
  return use;
}

}  // namespace rdu::fabric
