#include "fabric/pmu/pmu_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "fabric/program.h"
#include "regs/pmu.hpp"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::pmu;
namespace W = regs::WRITE_MODE;
namespace R = regs::READ_MODE;
using Pipeline = PmuPipelineConfig;

// Both groups have the same words at the same places, as far as both have them; so have the fields of MODE.
static_assert(regs::kREAD_SHAPE_OFFSET == regs::kWRITE_SHAPE_OFFSET &&
              regs::kREAD_FILLS_OFFSET == regs::kWRITE_FILLS_OFFSET &&
              regs::kREAD_TOKEN_OFFSET == regs::kWRITE_TOKEN_OFFSET &&
              regs::kREAD_RANGE_LOW_OFFSET == regs::kWRITE_RANGE_LOW_OFFSET &&
              regs::kREAD_COUNT_OFFSET == regs::kWRITE_COUNT_OFFSET &&
              regs::kREAD_STRIDE_OFFSET == regs::kWRITE_STRIDE_OFFSET && R::PRED.lsb == W::PRED.lsb &&
              R::RANGE.lsb == W::RANGE.lsb);

/// The words of one pipeline, and how to complain about them.
class PipelineWords {
 public:
  PipelineWords(const ConfigWords& words, const Pipeline& p)
      : words_(words),
        name_(p.name()),
        base_(p.kind == Pipeline::Kind::write ? regs::kWRITE_OFFSET + p.number * regs::kWRITE_STRIDE
                                              : regs::kREAD_OFFSET + p.number * regs::kREAD_STRIDE) {}

  uint32_t at(uint64_t offset) const { return words_.at(base_ + offset); }
  int64_t signed_at(uint64_t offset) const { return static_cast<int32_t>(at(offset)); }
  uint32_t get(uint64_t offset, core::Field field) const { return words_.get(base_ + offset, field); }

  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    throw BadConfig(name_ + ": " + fmt::format(format, std::forward<Args>(args)...));
  }
  [[noreturn]] void no_meaning(const char* field, uint32_t value) const {
    refuse("{} = {} has no meaning", field, value);
  }
  void require_multiple(const char* word, int64_t value, unsigned size) const {
    if (value % size != 0) refuse("{} = {} is not a multiple of the element size {}", word, value, size);
  }

 private:
  const ConfigWords& words_;
  std::string name_;
  uint64_t base_;
};

void decode_shape(const PipelineWords& words, Pipeline& p) {
  p.lanes = words.get(regs::kREAD_SHAPE_OFFSET, regs::READ_SHAPE::LANES);
  const uint32_t element = words.get(regs::kREAD_SHAPE_OFFSET, regs::READ_SHAPE::ELEMENT);
  if (element > regs::READ_SHAPE::ELEMENT_WORD) words.no_meaning("ELEMENT", element);
  p.element = 1u << element;
  if (p.lanes < 1 || p.lanes * p.element > RDU_VECTOR_BYTES) {
    words.refuse("{} lanes of {} bytes do not make 1..{} bytes", p.lanes, p.element, RDU_VECTOR_BYTES);
  }
  p.lane_stride = words.signed_at(regs::kREAD_LANE_STRIDE_OFFSET);
  if (p.lanes > 1) words.require_multiple("LANE_STRIDE", p.lane_stride, p.element);
}

void decode_buffers(const PipelineWords& words, Pipeline& p) {
  p.base = words.signed_at(regs::kREAD_BASE_OFFSET);
  words.require_multiple("BASE", p.base, p.element);
  p.fills = words.at(regs::kREAD_FILLS_OFFSET);
  if (p.fills == 0) words.refuse("FILLS is 0");
  p.buffers = words.get(regs::kREAD_BUFFERS_OFFSET, regs::READ_BUFFERS::COUNT);
  if (p.buffers == 0) words.refuse("BUFFERS.COUNT is 0");
  p.buffer_size = words.at(regs::kREAD_BUFFER_SIZE_OFFSET);
  if (p.buffers > 1) words.require_multiple("BUFFER_SIZE", static_cast<int64_t>(p.buffer_size), p.element);
}

