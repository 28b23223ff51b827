#pragma once

#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "cosim/divergence.h"
#include "cosim/dut.h"
#include "cosim/recorder.h"

namespace rdu::cosim {

struct ShadowSettings {
  std::string folder = ".";           ///< where stimulus files go
  uint64_t most_bytes = 64ull << 20;  ///< of the recording of one unit
  bool stop = false;                  ///< the first divergence ends the run: Diverged is thrown
};

/// Ends a run at a divergence.
class Diverged : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class ShadowPins;

/// Lets units of a tile have fidelity `shadow` in this process. After their Verilog was offered, before the
/// first tile is made.
void offer_shadows();

/// What the shadows of this process have found.
class ShadowLog {
 public:
  static ShadowLog& get();

  /// Who is told of each divergence when it is found, a line each. Default: standard error.
  void set_sink(std::function<void(const std::string&)> sink) { sink_ = std::move(sink); }
  /// Looks once more at executions that have come to their end.
  void finish();
  size_t compared() const { return compared_.size(); }
  size_t diverged() const { return diverged_.size(); }
  /// "shadow: 1 of 3 units diverged"; "" if none was compared.
  std::string summary() const;
  void clear();

 private:
  friend class ShadowPins;
  bool has_diverged(const std::string& unit) const { return diverged_.count(unit) != 0; }
  void say(const std::string& line) const;

  std::function<void(const std::string&)> sink_;
  std::set<std::string> compared_;  ///< hierarchical names
  std::set<std::string> diverged_;
  std::vector<ShadowPins*> alive_;
};

/// A unit as its model, with its Verilog as a shadow: that gets the same inputs, and its outputs are
/// compared, value by value and cycle by cycle. The model leads: it alone is seen outside.
///
/// It records the execution in progress. At the first divergence of a unit the recording is written as a
/// stimulus file, ShadowLog is told, and the shadow is gone.
class ShadowPins : public fabric::PinModel {
 public:
  /// `tile`: its hierarchical name. `memory`: of a PMU, that which the lead works on; the shadow has its own.
  ShadowPins(const std::string& tile, uint32_t unit, const fabric::FabricParams& params,
             std::unique_ptr<fabric::PinModel> lead, fabric::Scratchpad* memory, Dut shadow,
             const ShadowSettings& settings);
  ~ShadowPins() override;

  const fabric::PinCounts& pins() const override { return lead_->pins(); }
  void reset() override;
  void configure(const fabric::ConfigWords& words) override;
  void start(const fabric::PinCredits& credits, fabric::PinOutputs& out) override;
  void tick(const fabric::PinInputs& in, fabric::PinOutputs& out) override;
  /// Of the Verilog.
  bool record(const std::string& file, uint64_t last) override { return shadow_.model->record(file, last); }
  void stop_recording() override { shadow_.model->stop_recording(); }
  void set_neighbours(const fabric::PinNeighbours& neighbours) override { neighbours_ = &neighbours; }

 private:
  friend class ShadowLog;
  void compare(uint64_t cycle, fabric::PinOutputs& out);
  void finish();
  void report(Divergence divergence);
  std::string neighbour(const Stream& stream) const;

  std::string tile_;
  uint32_t unit_;
  fabric::FabricParams params_;
  std::unique_ptr<fabric::PinModel> lead_;
  fabric::Scratchpad* memory_;
  Dut shadow_;
  ShadowSettings settings_;
  const fabric::PinNeighbours* neighbours_ = nullptr;

  PinStore out_;
  Recorder recorder_;
  std::unique_ptr<Comparator>
      comparator_;  ///< of the execution in progress; null: it is over, or has diverged
  std::vector<VectorShape> shapes_;
  uint64_t first_ = 0;  ///< cycle of the execution
  uint64_t cycle_ = 0;  ///< whose pins were compared last
  bool lead_done_ = false;
  bool has_diverged_ = false;
};

}  // namespace rdu::cosim
