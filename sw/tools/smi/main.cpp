#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "rdu.hpp"
#include "smi/json.h"
#include "smi/sample.h"
#include "smi/table.h"

namespace {

using rdu::Device;
using rdu::smi::Sample;

struct Options {
  std::vector<std::string> devices;
  bool json = false, log = false, panic = false;
  std::optional<double> loop;
  uint64_t count = 0;
  double timeout = 30;
};

Options parse(int argc, char** argv) {
  CLI::App app(
      "Shows how RDUs are and who uses them: firmware, temperatures, power, memory, utilisation, processes,\n"
      "errors, events. Over the kernel driver others go on meanwhile; a simulator's socket has room for one\n"
      "process at a time.",
      "rdu-smi");
  app.set_version_flag("--version", std::string("rdu-smi ") + RDU_VERSION);
  Options o;
  app.add_option(
         "--device", o.devices,
         "Which: /dev/rduN, rduN, or unix:PATH, the socket of a simulator; may be given several times\n"
         "(default: $RDU_DEVICE, else all of the kernel driver, else " RDU_DEFAULT_ADDRESS ")")
      ->type_name("ADDRESS");
  app.add_flag("--json", o.json, "The same as JSON, for scripts; with --loop a line each time");
  app.add_flag("--log", o.log, "The firmware's log instead");
  app.add_flag("--panic", o.panic,
               "The report of the firmware's last panic instead; nothing if there was none");
  auto* loop = app.add_option("-l,--loop", o.loop, "Again and again, every so many seconds, until Ctrl-C")
                   ->check(CLI::Range(0.01, 1e6))
                   ->type_name("SECONDS");
  app.add_option("-n,--count", o.count, "With --loop: so many times")
      ->needs(loop)
      ->check(CLI::PositiveNumber);
  app.add_option("--timeout", o.timeout,
                 "Seconds of the host's clock to wait for a device, and for each command")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  app.footer(
      "Utilisation is that of the last interval, or without --loop since power-on; in device time.\n"
      "Examples: rdu-smi\n"
      "          rdu-smi -l 1\n"
      "          rdu-smi --device unix:/tmp/rdu0.sock --json\n"
      "Exit status: 0 done, 1 a device cannot be read, 2 wrong usage.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : 2);
  }
  return o;
}

// A node shows all of the kernel driver's devices, a socket or $RDU_DEVICE itself.
std::vector<std::string> choose(const Options& o) {
  if (!o.devices.empty()) return o.devices;
  const char* variable = std::getenv("RDU_DEVICE");
  if (variable != nullptr && *variable != '\0') return {variable};
  std::vector<std::string> nodes;
  for (const std::string& address : rdu::devices())
    if (address.rfind("/dev/", 0) == 0) nodes.push_back(address);
  return nodes.empty() ? std::vector<std::string>{RDU_DEFAULT_ADDRESS} : nodes;
}

struct Watched {
  std::string address;
  Device device;
  std::optional<Sample> before;
};

std::string head_line() {
  const std::time_t now = std::time(nullptr);
  return fmt::format("{:<49}{:>31}\n", fmt::format("rdu-smi {}", RDU_VERSION),
                     fmt::format("{:%a %b %e %H:%M:%S %Y}", *std::localtime(&now)));
}

// One reading of every device, printed.
void show(std::vector<Watched>& all, const Options& o, bool clear) {
  std::string text;
  nlohmann::ordered_json devices = nlohmann::ordered_json::array();
  for (Watched& watched : all) {
    const Sample now = rdu::smi::read(watched.device, watched.address);
    const Sample* before = watched.before ? &*watched.before : nullptr;
    if (o.json) {
      devices.push_back(rdu::smi::json(now, before));
    } else {
      text += rdu::smi::table(now, before);
    }
    if (o.loop) watched.before = now;
  }
  if (o.json) {
    const nlohmann::ordered_json document = {{"devices", std::move(devices)}};
    text = document.dump(o.loop ? -1 : 2) + "\n";
  } else {
    text = (clear ? "\x1b[H\x1b[2J" : "") + head_line() + text;
  }
  fmt::print("{}", text);
  std::fflush(stdout);
}

// Ends of itself, by Ctrl-C, and by SIGTERM.
void loop(std::vector<Watched>& all, const Options& o) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  const int signals = signalfd(-1, &ends, SFD_CLOEXEC);
  const bool clear = !o.json && isatty(STDOUT_FILENO) == 1;
  auto next = std::chrono::steady_clock::now();
  const auto interval =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(*o.loop));
  for (uint64_t i = 1;; ++i) {
    show(all, o, clear);
    if (i == o.count) break;
    next += interval;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - std::chrono::steady_clock::now());
    pollfd set{signals, POLLIN, 0};
    if (poll(&set, 1, static_cast<int>(std::max<int64_t>(left.count(), 0))) > 0) break;
  }
  close(signals);
}

}  // namespace

int main(int argc, char** argv) {
  const Options o = parse(argc, argv);
  try {
    std::vector<Watched> all;
    for (const std::string& address : choose(o))
      all.push_back(
          {address, Device(address, rdu::Timeout{static_cast<uint32_t>(o.timeout * 1000)}), std::nullopt});
    if (o.log) {
      for (const Watched& watched : all) fmt::print("{}", watched.device.log());
    } else if (o.panic) {
      for (const Watched& watched : all) fmt::print("{}", watched.device.panic());
    } else if (o.loop) {
      loop(all, o);
    } else {
      show(all, o, false);
    }
    return 0;
  } catch (const rdu::Error& error) {
    std::fflush(stdout);
    fmt::print(stderr, "rdu-smi: {}\n", error.what());
    return 1;
  }
}
