#include "fabric/agcu/agcu_config.h"

#include <fmt/format.h>

#include "regs/agcu.hpp"

namespace rdu::fabric {
namespace {

namespace regs = rdu::regs::agcu;

AgcuConfig::Rows decode_rows(const ConfigWords& words, const char* name, uint64_t bytes, uint64_t base,
                             uint64_t counters) {
  constexpr uint64_t kMostRowBytes = 65536;
  AgcuConfig::Rows rows;
  rows.base = words.at64(base);
  rows.bytes = words.at(bytes);
  if (rows.bytes < 1 || rows.bytes > kMostRowBytes) {
    throw BadConfig(fmt::format("{}_ROW_BYTES = {} is not in 1..{}", name, rows.bytes, kMostRowBytes));
  }
  for (unsigned i = 0; i < 4; ++i)
    rows.counters.set(i, words.at(counters + 8 * i), words.at(counters + 8 * i + 4));
  rows.count = rows.counters.total();
  if (rows.count > Counters<4>::kMostIterations) {
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

}  // namespace

AgcuConfig AgcuConfig::decode(const ConfigWords& words, bool is_master) {
  AgcuConfig c;
  c.load = words.get(regs::kLOAD_OFFSET, regs::LOAD::ENABLE) != 0;
  c.store = words.get(regs::kSTORE_OFFSET, regs::STORE::ENABLE) != 0;
  c.done_token = words.get(regs::kSTORE_OFFSET, regs::STORE::DONE_TOKEN) != 0;
  c.tokens = static_cast<uint8_t>(words.get(regs::kMASTER_OFFSET, regs::MASTER::TOKENS));
  if (c.load) {
    c.out_flow = words.get(regs::kLOAD_OFFSET, regs::LOAD::OUT_FLOW);
    c.load_rows = decode_rows(words, "LOAD", regs::kLOAD_ROW_BYTES_OFFSET, regs::kLOAD_BASE_OFFSET,
                              regs::kLOAD_COUNTER_OFFSET);
  }
  if (c.store) {
    c.store_rows = decode_rows(words, "STORE", regs::kSTORE_ROW_BYTES_OFFSET, regs::kSTORE_BASE_OFFSET,
                               regs::kSTORE_COUNTER_OFFSET);
  }
  if (c.done_token && !c.store) throw BadConfig("STORE.DONE_TOKEN without STORE.ENABLE");
  if (c.tokens != 0 && !is_master) throw BadConfig("MASTER.TOKENS on an AGCU that is not the master");
  return c;
}

}  // namespace rdu::fabric
