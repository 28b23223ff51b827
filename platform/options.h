#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace rdu::platform {

class Configuration;

/// What the command line of `rduvp` says, unchecked but for its form.
struct Options {
  std::vector<std::string> configurations;
  std::vector<std::string> assignments;
  std::string trace;
  std::string statistics;
  std::string register_coverage;
  std::string run_for;
  bool list_params = false;
  bool quiet = false;

  std::string firmware;
  std::string rom;
  std::string socket;
  double host_timeout = 0;
  bool check = false;
  bool once = false;
};

/// Declares all options. `options` receives them at app.parse() and must live until then.
void declare(CLI::App& app, Options& options);

/// Applies --config, then --set. Throws bad_input.
void configure(Configuration& configuration, const Options& options);

}  // namespace rdu::platform
