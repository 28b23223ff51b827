#pragma once

#include <cstdint>

#include "core/parameter.h"

namespace rdu::pcie {

struct PcieParams {
  uint64_t bandwidth = 32'000'000'000;  ///< bytes/s, each direction
  uint64_t latency = 400'000;           ///< ps, one way
  uint64_t flr_time = 100'000'000;      ///< ps
  uint64_t table_cache_lines = 256;
  bool map_windows = true;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Parameter;
    using core::Unit;
    v(bandwidth, Parameter{"bandwidth", Unit::bandwidth, "Data rate of the host link, each direction",
                           "as the SN10/SN30's PCIe Gen4 x16; not public for the SN40L", 1'000'000});
    v(latency,
      Parameter{"latency", Unit::time, "One way through the link, root complex included", "ours", 1});
    v(flr_time, Parameter{"flr_time", Unit::time,
                          "From the request of a function-level reset until the function answers again",
                          "ours; the specification allows 100 ms", 1, 100'000'000'000});
    v(table_cache_lines,
      Parameter{"table_cache_lines", Unit::count,
                "Lines of 8 entries that are kept of contexts' host page tables, all levels together", "ours",
                1, 1 << 20});
    v(map_windows,
      Parameter{"map_windows", Unit::flag,
                "Lets the host map BAR2; if not, each of its accesses is a message. Changes no byte",
                "ours"});
  }
};

}  // namespace rdu::pcie