void decode_counters(const PipelineWords& words, Pipeline& p) {
  for (unsigned i = 0; i < 6; ++i) {
    p.counters.set(i, words.at(regs::kREAD_COUNT_OFFSET + 4 * i),
                   words.at(regs::kREAD_STRIDE_OFFSET + 4 * i));
    if (p.counters.count(i) == 1) continue;
    if (p.counters.stride(i) % static_cast<int>(p.element) != 0) {
      words.refuse("STRIDE[{}] = {} is not a multiple of the element size {}", i, p.counters.stride(i),
                   p.element);
    }
  }
  p.accesses = p.counters.total();
  if (p.accesses > Counters<6>::kMostIterations) words.refuse("its counters iterate more than 2^40 times");
  const auto reach = [&] { return p.counters.extent(); };
  if (!p.counters.fits() || reach().first < INT32_MIN || reach().second > INT32_MAX) {
    words.refuse("its counters reach further than 2^31 bytes");
  }
}

void decode_conditions(const PipelineWords& words, Pipeline& p) {
  constexpr uint64_t kMode = regs::kREAD_MODE_OFFSET;
  const bool is_write = p.kind == Pipeline::Kind::write;
  const uint32_t range = words.get(kMode, R::RANGE);
  if (range > (is_write ? W::RANGE_DROP : R::RANGE_ZERO)) words.no_meaning("RANGE", range);
  p.range = static_cast<Pipeline::Range>(range);
  if (p.range != Pipeline::Range::off) {
    p.range_low = words.signed_at(regs::kREAD_RANGE_LOW_OFFSET);
    p.range_high = words.signed_at(regs::kREAD_RANGE_HIGH_OFFSET);
    if (p.range_low >= p.range_high) {
      words.refuse("RANGE_LOW = {} is not below RANGE_HIGH = {}", p.range_low, p.range_high);
    }
  }
  const uint32_t pred = words.get(kMode, R::PRED);
  if (pred > R::PRED_LT) words.no_meaning("PRED", pred);
  p.pred = static_cast<Pipeline::Pred>(pred);
  p.negate = words.get(kMode, R::NOT) != 0;
  if (p.pred == Pipeline::Pred::always) {
    if (p.negate) words.refuse("NOT with PRED = ALWAYS would never do anything");
    p.counters.compact();
    return;
  }
  p.pred_level = words.get(kMode, R::PRED_LEVEL);
  if (p.pred_level > 5) words.no_meaning("PRED_LEVEL", p.pred_level);
  p.pred_value = words.at(regs::kREAD_PRED_VALUE_OFFSET);
}

void decode_address(const PipelineWords& words, Pipeline& p, const FabricParams& params) {
  constexpr uint64_t kMode = regs::kREAD_MODE_OFFSET;
  const bool is_write = p.kind == Pipeline::Kind::write;
  switch (const uint32_t address = words.get(kMode, R::ADDRESS)) {
    case R::ADDRESS_COUNTERS:
      p.address = Pipeline::Address::counters;
      return;
    case R::ADDRESS_SCALAR:
      p.address = is_write ? Pipeline::Address::sequence : Pipeline::Address::scalar;
      break;
    case R::ADDRESS_INDEX:
      p.address = Pipeline::Address::index;
      p.index = words.get(kMode, R::INDEX);
      break;
    default:
      words.no_meaning("ADDRESS", address);
  }
  static_assert(static_cast<uint64_t>(R::ADDRESS_SCALAR) == W::ADDRESS_SEQUENCE);
  p.index_stride = words.signed_at(regs::kREAD_INDEX_STRIDE_OFFSET);
  words.require_multiple("INDEX_STRIDE", p.index_stride, p.element);
  if (std::abs(p.index_stride) > static_cast<int64_t>(params.pmu_bytes)) {
    words.refuse("INDEX_STRIDE = {} is more than the scratchpad has", p.index_stride);
  }
  const bool is_gather = !is_write && p.address == Pipeline::Address::index;
  if (p.range == Pipeline::Range::off || (is_gather && p.range != Pipeline::Range::zero)) {
    words.refuse("addresses that depend on data need RANGE{}", is_gather ? " = ZERO" : "");
  }
  if (p.address == Pipeline::Address::sequence) {
    if (p.pred != Pipeline::Pred::always)
      words.refuse("SEQUENCE with a predicate depends on the order of packets");
    for (unsigned i = 0; i < 6; ++i) {
      if (p.counters.count(i) == 1 || p.counters.stride(i) == 0) continue;
      words.refuse("SEQUENCE with a counter's STRIDE other than 0 depends on the order of packets");
    }
  }
}

