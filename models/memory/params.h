#pragma once

#include <cstdint>

#include "core/parameter.h"
#include "core/time.h"

namespace rdu::memory {

inline constexpr uint64_t kGiB = uint64_t{1} << 30;

/// What a memory controller computes with, whatever the kind of memory.
struct ControllerParams {
  unsigned channels = 1;
  uint64_t capacity = 0;           ///< bytes
  uint64_t bandwidth = 0;          ///< bytes per second, all channels together
  uint64_t interleave = 256;       ///< bytes that stay in one channel
  core::Time latency = 0;          ///< ps, from a request's arrival to its first byte, nothing queued
  core::Time training_time = 0;    ///< ps
  bool training_fails = false;     ///< training ends with STATUS.FAILED: lets firmware meet it
  uint64_t failing_trainings = 0;  ///< so many trainings fail before one can succeed
  uint64_t failing_channels = 1;   ///< which channels fail then, bit n: channel n
};

struct HbmParams {
  uint64_t stacks = 4;
  uint64_t capacity = 64 * kGiB;
  uint64_t stack_bandwidth = 400'000'000'000;
  uint64_t interleave = 256;
  core::Time latency = 120 * core::kNanosecond;
  core::Time training_time = 50 * core::kMicrosecond;
  bool training_fails = false;
  uint64_t failing_trainings = 0;
  uint64_t failing_channels = 1;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(stacks, {"stacks", Unit::count, "HBM stacks; each is one channel of this model",
               "4: HBM x 4 (MLSys 2026 paper)", 1, 16});
    v(capacity,
      {"capacity", Unit::bytes, "HBM of the socket, all stacks", "MICRO'24, table II", 4096, 64 * kGiB});
    v(stack_bandwidth, {"stack_bandwidth", Unit::bandwidth, "peak of one stack",
                        "Hot Chips 2024: 25.6 TB/s over 16 sockets of 4 stacks; 450 GB/s and 500 GB/s "
                        "give the paper's 1.8 and 2.0 TB/s",
                        1'000'000, 10'000'000'000'000});
    v(interleave, {"interleave", Unit::bytes, "consecutive bytes in one stack", "ours", 32, 1 << 20});
    v(latency, {"latency", Unit::time, "from a request's arrival at the controller to its first byte, idle",
                "ours", 1, core::kMillisecond});
    v(training_time, {"training_time", Unit::time, "from CONTROL.TRAIN to STATUS.TRAINED",
                      "ours, far shorter than a real part's", 1, 1000 * core::kMillisecond});
    v(training_fails,
      {"training_fails", Unit::flag, "every training ends with STATUS.FAILED, to test firmware", "ours"});
    v(failing_trainings,
      {"failing_trainings", Unit::count, "so many trainings fail before one can succeed, to test firmware",
       "ours", 0, 1000});
    v(failing_channels,
      {"failing_channels", Unit::count, "bit n: channel n is one of those that fail in a training that fails",
       "ours", 1, ~uint64_t{0}});
  }
  ControllerParams controller() const {
    return {static_cast<unsigned>(stacks),
            capacity,
            stacks * stack_bandwidth,
            interleave,
            latency,
            training_time,
            training_fails,
            failing_trainings,
            failing_channels};
  }
};

struct DdrParams {
  uint64_t channels = 6;
  uint64_t capacity = 1536 * kGiB;
  uint64_t bandwidth = 200'000'000'000;
  uint64_t interleave = 256;
  core::Time latency = 95 * core::kNanosecond;
  core::Time training_time = 100 * core::kMicrosecond;
  bool training_fails = false;
  uint64_t failing_trainings = 0;
  uint64_t failing_channels = 1;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(channels,
      {"channels", Unit::count, "DDR channels", "6 (second-hand notes of the MLSys 2026 paper)", 1, 64});
    v(capacity, {"capacity", Unit::bytes, "DDR of the socket, all channels", "MICRO'24: up to 1.5 TiB", 4096,
                 2048 * kGiB});
    v(bandwidth, {"bandwidth", Unit::bandwidth, "peak of all channels together",
                  "MICRO'24, table II; Hot Chips 2024 says 100 GB/s", 1'000'000, 10'000'000'000'000});
    v(interleave, {"interleave", Unit::bytes, "consecutive bytes in one channel", "ours", 32, 1 << 20});
    v(latency, {"latency", Unit::time, "from a request's arrival at the controller to its first byte, idle",
                "ours", 1, core::kMillisecond});
    v(training_time, {"training_time", Unit::time, "from CONTROL.TRAIN to STATUS.TRAINED",
                      "ours, far shorter than a real part's", 1, 1000 * core::kMillisecond});
    v(training_fails,
      {"training_fails", Unit::flag, "every training ends with STATUS.FAILED, to test firmware", "ours"});
    v(failing_trainings,
      {"failing_trainings", Unit::count, "so many trainings fail before one can succeed, to test firmware",
       "ours", 0, 1000});
    v(failing_channels,
      {"failing_channels", Unit::count, "bit n: channel n is one of those that fail in a training that fails",
       "ours", 1, ~uint64_t{0}});
  }
  ControllerParams controller() const {
    return {static_cast<unsigned>(channels),
            capacity,
            bandwidth,
            interleave,
            latency,
            training_time,
            training_fails,
            failing_trainings,
            failing_channels};
  }
};

struct CopyEngineParams {
  uint64_t chunk = 2048;
  uint64_t outstanding = 32;
  uint64_t channel_bandwidth = 125'000'000'000;
  uint64_t zero_chunk = 256 * 1024;
  uint64_t zero_outstanding = 2;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(chunk, {"chunk", Unit::bytes, "most bytes of one request; a power of two", "ours", 64, 65536});
    v(outstanding, {"outstanding", Unit::count, "chunks that a channel has under way",
                    "ours: covers the round trip DDR to HBM at channel_bandwidth", 1, 1024});
    v(channel_bandwidth, {"channel_bandwidth", Unit::bandwidth, "data path of one channel",
                          "MICRO'24: 1 TB/s from DDR to HBM for a node of 8 sockets, so 125 GB/s a socket",
                          1'000'000, 10'000'000'000'000});
    v(zero_chunk, {"zero_chunk", Unit::bytes, "most bytes of one request that writes zeroes; a power of two",
                   "ours: with zero_outstanding covers the round trip to HBM", 64, 1 << 30});
    v(zero_outstanding, {"zero_outstanding", Unit::count, "requests that write zeroes under way in a channel",
                         "ours: few, since others queue behind them", 1, 1024});
  }
};

}  // namespace rdu::memory
