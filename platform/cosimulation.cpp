#include "platform/cosimulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <regex>

#include "core/error.h"
#include "cosim/dut_library.h"
#include "cosim/shadow.h"
#include "fabric/fidelity.h"
#include "fabric/program.h"
#include "fabric/stream/clocked.h"
#include "platform/configuration.h"
#include "platform/options.h"
#include "units/units.h"

namespace rdu::platform {
namespace {

/// A number of cycles, or a time.
uint64_t cycle_of(const std::string& text, const fabric::FabricParams& params, const char* option) {
  if (!text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::stoull(text);
  return parse_quantity(text, core::Unit::time, option) / params.fabric_clock().period;
}

}  // namespace

Cosimulation::Cosimulation(const Options& options) : options_(options) {
  rtl::offer_units();
  for (const std::string& file : options.duts) cosim::use_dut(file);
  cosim::offer_shadows();
  cosim::ShadowLog::get().set_sink([](const std::string& line) { fmt::print(stderr, "rduvp: {}\n", line); });
}

void Cosimulation::check(const fabric::FabricParams& params) {
  if (!std::filesystem::is_directory(params.shadow_folder))
    core::bad_input(fmt::format("socket.tile.shadow_folder: there is no folder '{}'", params.shadow_folder));
  if (options_.waves.empty()) return;
  static const std::regex kForm(R"((?:(tile[0-9]+)\.)?(pcu|pmu|switch)\[([0-9]{1,3})\]\[([0-9]{1,3})\])");
  std::smatch part;
  const auto wrong = [&](const std::string& text) {
    core::bad_input(fmt::format("--waves {}: {}", options_.waves, text));
  };
  if (!std::regex_match(options_.waves, part, kForm))
    wrong("no unit; those with waves are called pcu[1][2], pmu[0][0], tile3.switch[1][1]");
  const unsigned row = static_cast<unsigned>(std::stoul(part[3]));
  const unsigned column = static_cast<unsigned>(std::stoul(part[4]));
  if (row >= params.rows || column >= params.columns)
    wrong(fmt::format("a tile has {} rows and {} columns, counted from 0", params.rows, params.columns));
  const unsigned kind = part[2] == "pcu" ? RDU_UNIT_PCU : part[2] == "pmu" ? RDU_UNIT_PMU : RDU_UNIT_SWITCH;
  fabric::WavesWindow& window = fabric::waves_window();
  window.tile = part[1];
  window.unit = RDU_UNIT(kind, row, column);
  const fabric::Fidelity fidelity = fabric::FidelityMap(params).of(window.unit);
  if (fidelity != fabric::Fidelity::rtl && fidelity != fabric::Fidelity::shadow) {
    const std::string unit = options_.waves.substr(options_.waves.find('.') + 1);
    wrong(fmt::format(
        "its fidelity is {}, and Verilog alone has waves; try --set 'socket.tile.fidelity_of={}=rtl'",
        fabric::to_string(fidelity), unit));
  }
  window.file = options_.waves_file.empty() ? "waves.fst" : options_.waves_file;
  if (!options_.waves_from.empty()) window.from = cycle_of(options_.waves_from, params, "--waves-from");
  if (!options_.waves_to.empty()) window.to = cycle_of(options_.waves_to, params, "--waves-to");
  if (window.from > window.to)
    wrong(fmt::format("--waves-from is cycle {}, after --waves-to, cycle {}", window.from, window.to));
}

int Cosimulation::finish(int status) const {
  if (!options_.waves.empty() && !options_.quiet) {
    const fabric::WavesWindow& window = fabric::waves_window();
    if (window.has_begun) {
      fmt::print("rduvp: waves of {}: {}; cycle n is in steps 2n (outputs) and 2n + 1 (inputs) of its time\n",
                 options_.waves, window.file);
    } else {
      fmt::print(stderr, "rduvp: no waves: {} was not clocked in that time\n", options_.waves);
    }
  }
  cosim::ShadowLog& log = cosim::ShadowLog::get();
  try {
    log.finish();
  } catch (const cosim::Diverged&) {
    // said already
  }
  if (const std::string summary = log.summary(); !summary.empty()) {
    fmt::print(log.diverged() != 0 ? stderr : stdout, "rduvp: {}\n", summary);
    if (log.diverged() != 0 && status == 0) return kDivergedStatus;
  }
  return status;
}

}  // namespace rdu::platform