/// Sets low and high, and refuses what lies outside the scratchpad.
void find_extent(const PipelineWords& words, Pipeline& p, const FabricParams& params) {
  auto [first, last] = p.counters.extent();
  if (p.range != Pipeline::Range::off) {
    const int64_t grid = std::max<int64_t>(p.grid(), 1);
    const auto floor = [&](int64_t offset) { return offset - ((offset % grid) + grid) % grid; };
    const int64_t low = floor(p.range_low + grid - 1);
    const int64_t high = floor(p.range_high - 1);
    const bool is_counters = p.address == Pipeline::Address::counters;
    first = is_counters ? std::max(first, low) : low;
    last = is_counters ? std::min(last, high) : high;
    if (first > last) return;  // nothing is ever touched
  }
  if (p.address == Pipeline::Address::index) {
    p.low = p.base + first;
    p.high = p.base + last + p.element;
  } else {
    p.low = p.base + first + p.lane_low();
    p.high = p.base + last + p.lane_low() + p.width();
  }
  const int64_t end = p.high + static_cast<int64_t>((p.buffers - 1) * p.buffer_size);
  if (p.low < 0 || end > static_cast<int64_t>(params.pmu_bytes)) {
    words.refuse("its accesses reach from byte {} up to {}, outside the scratchpad of {} bytes", p.low, end,
                 params.pmu_bytes);
  }
}

void decode_pipeline(const ConfigWords& all, Pipeline& p, const FabricParams& params) {
  const PipelineWords words(all, p);
  constexpr uint64_t kMode = regs::kREAD_MODE_OFFSET;
  p.enabled = words.get(kMode, R::ENABLE) != 0;
  if (!p.enabled) return;
  decode_shape(words, p);
  decode_buffers(words, p);
  decode_counters(words, p);
  decode_conditions(words, p);
  decode_address(words, p, params);
  find_extent(words, p, params);
  p.wait = static_cast<uint8_t>(words.get(regs::kREAD_TOKEN_OFFSET, regs::READ_TOKEN::WAIT));
  p.give = static_cast<uint8_t>(words.get(regs::kREAD_TOKEN_OFFSET, regs::READ_TOKEN::GIVE));
  p.out = static_cast<uint8_t>(words.get(regs::kREAD_TOKEN_OFFSET, regs::READ_TOKEN::OUT));
  if (p.kind == Pipeline::Kind::write) {
    p.data = words.get(kMode, W::DATA);
    return;
  }
  p.has_sequence = words.get(kMode, R::SEQUENCE) != 0;
  p.sequence_first = static_cast<uint16_t>(words.get(regs::kREAD_SEQ_OFFSET, regs::READ_SEQ::FIRST));
  p.sequence_step = static_cast<uint16_t>(words.get(regs::kREAD_SEQ_OFFSET, regs::READ_SEQ::STEP));
  p.is_dynamic = words.get(regs::kREAD_OUT_OFFSET, regs::READ_OUT::DYNAMIC) != 0;
  p.out_flow = p.is_dynamic ? RDU_FLOW_DYNAMIC : words.get(regs::kREAD_OUT_OFFSET, regs::READ_OUT::FLOW);
  if (p.is_dynamic) p.destination = words.at(regs::kREAD_DEST_OFFSET) & 0x1fffff;
}

