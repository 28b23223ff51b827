#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rdu::fabric {

/// Who waits for whom when a kernel hangs, and what that means: units that wait for each other in a circle,
/// or one that has done all it should while others wait for more of it.
class Standstill {
 public:
  /// `unit` waits for `other`; `what` goes on after "waits for".
  void waits(uint32_t unit, uint32_t other, const std::string& what);
  bool waiting(uint32_t unit) const { return waits_.count(unit) != 0; }
  /// `unit` waits for nobody; `state` goes on after its name: "has done all it was configured to do".
  void rests(uint32_t unit, const std::string& state) { resting_[unit] = state; }

  struct Explanation {
    uint32_t unit = 0;  ///< the one to begin with; 0: nobody waits
    std::string text;
  };
  /// The shortest circle, of several the one with the smallest unit id; else every unit that keeps others
  /// waiting without waiting itself.
  Explanation explain() const;

 private:
  struct Wait {
    uint32_t other;
    std::string what;
  };
  using Way = std::vector<std::pair<uint32_t, const Wait*>>;
  /// The shortest way from a unit back to itself; empty if there is none.
  Way circle_through(uint32_t unit) const;
  Explanation explain_circle(const Way& circle) const;
  Explanation explain_ends() const;

  std::map<uint32_t, std::vector<Wait>> waits_;
  std::map<uint32_t, std::string> resting_;
};

}  // namespace rdu::fabric
