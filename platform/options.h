#pragma once

#include <string>
#include <vector>

#include "core/time.h"

namespace CLI {
class App;
}

namespace rdu::platform {

class Configuration;

/// What the command line of `rduvp` says, unchecked but for its form.
struct Options {
  std::string machine = "card";

  // every machine
  std::vector<std::string> configurations;
  std::vector<std::string> assignments;
  std::string serial;   ///< "": the machine's own default
  std::string gdb;      ///< "tcp::PORT"; "": none
  bool halted = false;  ///< -S
  std::string trace;
  std::string statistics;
  std::string register_coverage;
  std::string instruction_trace;
  std::string profile;
  std::vector<std::string> symbols;
  std::string run_for;
  bool list_params = false;
  bool quiet = false;

  // card
  std::string firmware;
  bool secure = false;
  std::string flash;
  std::string flash_save;
  std::string rom;
  std::string socket;
  std::string control;
  double host_timeout = 0;
  std::string coupling;  ///< "lockstep", "free"; "": as configured
  bool check = false;
  bool once = false;
  std::string record;
  std::string replay;
  bool replay_anyway = false;
  std::string print_recording;
  std::vector<std::string> duts;
  std::string waves;  ///< a unit
  std::string waves_file;
  std::string waves_from;
  std::string waves_to;

  // virt
  std::string bios;
  std::string kernel;
  std::string initrd;
  std::string append;
  std::string dtb;
  std::string dump_dtb;
  std::string memory;  ///< "": as configured
  std::string pace;    ///< "realtime", "free"; "": as the console is
  unsigned harts = 0;  ///< 0: as configured
  std::string signature;
  unsigned signature_granularity = 4;
};

/// Declares all options. `options` receives them at app.parse() and must live until then.
void declare(CLI::App& app, Options& options);

/// Throws bad_input for an option that the chosen machine does not have.
void check_machine(const CLI::App& app, const Options& options);

/// Applies --config (or `fallback`, if there is none and it is not empty), then --set. Throws bad_input.
void configure(Configuration& configuration, const Options& options, const std::string& fallback);

/// The parsed --run-for; kNever without it. Throws bad_input.
core::Time run_for(const Options& options);

}  // namespace rdu::platform
