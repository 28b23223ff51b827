#include "fabric/agcu/agcu_config.h"

#include <fmt/format.h>

#include "regs/agcu.hpp"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::agcu;

AgcuConfig::Rows decode_rows(const ConfigWords& words, const char* name, uint64_t bytes, uint64_t base,
                             uint64_t counts, uint64_t strides) {
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
  if (rows.count > Counters<6>::kMostIterations) {
    throw BadConfig(fmt::format("the {} counters iterate more than 2^40 times", name));
  }
  if (!rows.counters.fits())
    throw BadConfig(fmt::format("the {} counters reach further than 2^62 bytes", name));
  const auto [low, high] = rows.counters.extent();
  const uint64_t below = 0 - static_cast<uint64_t>(low);
  const uint64_t above = static_cast<uint64_t>(high) + rows.bytes;
  if (below > rows.base || above > ~uint64_t{0} - rows.base) {
    throw BadConfig(fmt::format("{} rows leave the 64-bit address space", name));
  }
  return rows;
}

/// Fields that have a meaning but no model yet.
void refuse_what_is_missing(const ConfigWords& words) {
  const auto refuse = [&](uint64_t offset, core::Field field, const char* name) {
    if (words.get(offset, field) != 0) throw BadConfig(fmt::format("{} is not modelled", name));
  };
  refuse(regs::kLOAD_OFFSET, regs::LOAD::INDEX, "LOAD.INDEX");
  refuse(regs::kLOAD_OFFSET, regs::LOAD::SEQUENCE, "LOAD.SEQUENCE");
  refuse(regs::kLOAD_OFFSET, regs::LOAD::WAIT, "LOAD.WAIT");
  refuse(regs::kLOAD_OFFSET, regs::LOAD::SIGNAL, "LOAD.SIGNAL");
  refuse(regs::kLOAD_OFFSET, regs::LOAD::OUTSTANDING, "LOAD.OUTSTANDING");
  refuse(regs::kLOAD_OFFSET, regs::LOAD::DYNAMIC, "LOAD.DYNAMIC");
  refuse(regs::kSTORE_OFFSET, regs::STORE::INDEX, "STORE.INDEX");
  refuse(regs::kSTORE_OFFSET, regs::STORE::WAIT, "STORE.WAIT");
  refuse(regs::kSTORE_OFFSET, regs::STORE::SIGNAL, "STORE.SIGNAL");
  refuse(regs::kSTORE_OFFSET, regs::STORE::OUTSTANDING, "STORE.OUTSTANDING");
  refuse(regs::kSTORE_OFFSET, regs::STORE::OP, "STORE.OP");
  refuse(regs::kSCALAR_OFFSET, regs::SCALAR::OUT, "SCALAR.OUT");
}

}  // namespace

AgcuConfig AgcuConfig::decode(const ConfigWords& words, bool is_master) {
  refuse_what_is_missing(words);
  AgcuConfig c;
  c.load = words.get(regs::kLOAD_OFFSET, regs::LOAD::ENABLE) != 0;
  c.store = words.get(regs::kSTORE_OFFSET, regs::STORE::ENABLE) != 0;
  c.done_token = words.get(regs::kSTORE_OFFSET, regs::STORE::DONE_TOKEN) != 0;
  c.tokens = static_cast<uint8_t>(words.get(regs::kMASTER_OFFSET, regs::MASTER::TOKENS));
  if (c.load) {
    c.out_flow = words.get(regs::kLOAD_OFFSET, regs::LOAD::FLOW);
    c.load_rows = decode_rows(words, "LOAD", regs::kLOAD_ROW_BYTES_OFFSET, regs::kLOAD_BASE_OFFSET,
                              regs::kLOAD_COUNT_OFFSET, regs::kLOAD_STRIDE_OFFSET);
  }
  if (c.store) {
    c.store_rows = decode_rows(words, "STORE", regs::kSTORE_ROW_BYTES_OFFSET, regs::kSTORE_BASE_OFFSET,
                               regs::kSTORE_COUNT_OFFSET, regs::kSTORE_STRIDE_OFFSET);
  }
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

}  // namespace rdu::fabric
