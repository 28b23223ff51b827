#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "cosim/player.h"
#include "cosim/stimulus.h"

namespace rdu::cosim {

/// Functional coverage: what of a unit's repertoire stimuli have used, as bins in groups. All bins that there
/// are have been declared with a count of 0 in the beginning, so those that were never hit are known, too;
/// unreachable.yaml says which of them cannot be. scripts/coverage-rtl makes the report.
class Coverage {
 public:
  /// The bins of a kind of unit (RDU_UNIT_PCU, ...).
  explicit Coverage(unsigned kind);

  /// A stimulus, and what the unit showed when it was played.
  void add(const Stimulus& stimulus, const Log& log);

  /// {"unit": "pcu", "stimuli": 50, "groups": {"operands of operations": {"FADD A IN": 12, ...}, ...}}
  std::string to_json() const;

 private:
  void declare(const std::string& group, const std::string& bin);
  /// Throws core::Error (internal) for a bin that is not declared.
  void hit(const std::string& group, const std::string& bin);

  void declare_pcu();
  void declare_pmu();
  void declare_switch();
  void add_pcu(const Stimulus& stimulus);
  void add_pmu(const Stimulus& stimulus, const Log& log);
  void add_switch(const Stimulus& stimulus, const Log& log);
  void add_traffic(const Stimulus& stimulus, const Log& log);

  friend class PcuWatch;
  unsigned kind_;
  uint64_t stimuli_ = 0;
  std::map<std::string, std::map<std::string, uint64_t>> groups_;
};

}  // namespace rdu::cosim
