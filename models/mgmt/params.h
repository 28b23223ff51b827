#pragma once

#include <cstdint>

#include "core/parameter.h"
#include "core/time.h"

namespace rdu::mgmt {

/// What an instruction costs beyond its one cycle; README.md has the formula.
struct HartTiming {
  uint64_t branch_taken = 1;
  uint64_t load = 1;
  uint64_t multiply = 2;
  uint64_t divide = 20;
  uint64_t atomic = 4;
  uint64_t csr = 2;
  uint64_t trap = 4;
  uint64_t bus = 10;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(branch_taken, {"branch_taken", Unit::cycles, "taken branch, jump, return", "ours", 0, 1000});
    v(load, {"load", Unit::cycles, "load from ROM, RAM or flash", "ours", 0, 1000});
    v(multiply, {"multiply", Unit::cycles, "MUL*", "ours", 0, 1000});
    v(divide, {"divide", Unit::cycles, "DIV*, REM*", "ours", 0, 1000});
    v(atomic, {"atomic", Unit::cycles, "LR, SC, AMO", "ours", 0, 1000});
    v(csr, {"csr", Unit::cycles, "CSR access, FENCE, FENCE.I, MRET, WFI", "ours", 0, 1000});
    v(trap, {"trap", Unit::cycles, "entry of an exception or interrupt", "ours", 1, 1000});
    v(bus, {"bus", Unit::cycles, "bus access outside ROM, RAM and flash, besides the target's own latency",
            "ours", 0, 100000});
  }
};

struct HartParams {
  uint64_t clock = 1'000'000'000;  ///< Hz
  core::Time quantum = 10 * core::kMicrosecond;
  bool misaligned = false;
  HartTiming timing;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(clock, {"clock", Unit::frequency, "clock of the management core; its period is rounded to a picosecond",
              "ours", 1'000'000, 4'000'000'000});
    v(quantum, {"quantum", Unit::time, "how far a hart runs ahead of the rest of the platform", "ours",
                core::kNanosecond, core::kMillisecond});
    v(misaligned, {"misaligned", Unit::flag,
                   "misaligned loads and stores to memory work in hardware instead of trapping", "ours"});
    v.group("timing", timing);
  }

  /// Of the clock, to the nearest picosecond.
  core::Clock period() const { return {(1'000'000'000'000u + clock / 2) / clock}; }
};

struct MgmtParams {
  uint64_t harts = 1;
  uint64_t ram_size = 8u << 20;
  core::Time ram_latency = 40 * core::kNanosecond;
  HartParams hart;

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(harts, {"harts", Unit::count, "RISC-V harts of the management core", "ours", 1, 8});
    v(ram_size, {"ram_size", Unit::bytes, "management RAM, a multiple of 4 KiB", "ours", 65536, 2u << 30});
    v(ram_latency, {"ram_latency", Unit::time,
                    "management RAM's answer to the copy engine and other agents of the top-level network",
                    "ours", 1, core::kMillisecond});
    v.group("hart", hart);
  }
};

/// What the platform tells firmware about the chip through SYSCTL.
struct SocketInfo {
  unsigned socket = 0;
  unsigned tiles = 1;
  unsigned rows = 0;     ///< of a tile
  unsigned columns = 0;  ///< of a tile
};

}  // namespace rdu::mgmt
