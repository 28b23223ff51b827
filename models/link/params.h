#pragma once

#include <cstdint>
#include <string>

#include "core/parameter.h"
#include "core/time.h"

namespace rdu::link {

struct LinkParams {
  uint64_t count = 4;
  uint64_t lanes = 16;
  uint64_t lane_speed = 32'000;
  core::Time phase_time = 5 * core::kMicrosecond;
  std::string plug = "none";
  std::string failure = "none";
  uint64_t failing_attempts = 0;
  uint64_t bad_lanes = 0;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(count, {"count", Unit::count, "links to other sockets", "ours: the number is not public", 0, 8});
    v(lanes, {"lanes", Unit::count, "lanes of a link", "ours: as PCIe x16", 1, 32});
    v(lane_speed,
      {"lane_speed", Unit::count, "MT/s of a lane", "ours: as PCIe 5.0, 64 GB/s a link", 1, 1'000'000});
    v(phase_time, {"phase_time", Unit::time, "what each state of a training takes",
                   "ours, far shorter than a real part's", 1, 1000 * core::kMillisecond});
    v(plug, {"plug", Unit::text,
             "what is plugged into links that no socket is connected to; a loopback plug sends back "
             "what it gets, as on a test bench",
             "ours", 0, 0, "none|loopback"});
    v(failure, {"failure", Unit::text,
                "how every training of a link with a partner fails, to test firmware: hang (in POLLING), "
                "equalization",
                "ours", 0, 0, "none|hang|equalization"});
    v(failing_attempts, {"failing_attempts", Unit::count,
                         "so many trainings of each link fail in equalization before one can succeed, to "
                         "test firmware",
                         "ours", 0, 1000});
    v(bad_lanes, {"bad_lanes", Unit::count, "bit n: lane n of each link never works, to test firmware",
                  "ours", 0, 0xffffffff});
  }
};

}  // namespace rdu::link
