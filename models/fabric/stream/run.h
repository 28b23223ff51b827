#pragma once

#include <algorithm>
#include <cstdint>

/// The algebra of times. Everything that happens again and again in the fabric (packets that arrive, credits
/// that come back, firings) is kept as arithmetic runs, so that its cost does not grow with the length of a
/// run. All times are fabric cycles since the start of simulation.
namespace rdu::fabric {

/// n events at t, t + dt, t + 2 dt, ...
struct Run {
  uint64_t t = 0;
  uint64_t dt = 0;
  uint64_t n = 0;

  uint64_t at(uint64_t i) const { return t + i * dt; }
  uint64_t last() const { return at(n - 1); }
  friend bool operator==(const Run& a, const Run& b) { return a.t == b.t && a.dt == b.dt && a.n == b.n; }
};

/// Why a firing was not earlier.
enum class Cause : uint8_t { none = 0, input = 1, output = 2, other = 4 };

/// Cycles in which a unit that could have fired waited.
struct Stalls {
  uint64_t input = 0;   ///< for packets
  uint64_t output = 0;  ///< for credits or places
  uint64_t other = 0;   ///< for something inside the unit

  Stalls& operator+=(const Stalls& o) {
    input += o.input;
    output += o.output;
    other += o.other;
    return *this;
  }
};

/// The times of consecutive firings of a unit:
///
///     s[0] = max(earliest, r_1[0], r_2[0], ...)      s[i] = max(s[i-1] + ii, r_1[i], r_2[i], ...)
///
/// where each need r_j is a run of known times. solve() returns the longest arithmetic beginning of s that
/// can be told in closed form; the rest is solved next, with `earliest` = the last firing + ii. Since s is
/// defined firing by firing, it does not matter where it is cut.
///
/// How: a need with interval d alone makes firings at t + i * max(d, ii) (a run denser than ii is overtaken
/// by the unit's own interval at once), and so does `earliest` with interval ii. s is the largest of these
/// lines. At i = 0 the line with the largest t leads (of several, the steepest); it leads until a steeper
/// line reaches it, at i = ceil((t_lead - t_j) / (e_j - e_lead)), where the run is cut.
class Firing {
 public:
  struct Result {
    Run run;
    Stalls stalls;
  };

  /// At most `limit` firings, at least 1; `ii` is at least 1.
  Firing(uint64_t earliest, uint64_t ii, uint64_t limit)
      : earliest_(earliest), ii_(ii), t_(earliest), slope_(ii), n_(limit) {}

  /// Firing i waits for times.at(i); there are times.n of them, at least 1.
  void need(const Run& times, Cause cause) {
    n_ = std::min(n_, times.n);
    const uint64_t slope = std::max(times.dt, ii_);
    const auto flag = static_cast<uint8_t>(cause);
    if (times.t > t_ || (times.t == t_ && slope > slope_)) {
      if (times.t > t_) {
        cut(t_, slope_, times.t, slope);
        first_causes_ = 0;
      }
      t_ = times.t;
      slope_ = slope;
      first_causes_ |= flag;
      causes_ = flag;
      return;
    }
    if (times.t == t_) {
      first_causes_ |= flag;
      if (slope == slope_) causes_ |= flag;
      return;
    }
    cut(times.t, slope, t_, slope_);
  }

  /// A wait is for input if any input was as late as the firing, else for output if any of those was.
  Result solve() const {
    Result result{{t_, slope_, n_}, {}};
    add(result.stalls, first_causes_, t_ - earliest_);
    add(result.stalls, causes_, (n_ - 1) * (slope_ - ii_));
    return result;
  }

 private:
  /// Ends the run where the lower line, if it is the steeper one, reaches the leader.
  void cut(uint64_t low_t, uint64_t low_slope, uint64_t lead_t, uint64_t lead_slope) {
    if (low_slope <= lead_slope) return;
    const uint64_t gain = low_slope - lead_slope;
    n_ = std::min(n_, (lead_t - low_t + gain - 1) / gain);
  }
  static void add(Stalls& stalls, uint8_t causes, uint64_t cycles) {
    if (causes & static_cast<uint8_t>(Cause::input)) {
      stalls.input += cycles;
    } else if (causes & static_cast<uint8_t>(Cause::output)) {
      stalls.output += cycles;
    } else {
      stalls.other += cycles;
    }
  }

  uint64_t earliest_;
  uint64_t ii_;
  uint64_t t_;
  uint64_t slope_;
  uint64_t n_;
  uint8_t first_causes_ = 0;  ///< of the first firing
  uint8_t causes_ = 0;        ///< of the others
};

}  // namespace rdu::fabric
