#include "fabric/agcu/agcu_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>
#include <vector>

#include "regs/agcu.hpp"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::agcu;

AgcuConfig::Rows decode_rows(const ConfigWords& words, const char* name, uint64_t bytes, uint64_t base,
                             uint64_t counts, uint64_t strides, bool indexed, uint64_t index_stride) {
  constexpr uint64_t kMostRowBytes = 65536;
  AgcuConfig::Rows rows;
  rows.base = words.at64(base);
  rows.bytes = words.at(bytes);
  if (rows.bytes < 1 || rows.bytes > kMostRowBytes) {
    throw BadConfig(fmt::format("{}_ROW_BYTES = {} is not in 1..{}", name, rows.bytes, kMostRowBytes));
  }
  for (unsigned i = 0; i < regs::kLOAD_COUNT_COUNT; ++i) {
    rows.counters.set(i, words.at(counts + i * regs::kLOAD_COUNT_STRIDE),
                      words.at(strides + i * regs::kLOAD_STRIDE_STRIDE));
  }
  rows.count = rows.counters.total();
  rows.indexed = indexed;
  rows.index_stride = static_cast<int32_t>(words.at(index_stride));
  if (rows.count > Counters<6>::kMostIterations) {
    throw BadConfig(fmt::format("the {} counters iterate more than 2^40 times", name));
  }
  if (!rows.counters.fits())
    throw BadConfig(fmt::format("the {} counters reach further than 2^62 bytes", name));
  if (indexed) return rows;  // anywhere, modulo 2^64; each request is checked
  const auto [low, high] = rows.counters.extent();
  const uint64_t below = 0 - static_cast<uint64_t>(low);
  const uint64_t above = static_cast<uint64_t>(high) + rows.bytes;
  if (below > rows.base || above > ~uint64_t{0} - rows.base) {
    throw BadConfig(fmt::format("{} rows leave the 64-bit address space", name));
  }
  return rows;
}

/// Atomic writes go to whole words: every address and every length is a multiple of four.
void check_words_aligned(const ConfigWords& words, const AgcuConfig::Rows& rows) {
  const auto check = [](uint64_t value, const char* name) {
    if (value % 4 != 0)
      throw BadConfig(fmt::format("{} = {:#x} is no multiple of 4, as STORE.OP needs it", name, value));
  };
  check(rows.base, "STORE_BASE");
  check(rows.bytes, "STORE_ROW_BYTES");
  for (unsigned i = 0; i < regs::kSTORE_COUNT_COUNT; ++i) {
    if (words.at(regs::kSTORE_COUNT_OFFSET + 4 * i) > 1)
      check(words.at(regs::kSTORE_STRIDE_OFFSET + 4 * i), "STORE_STRIDE");
  }
  if (rows.indexed) check(words.at(regs::kSTORE_INDEX_STRIDE_OFFSET), "STORE_INDEX_STRIDE");
}

/// The rows of a fill, if there are fills: then all rows are a whole number of them.
uint64_t decode_fill(const char* name, const AgcuConfig::Tokens& tokens, uint64_t rows, uint64_t count) {
  if (!tokens.wait && !tokens.signal) return 0;
  if (rows == 0) return count;
  if (count % rows != 0) {
    throw BadConfig(
        fmt::format("the {} counters' {} rows are no multiple of {}_FILL = {}", name, count, name, rows));
  }
  return rows;
}

/// A token input serves one: the load, the store, or the master.
void check_token_inputs(const AgcuConfig& c) {
  unsigned used = c.tokens;
  for (const AgcuConfig::Tokens& tokens : {c.load_tokens, c.store_tokens}) {
    if (!tokens.wait) continue;
    if ((used >> tokens.wait_input & 1) != 0)
      throw BadConfig(fmt::format("token input {} is waited for twice", tokens.wait_input));
    used |= 1u << tokens.wait_input;
  }
}

}  // namespace

