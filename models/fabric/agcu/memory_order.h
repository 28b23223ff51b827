#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fabric/agcu/agcu_config.h"
#include "fabric/switch/router.h"

namespace rdu::fabric {

/// What orders the accesses of a program's generators to the same bytes of memory: agcu/README.md ("Who may
/// meet in memory").
class MemoryOrder {
 public:
  explicit MemoryOrder(const std::vector<Routes::Link>& links);

  /// Two atomic stores that may meet in an order that shows: throws LoadFault (BAD_CONFIG).
  static void check_atomics(const std::map<uint32_t, AgcuConfig>& agcus);

  /// Where a generator begins.
  struct Begin {
    uint64_t address;
    bool is_write;
  };
  /// Why a program must not run, if both generators get to memory: one whose first request faults makes no
  /// other.
  struct Race {
    uint32_t unit;
    std::string text;
    std::array<Begin, 2> begins;
  };
  /// Of others, each two that surely meet, and nothing orders them.
  std::vector<Race> find_races(const std::map<uint32_t, AgcuConfig>& agcus) const;

 private:
  using Part = std::pair<uint32_t, unsigned>;  ///< unit, part
  static Part part_of(uint32_t unit, unsigned part);
  /// Does something that `from` sends lead to `to`, by streams and tokens?
  bool leads(const Part& from, const Part& to) const;

  std::map<Part, std::set<Part>> next_;
};

}  // namespace rdu::fabric
