#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "fabric/pmu/banks.h"
#include "fabric/pmu/pmu_config.h"
#include "fabric/stream/block.h"
#include "fabric/stream/run.h"

namespace rdu::fabric {

/// Where a pipeline of a PMU is in its fills and accesses, what the next ones do and what they cost. Knows
/// nothing of data, ports and tokens.
class Pipeline {
 public:
  /// What an access does: nothing (predicate, range), a vector of zeros, or some lanes of memory.
  enum class Deed : uint8_t { nothing, zeros, access };

  /// Accesses at offset, offset + the innermost stride, ...: from the scratchpad's beginning.
  struct Stretch {
    uint64_t address;
    unsigned count;
  };
  /// Some of the next accesses, that do the same and take as long.
  struct Batch {
    Deed deed = Deed::access;
    unsigned cost = 1;  ///< slots
    uint64_t count = 0;
    unsigned stretches = 0;
  };

  Pipeline(const PmuPipelineConfig& config, unsigned banks, unsigned bank_shift, unsigned bank_skew);
  Pipeline() = default;

  const PmuPipelineConfig& config() const { return config_; }
  void start(uint64_t cycle);

  bool over() const { return !config_.enabled || fill_ == config_.fills; }
  bool at_begin_of_fill() const { return index_ == 0; }
  uint64_t fill() const { return fill_; }
  uint64_t index() const { return index_; }  ///< of the next access in its fill
  uint64_t left_in_fill() const { return config_.accesses - index_; }
  /// Accesses before the next one, of all fills.
  uint64_t number() const { return fill_ * config_.accesses + index_; }
  /// Earliest slot of what comes next.
  uint64_t next() const { return next_; }
  uint64_t busy() const { return busy_; }
  /// The pipeline has not gone on with an access of several index packets; it has so many of them.
  unsigned held() const { return held_; }

  /// The first slot not before `cycle`.
  uint64_t slot(uint64_t cycle) const {
    return cycle + (config_.period == 1 ? 0 : (cycle - start_ + config_.number) & 1);
  }
  /// The times of a need, moved to slots, for firings `ii` cycles apart; fewer where they become irregular.
  Run slots(const Run& need, uint64_t ii) const;

  /// Of the scalar that the current fill has taken, in bytes.
  void set_scalar(int64_t offset) { scalar_ = offset; }

  // Addresses that follow from counters and scalar alone.
  /// Looks at the next accesses, at most `limit` of one fill.
  Batch look_ahead(uint64_t limit);
  const Stretch& stretch(unsigned i) const { return stretches_[i]; }
  int64_t inner_stride() const { return counters_.inner_stride(); }
  const Counters<6>& counters() const { return counters_; }
  /// All that is left of the fill, which has begun: an access in every cycle, no matter where.
  bool is_steady() const { return is_plain_ && config_.period == 1 && fill_cost_ == 1; }

  // Addresses that follow from data, one access at a time.
  /// Whether the predicate lets the next access be done.
  bool predicate() const { return predicate(counters_, 0); }
  /// Address of buffer and counters, without range and data.
  int64_t offset() const { return counters_.offset() + scalar_; }
  int64_t start_of_buffer() const { return config_.base + buffer_offset(); }
  /// The bytes that the fill can touch: first, last + 1.
  uint64_t low() const { return static_cast<uint64_t>(config_.low + buffer_offset()); }
  uint64_t high() const { return static_cast<uint64_t>(config_.high + buffer_offset()); }
  bool in_range(int64_t offset) const {
    return config_.range == PmuPipelineConfig::Range::off ||
           (config_.range_low <= offset && offset < config_.range_high);
  }
  /// Of an access of all lanes at that address.
  unsigned cost(uint64_t address) { return cost_.cost(address); }
  /// Of one that touches these words.
  unsigned cost_of_words(uint64_t* words, unsigned count) const { return cost_.cost_of_words(words, count); }

  /// An index packet has been taken beforehand at `cycle`.
  void took_index(uint64_t cycle);
  /// The accesses of `run`, the first of `batch`, begin. Returns true if the fill is over then: end() is
  /// when.
  bool advance(const Run& run, const Batch& batch);
  /// The cycle after that in which the last access used the banks.
  uint64_t end() const { return next_ - config_.period + 1; }

 private:
  static constexpr uint8_t kUnknown = 255;

  int64_t buffer_offset() const {
    return static_cast<int64_t>(fill_ % config_.buffers * config_.buffer_size);
  }
  void find_fill_cost();
  bool predicate(const Counters<6>& at, uint64_t ahead) const;
  Deed deed(const Counters<6>& at, uint64_t ahead) const;

  PmuPipelineConfig config_;
  BankCost cost_;
  bool is_uniform_ = false;            ///< accesses of the innermost level all cost the same
  bool is_plain_ = false;              ///< accesses of the innermost level all do the same
  std::vector<uint8_t> buffer_costs_;  ///< of all accesses of a plain fill, by buffer; kUnknown
  unsigned fill_cost_ = 0;             ///< of all accesses of this fill; 0 if it has not begun or they differ
  Counters<6> counters_;               ///< of the next access
  Counters<6> behind_;                 ///< look_ahead() leaves the counters behind what it saw, here
  uint64_t start_ = 0;
  uint64_t fill_ = 0;
  uint64_t index_ = 0;
  uint64_t next_ = 0;
  uint64_t busy_ = 0;
  unsigned held_ = 0;
  int64_t scalar_ = 0;
  std::array<Stretch, kBlockPackets> stretches_{};
};

}  // namespace rdu::fabric