AgcuConfig AgcuConfig::decode(const ConfigWords& words, bool is_master) {
  const auto load = [&](core::Field field) { return words.get(regs::kLOAD_OFFSET, field); };
  const auto store = [&](core::Field field) { return words.get(regs::kSTORE_OFFSET, field); };
  AgcuConfig c;
  c.load = load(regs::LOAD::ENABLE) != 0;
  c.store = store(regs::STORE::ENABLE) != 0;
  c.done_token = store(regs::STORE::DONE_TOKEN) != 0;
  c.tokens = static_cast<uint8_t>(words.get(regs::kMASTER_OFFSET, regs::MASTER::TOKENS));
  if (c.load) {
    c.out_flow = load(regs::LOAD::FLOW);
    c.load_outstanding = load(regs::LOAD::OUTSTANDING);
    c.load_rows = decode_rows(words, "LOAD", regs::kLOAD_ROW_BYTES_OFFSET, regs::kLOAD_BASE_OFFSET,
                              regs::kLOAD_COUNT_OFFSET, regs::kLOAD_STRIDE_OFFSET,
                              load(regs::LOAD::INDEX) != 0, regs::kLOAD_INDEX_STRIDE_OFFSET);
    c.load_tokens = {load(regs::LOAD::WAIT) != 0, load(regs::LOAD::WAIT_INPUT),
                     load(regs::LOAD::SIGNAL) != 0};
    c.load_rows.fill =
        decode_fill("LOAD", c.load_tokens, words.at(regs::kLOAD_FILL_OFFSET), c.load_rows.count);
    c.has_sequence = load(regs::LOAD::SEQUENCE) != 0;
    c.first_sequence = static_cast<uint16_t>(words.get(regs::kLOAD_SEQ_OFFSET, regs::LOAD_SEQ::FIRST));
    c.sequence_step = static_cast<uint16_t>(words.get(regs::kLOAD_SEQ_OFFSET, regs::LOAD_SEQ::STEP));
    c.is_dynamic = load(regs::LOAD::DYNAMIC) != 0;
    if (c.is_dynamic) c.destination = words.at(regs::kLOAD_DEST_OFFSET);
    c.to_scalar = words.get(regs::kSCALAR_OFFSET, regs::SCALAR::OUT) != 0;
    if (c.to_scalar) {
      if (c.has_sequence || c.is_dynamic)
        throw BadConfig("SCALAR.OUT with LOAD.SEQUENCE or LOAD.DYNAMIC: words carry neither");
      if (c.load_rows.bytes % 4 != 0)
        throw BadConfig(fmt::format("LOAD_ROW_BYTES = {} is no number of words, as SCALAR.OUT needs it",
                                    c.load_rows.bytes));
      c.out_flow = words.get(regs::kSCALAR_OFFSET, regs::SCALAR::FLOW);
    }
  }
  if (!c.load && words.get(regs::kSCALAR_OFFSET, regs::SCALAR::OUT) != 0)
    throw BadConfig("SCALAR.OUT without LOAD.ENABLE");
  if (c.store) {
    c.store_outstanding = store(regs::STORE::OUTSTANDING);
    c.store_rows = decode_rows(words, "STORE", regs::kSTORE_ROW_BYTES_OFFSET, regs::kSTORE_BASE_OFFSET,
                               regs::kSTORE_COUNT_OFFSET, regs::kSTORE_STRIDE_OFFSET,
                               store(regs::STORE::INDEX) != 0, regs::kSTORE_INDEX_STRIDE_OFFSET);
    c.store_tokens = {store(regs::STORE::WAIT) != 0, store(regs::STORE::WAIT_INPUT),
                      store(regs::STORE::SIGNAL) != 0};
    c.store_rows.fill =
        decode_fill("STORE", c.store_tokens, words.at(regs::kSTORE_FILL_OFFSET), c.store_rows.count);
    if (c.store_tokens.signal && c.done_token)
      throw BadConfig("STORE.SIGNAL and STORE.DONE_TOKEN: there is one wire for both");
    if (store(regs::STORE::OP) > regs::STORE::OP_XOR)
      throw BadConfig(fmt::format("STORE.OP = {} is no operation", store(regs::STORE::OP)));
    c.op = static_cast<Op>(store(regs::STORE::OP));
    if (c.op != Op::write) check_words_aligned(words, c.store_rows);
  }
  if (c.load_rows.indexed && c.store_rows.indexed)
    throw BadConfig("LOAD.INDEX and STORE.INDEX: input 1 serves one of them");
  check_token_inputs(c);
  if (c.done_token && !c.store) throw BadConfig("STORE.DONE_TOKEN without STORE.ENABLE");
  if (c.tokens != 0 && !is_master) throw BadConfig("MASTER.TOKENS on an AGCU that is not the master");
  return c;
}

