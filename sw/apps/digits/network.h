// The digits network on the device: memory, programs, and the two ways to run it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "inputs.h"
#include "rdu.hpp"

namespace rdu::digits {

// One kernel of a run, in device time.
struct KernelTime {
  std::string name;
  uint64_t load_ns = 0;     // program load
  uint64_t execute_ns = 0;  // argument load and execution
  uint64_t load_cycles = 0;
  uint64_t execute_cycles = 0;  // of the fabric
};

struct RunResult {
  std::vector<float> probabilities;  // [images][kClasses]
  uint64_t total_ns = 0;             // device time from before the submission to after the last completion
  std::vector<KernelTime> kernels;
  rdu_memory_counters bytes{};         // moved between the two moments
  std::vector<rdu_activity> activity;  // of the last kernel

  uint64_t load_ns() const;
  uint64_t execute_ns() const;
  // What is neither: doorbells, the firmware's work, fetching commands and sending completions.
  uint64_t overhead_ns() const { return total_ns - load_ns() - execute_ns(); }
  bool same_bits(const RunResult& other) const;
};

class Network {
 public:
  // Allocates, copies the weights to DDR and has the device move them from there to HBM, copies the images to
  // HBM, and creates the programs of `folder`. `fused`, `unfused`: which will be run.
  Network(const Device& device, const Images& images, const Weights& weights, const std::string& folder,
          bool fused, bool unfused, Timeout timeout);

  // The whole network as one program.
  RunResult run_fused();
  // One program an operator, each reading and writing HBM. All of them are submitted at once, by one
  // doorbell, so that what is counted as overhead is not the host's fault.
  RunResult run_unfused();

  uint64_t hbm_bytes() const { return hbm_bytes_; }  // of the context
  uint64_t ddr_bytes() const { return ddr_bytes_; }

 private:
  struct Kernel {
    std::string name;
    Program program;
    uint64_t rows = 0;  // images with padding that this kernel is launched for
  };
  // What a program demands of its argument `rows`.
  struct RowRule {
    uint64_t minimum = 1, multiple = 1;
  };

  static std::vector<uint8_t> read_program(const std::string& folder, const std::string& name);
  Kernel create(const std::vector<uint8_t>& container, const std::string& name);
  static RowRule row_rule(const Program& program, const std::string& name);
  void upload(const Images& images, const Weights& weights);
  RunResult run(const std::vector<std::pair<const Kernel*, std::vector<Argument>>>& kernels,
                const Memory& result);

  const Device& device_;
  Timeout timeout_;
  uint64_t images_;
  uint64_t hbm_bytes_ = 0, ddr_bytes_ = 0;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Queue> queue_;
  std::vector<Kernel> fused_, unfused_;
  Memory staging_;  // host
  Memory w1_, b1_, w2_, b2_, x_;
  Memory acc_, h_, logits_;
  Memory fused_result_, unfused_result_;
};

}  // namespace rdu::digits
