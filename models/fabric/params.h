#pragma once

#include <cstdint>
#include <string>

#include "core/parameter.h"
#include "core/time.h"

namespace rdu::fabric {

/// The numbers of one tile. Latencies are in fabric cycles; the READMEs of the unit folders give the formulas
/// they enter.
struct FabricParams {
  uint64_t rows = 20;
  uint64_t columns = 13;
  uint64_t clock = 1'600'000'000;  ///< Hz
  uint64_t vector_channels = 2;

  // Stream network.
  uint64_t hop_cycles = 1;
  uint64_t fifo_depth = 16;
  uint64_t switch_depth = 2;
  uint64_t scalar_depth = 4;
  uint64_t output_depth = 32;

  // PCU.
  uint64_t lanes = 32;
  uint64_t stages = 6;
  uint64_t exp_cycles = 8;
  uint64_t recip_cycles = 6;
  uint64_t tail_cycles = 8;

  // PMU.
  uint64_t pmu_bytes = 512 * 1024;
  uint64_t pmu_banks = 16;
  uint64_t pmu_read_cycles = 4;
  uint64_t pmu_scrub_bytes = 1024;

  // AGCU and sequencer.
  uint64_t request_bytes = 256;
  uint64_t outstanding = 64;
  uint64_t request_cycles = 2;
  uint64_t response_cycles = 1;

  // Simulation only: shows in nothing but speed.
  uint64_t max_burst = 4096;
  std::string fidelity = "fast";
  std::string fidelity_of;
  bool shadow = false;
  bool shadow_stop = false;
  uint64_t shadow_bytes = 64 * 1024 * 1024;
  std::string shadow_folder = ".";

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Unit;
    v(rows, {"rows", Unit::count, "rows of switches, each with one PCU and one PMU",
             "20 x 13 x 4 tiles = 1,040 (MICRO'24, table II); the shape is inferred", 1, 255});
    v(columns,
      {"columns", Unit::count, "columns of switches; an AGCU sits at both ends of a row", "as rows", 2, 255});
    v(clock, {"clock", Unit::frequency, "fabric clock; its period is rounded to whole picoseconds",
              "inferred from 638 TFLOP/s (MICRO'24, table II)", 1'000'000, 10'000'000'000});
    v(vector_channels, {"vector_channels", Unit::count,
                        "vector channels between two neighbouring switches, each way", "ours", 1, 4});
    v(hop_cycles,
      {"hop_cycles", Unit::cycles, "time over one wire between switches, or a unit and its switch",
       "Plasticine: registered, one cycle a hop", 1, 64});
    v(fifo_depth,
      {"fifo_depth", Unit::count, "packets in a unit's input FIFO", "Plasticine (PIR): 16", 2, 1024});
    v(switch_depth, {"switch_depth", Unit::count, "packets of a flow that a switch can hold",
                     "ours: 2 cover a hop's credit round trip", 0, 64});
    v(scalar_depth, {"scalar_depth", Unit::count,
                     "words of a flow that a switch or a unit's scalar input can hold", "ours", 1, 64});
    v(output_depth,
      {"output_depth", Unit::count, "packets in a unit's output FIFO, reserved at firing", "ours", 2, 1024});
    v(lanes, {"lanes", Unit::count, "lanes of a PCU: a power of two",
              "inferred: 32 x 6 at 1.6 GHz gives 638 TFLOP/s", 2, 32});
    v(stages,
      {"stages", Unit::count, "SIMD stages of a PCU, and rows of its systolic array", "as lanes", 1, 8});
    v(exp_cycles, {"exp_cycles", Unit::cycles, "latency of EXP in the tail", "ours", 1, 64});
    v(recip_cycles, {"recip_cycles", Unit::cycles, "latency of RECIP in the tail", "ours", 1, 64});
    v(tail_cycles, {"tail_cycles", Unit::cycles, "latency of the tail's other functions", "ours", 1, 64});
    v(pmu_bytes,
      {"pmu_bytes", Unit::bytes, "scratchpad of a PMU", "Hot Chips 2024: 512 KiB", 1024, 64 * 1024 * 1024});
    v(pmu_banks,
      {"pmu_banks", Unit::count, "banks of a scratchpad, each 4 bytes wide", "Plasticine: 16", 1, 64});
    v(pmu_read_cycles,
      {"pmu_read_cycles", Unit::cycles, "from a read's address to its vector", "ours", 1, 64});
    v(pmu_scrub_bytes, {"pmu_scrub_bytes", Unit::bytes, "what a scratchpad clears of itself in a cycle",
                        "ours: rows of 64 bytes in each of 16 banks", 1, 64 * 1024 * 1024});
    v(request_bytes,
      {"request_bytes", Unit::bytes, "largest memory request, a multiple of 64", "ours", 64, 4096});
    v(outstanding,
      {"outstanding", Unit::count, "requests in flight of an AGCU, each direction", "ours", 1, 4096});
    v(request_cycles,
      {"request_cycles", Unit::cycles, "from an address to the request's leaving: translation and coalescing",
       "ours", 1, 256});
    v(response_cycles,
      {"response_cycles", Unit::cycles, "from a response's last byte to its first packet", "ours", 0, 256});
    v(max_burst,
      {"max_burst", Unit::count,
       "simulation only: longest burst that is moved as one object; changes speed, never a result or a time",
       "ours", 1, 1'000'000});
    v(fidelity,
      {"fidelity", Unit::text,
       "how units are modelled: in closed formulas, clock by clock, or as their Verilog (AGCUs: clock "
       "by clock)",
       "ours", 0, 0, "fast|cycle|rtl|shadow"});
    v(fidelity_of,
      {"fidelity_of", Unit::text,
       "other fidelities of single units: UNIT[ROW][COLUMN]=FIDELITY, ..., e.g. 'pmu[*][*]=cycle, "
       "pcu[1][2]=rtl'; agcu[ROW][0] is the west end of a row, agcu[ROW][1] the east; later ones win",
       "ours"});
    v(shadow,
      {"shadow", Unit::flag,
       "units of fidelity rtl are their model, clock by clock, with the Verilog as a shadow: it gets the "
       "same inputs, and outputs are compared (fidelity shadow does so for single units)",
       "ours"});
    v(shadow_stop, {"shadow_stop", Unit::flag,
                    "the first difference ends the run; else it goes on with the model", "ours"});
    v(shadow_bytes, {"shadow_bytes", Unit::bytes,
                     "longest recording of an execution that a shadow keeps to write a stimulus file of",
                     "ours", 4096, 64ull << 30});
    v(shadow_folder, {"shadow_folder", Unit::text, "where stimulus files of differences go", "ours"});
  }

  core::Clock fabric_clock() const { return {(core::kMillisecond * 1000 + clock / 2) / clock}; }
  uint64_t agcus() const { return 2 * rows; }

  /// Throws bad_input if values do not fit each other (a range is checked by whoever reads the
  /// configuration).
  void check() const;
};

}  // namespace rdu::fabric