PortUse AgcuConfig::ports() const {
  constexpr unsigned kLoad = kLoadPart, kStore = kStorePart, kEnd = kEndPart;
  PortUse use;
  if (load) {
    PortUse::Output output;
    output.part = kLoad;
    output.flow = out_flow;
    output.is_dynamic = is_dynamic;
    output.destination = destination;
    output.has_sequence = has_sequence;
    output.first = first_sequence;
    output.step = sequence_step;
    (to_scalar ? use.scalar_outputs : use.outputs).push_back(output);
  }
  if (store) use.inputs.push_back({0, kStore, false});
  if (uses_index()) use.inputs.push_back({1, load_rows.indexed ? kLoad : kStore, false});
  const auto sends_token = [&](unsigned port) {
    PortUse::Output output;
    output.port = output.part = port;
    use.token_outputs.push_back(output);
  };
  if (load_tokens.signal) sends_token(kLoad);
  if (done_token || store_tokens.signal) sends_token(kStore);
  if (load_tokens.wait) use.token_inputs.push_back({load_tokens.wait_input, kLoad, false});
  if (store_tokens.wait) use.token_inputs.push_back({store_tokens.wait_input, kStore, false});
  for (unsigned i = 0; i < kTokenInputs; ++i) {
    if ((tokens >> i & 1) != 0) use.token_inputs.push_back({i, kEnd, false});
  }
  return use;
}

Overlap overlap_of(const AgcuConfig::Rows& a, const AgcuConfig::Rows& b) {
  if (a.indexed || b.indexed) return Overlap::unknown;
  const auto range = [](const AgcuConfig::Rows& rows) {
    const auto [low, high] = rows.counters.extent();
    return std::make_pair(rows.base + static_cast<uint64_t>(low),
                          rows.base + static_cast<uint64_t>(high) + rows.bytes);
  };
  const auto [a_begin, a_end] = range(a);
  const auto [b_begin, b_end] = range(b);
  if (a_end <= b_begin || b_end <= a_begin) return Overlap::none;
  // Rows that interleave, as columns of a matrix do: all begins are equal modulo this.
  uint64_t step = 0;
  for (const AgcuConfig::Rows* rows : {&a, &b}) {
    for (unsigned level = 0; level < 6; ++level) {
      if (rows->counters.count(level) == 1) continue;
      step = std::gcd(step, static_cast<uint64_t>(std::abs(int64_t{rows->counters.stride(level)})));
    }
  }
  if (step != 0) {
    const uint64_t apart = (b.base % step + step - a.base % step) % step;
    if (apart >= a.bytes && step - apart >= b.bytes) return Overlap::none;
  }
  if (a.count > AgcuConfig::kMostRowsCompared || b.count > AgcuConfig::kMostRowsCompared)
    return Overlap::unknown;
  // Sorted by address, neighbours must not reach into each other.
  const auto begins = [](AgcuConfig::Rows rows) {
    std::vector<uint64_t> all(rows.count);
    rows.counters.rewind();
    for (uint64_t& begin : all) {
      begin = rows.base + static_cast<uint64_t>(rows.counters.offset());
      rows.counters.next();
    }
    std::sort(all.begin(), all.end());
    return all;
  };
  const std::vector<uint64_t> of_a = begins(a);
  const std::vector<uint64_t> of_b = begins(b);
  size_t i = 0;
  for (const uint64_t begin : of_b) {
    while (i < of_a.size() && of_a[i] + a.bytes <= begin) ++i;
    if (i < of_a.size() && of_a[i] < begin + b.bytes) return Overlap::some;
  }
  return Overlap::none;
}

}  // namespace rdu::fabric
