#include "fabric/agcu/agcu_config.h"

#include <fmt/format.h>

#include <algorithm>
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

/// Fields that have a meaning but no model yet.
void refuse_what_is_missing(const ConfigWords& words) {
  const auto refuse = [&](uint64_t offset, core::Field field, const char* name) {
    if (words.get(offset, field) != 0) throw BadConfig(fmt::format("{} is not modelled", name));
  };
  refuse(regs::kLOAD_OFFSET, regs::LOAD::SEQUENCE, "LOAD.SEQUENCE");
  refuse(regs::kLOAD_OFFSET, regs::LOAD::WAIT, "LOAD.WAIT");
  refuse(regs::kLOAD_OFFSET, regs::LOAD::SIGNAL, "LOAD.SIGNAL");
  refuse(regs::kLOAD_OFFSET, regs::LOAD::DYNAMIC, "LOAD.DYNAMIC");
  refuse(regs::kSTORE_OFFSET, regs::STORE::WAIT, "STORE.WAIT");
  refuse(regs::kSTORE_OFFSET, regs::STORE::SIGNAL, "STORE.SIGNAL");
  refuse(regs::kSCALAR_OFFSET, regs::SCALAR::OUT, "SCALAR.OUT");
}

}  // namespace

AgcuConfig AgcuConfig::decode(const ConfigWords& words, bool is_master) {
  refuse_what_is_missing(words);
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
  }
  if (c.store) {
    c.store_outstanding = store(regs::STORE::OUTSTANDING);
    c.store_rows = decode_rows(words, "STORE", regs::kSTORE_ROW_BYTES_OFFSET, regs::kSTORE_BASE_OFFSET,
                               regs::kSTORE_COUNT_OFFSET, regs::kSTORE_STRIDE_OFFSET,
                               store(regs::STORE::INDEX) != 0, regs::kSTORE_INDEX_STRIDE_OFFSET);
    if (store(regs::STORE::OP) > regs::STORE::OP_XOR)
      throw BadConfig(fmt::format("STORE.OP = {} is no operation", store(regs::STORE::OP)));
    c.op = static_cast<Op>(store(regs::STORE::OP));
    if (c.op != Op::write) check_words_aligned(words, c.store_rows);
  }
  if (c.load_rows.indexed && c.store_rows.indexed)
    throw BadConfig("LOAD.INDEX and STORE.INDEX: input 1 serves one of them");
  if (c.done_token && !c.store) throw BadConfig("STORE.DONE_TOKEN without STORE.ENABLE");
  if (c.tokens != 0 && !is_master) throw BadConfig("MASTER.TOKENS on an AGCU that is not the master");
  return c;
}

PortUse AgcuConfig::ports() const {
  // Parts: nothing waits for the master's tokens but the end of the kernel.
  constexpr unsigned kLoad = 0, kStore = 1, kEnd = 2;
  PortUse use;
  if (load) {
    PortUse::Output output;
    output.part = kLoad;
    output.flow = out_flow;
    use.outputs.push_back(output);
  }
  if (store) use.inputs.push_back({0, kStore, false});
  if (uses_index()) use.inputs.push_back({1, load_rows.indexed ? kLoad : kStore, false});
  if (done_token) {
    PortUse::Output output;
    output.port = output.part = kStore;
    use.token_outputs.push_back(output);
  }
  for (unsigned i = 0; i < kTokenInputs; ++i) {
    if ((tokens >> i & 1) != 0) use.token_inputs.push_back({i, kEnd, false});
  }
  return use;
}

bool may_overlap(const AgcuConfig::Rows& a, const AgcuConfig::Rows& b) {
  if (a.indexed || b.indexed) return true;
  const auto range = [](const AgcuConfig::Rows& rows) {
    const auto [low, high] = rows.counters.extent();
    return std::make_pair(rows.base + static_cast<uint64_t>(low),
                          rows.base + static_cast<uint64_t>(high) + rows.bytes);
  };
  const auto [a_begin, a_end] = range(a);
  const auto [b_begin, b_end] = range(b);
  if (a_end <= b_begin || b_end <= a_begin) return false;
  if (a.count > AgcuConfig::kMostRowsCompared || b.count > AgcuConfig::kMostRowsCompared) return true;
  // Rows that interleave: sorted by address, neighbours must not reach into each other.
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
    if (i < of_a.size() && of_a[i] < begin + b.bytes) return true;
  }
  return false;
}

}  // namespace rdu::fabric