/// Each vector input has one use.
void check_inputs(const PmuConfig& config) {
  std::array<std::string, PmuConfig::kInputs> users;
  const auto use = [&](unsigned input, const std::string& who) {
    if (!users[input].empty()) {
      throw BadConfig(fmt::format("vector input {} is {} and {}", input, users[input], who));
    }
    users[input] = who;
  };
  for (const Pipeline* p : config.all()) {
    if (!p->enabled) continue;
    if (p->kind == Pipeline::Kind::write) use(p->data, "the data of " + p->name());
    if (p->address == Pipeline::Address::index) use(p->index, "the indices of " + p->name());
  }
}

/// Which of `period` addresses an address becomes if up to count - 1 times `stride` is added.
std::vector<bool> spread(const std::vector<bool>& from, int64_t stride, uint64_t count) {
  const auto period = static_cast<int64_t>(from.size());
  const int64_t step = ((stride % period) + period) % period;
  if (count <= 1 || step == 0) return from;
  std::vector<bool> to(from.size());
  std::vector<bool> seen(from.size());
  for (int64_t start = 0; start < period; ++start) {
    if (seen[static_cast<size_t>(start)]) continue;
    // Twice around the cycle that `start` is on, carrying how many steps the last address is away.
    uint64_t away = count;
    int64_t at = start;
    for (int round = 0; round < 2; ++round) {
      do {
        const auto i = static_cast<size_t>(at);
        seen[i] = true;
        if (from[i]) {
          away = 0;
        } else if (away < count) {
          ++away;
        }
        if (away < count) to[i] = true;
        at = (at + step) % period;
      } while (at != start);
    }
  }
  return to;
}

std::vector<bool> banks_of(const Pipeline& p, const PmuConfig& config, unsigned banks) {
  const uint64_t period = uint64_t{banks} << std::max({config.bank_shift, config.bank_skew, 2u});
  std::vector<bool> addresses(period);
  const auto modulus = static_cast<int64_t>(period);
  addresses[static_cast<size_t>((p.base % modulus + modulus) % modulus)] = true;
  for (unsigned i = 0; i < 6; ++i) addresses = spread(addresses, p.counters.stride(i), p.counters.count(i));
  addresses = spread(addresses, p.lane_stride, p.lanes);
  addresses = spread(addresses, static_cast<int64_t>(p.buffer_size), p.buffers);
  if (p.address != Pipeline::Address::counters) addresses = spread(addresses, p.index_stride, period);
  std::vector<bool> result(banks);
  for (uint64_t a = 0; a < period; ++a) {
    if (!addresses[a]) continue;
    const uint64_t word = a & ~uint64_t{3};
    result[((word >> config.bank_shift) + (config.bank_skew != 0 ? word >> config.bank_skew : 0)) % banks] =
        true;
  }
  return result;
}

void check_together(const PmuConfig& config, unsigned banks) {
  if (config.bank_shift > 15 || config.bank_skew > 15) {
    throw BadConfig("BANK.TOGETHER needs SHIFT and SKEW of at most 15");
  }
  for (const auto* kind : {&config.write, &config.read}) {
    const auto& [a, b] = *kind;
    if (!a.enabled || !b.enabled) continue;
    const std::vector<bool> mine = banks_of(a, config, banks);
    const std::vector<bool> other = banks_of(b, config, banks);
    for (unsigned bank = 0; bank < banks; ++bank) {
      if (mine[bank] && other[bank]) {
        throw BadConfig(
            fmt::format("BANK.TOGETHER, but {} and {} can both need bank {}", a.name(), b.name(), bank));
      }
    }
  }
}

}  // namespace

std::string PmuPipelineConfig::name() const {
  return fmt::format("{} pipeline {}", kind == Kind::write ? "write" : "read", number);
}

int64_t PmuPipelineConfig::grid() const {
  int64_t grid = index_stride;
  for (unsigned i = 0; i < 6; ++i) {
    if (counters.count(i) > 1) grid = std::gcd(grid, int64_t{counters.stride(i)});
  }
  if (address == Address::index && lanes > 1) grid = std::gcd(grid, lane_stride);
  return std::abs(grid);
}

int64_t PmuPipelineConfig::width() const {
  return static_cast<int64_t>(lanes - 1) * std::abs(lane_stride) + element;
}

int64_t PmuPipelineConfig::lane_low() const {
  return std::min<int64_t>(0, static_cast<int64_t>(lanes - 1) * lane_stride);
}

bool PmuConfig::enabled() const {
  const auto pipelines = all();
  return std::any_of(pipelines.begin(), pipelines.end(), [](const Pipeline* p) { return p->enabled; });
}

PortUse PmuConfig::ports() const {
  const auto pipelines = all();
  // Pipelines that give each other tokens wait for each other: they are one part. Each is named by its lowest
  // member.
  std::array<unsigned, 2 * kPipelines> part{};
  std::iota(part.begin(), part.end(), 0u);
  for (size_t round = 0; round < pipelines.size(); ++round) {
    for (size_t a = 0; a < pipelines.size(); ++a) {
      for (size_t b = 0; b < pipelines.size(); ++b) {
        const bool gives =
            pipelines[a]->enabled && pipelines[b]->enabled && (pipelines[a]->give & pipelines[b]->wait) != 0;
        if (gives) part[a] = part[b] = std::min(part[a], part[b]);
      }
    }
  }
  uint8_t given = 0;
  for (const Pipeline* p : pipelines) given |= p->enabled ? p->give : 0;
  PortUse use;
  for (size_t i = 0; i < pipelines.size(); ++i) {
    const Pipeline& p = *pipelines[i];
    if (!p.enabled) continue;
    if (p.kind == Pipeline::Kind::write) {
      // Of several fills, it is the order of packets that tells which one a packet belongs to.
      const bool any_order = p.address == Pipeline::Address::sequence && p.fills == 1;
      use.inputs.push_back({p.data, part[i], any_order});
    } else {
      use.outputs.push_back({p.number, part[i], p.out_flow, p.is_dynamic, p.destination, p.has_sequence,
                             p.sequence_first, p.sequence_step});
    }
    if (p.address == Pipeline::Address::index) use.inputs.push_back({p.index, part[i], false});
    if (p.address == Pipeline::Address::scalar) use.scalar_inputs.push_back({p.number, part[i], false});
    for (unsigned c = 0; c < kControls; ++c) {
      if (((p.wait & ~given) >> (kFirstControlToken + c) & 1) != 0) {
        use.token_inputs.push_back({c, part[i], false});
      }
      if ((p.out >> c & 1) == 0) continue;
      PortUse::Output output;
      output.port = c;
      output.part = part[i];
      use.token_outputs.push_back(output);
    }
  }
  return use;
}

PmuConfig PmuConfig::decode(const ConfigWords& words, const FabricParams& params) {
  PmuConfig c;
  for (unsigned i = 0; i < kPipelines; ++i) {
    c.write[i].kind = Pipeline::Kind::write;
    c.read[i].kind = Pipeline::Kind::read;
    c.write[i].number = c.read[i].number = i;
    decode_pipeline(words, c.write[i], params);
    decode_pipeline(words, c.read[i], params);
  }
  if (!c.enabled()) return c;
  for (unsigned i = 0; i < kTokens; ++i) {
    c.tokens[i] =
        static_cast<uint8_t>(words.get(regs::kTOKENS_OFFSET + i * regs::kTOKENS_STRIDE, regs::TOKENS::COUNT));
  }
  c.bank_shift = words.get(regs::kBANK_OFFSET, regs::BANK::SHIFT);
  c.bank_skew = words.get(regs::kBANK_OFFSET, regs::BANK::SKEW);
  check_inputs(c);
  check_order(c);
  if (words.get(regs::kBANK_OFFSET, regs::BANK::TOGETHER) != 0) {
    check_together(c, static_cast<unsigned>(params.pmu_banks));
    return c;
  }
  for (auto* kind : {&c.write, &c.read}) {
    if ((*kind)[0].enabled && (*kind)[1].enabled) (*kind)[0].period = (*kind)[1].period = 2;
  }
  return c;
}

}  // namespace rdu::fabric
