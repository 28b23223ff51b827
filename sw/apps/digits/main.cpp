// rdu-digits: reads handwritten digits on an RDU, once as one fused program and once operator by operator,
// and says whether the results agree, how accurate they are, and what it cost.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>

#include "inputs.h"
#include "network.h"
#include "npy.h"
#include "rdu.hpp"
#include "report.h"

namespace {

using namespace rdu::digits;

struct Options {
  std::string device;
  std::string programs;
  std::string weights = RDU_DIGITS_WEIGHTS;
  std::string images;
  std::string labels;
  std::string expected;
  std::string out;
  std::string report;
  std::string mode = "both";
  double timeout = 120;
  uint64_t repeat = 1;
  bool verbose = false;
};

// A line of progress; flushed, for somebody watches or a pipe relays it.
template <typename... Parts>
void say(fmt::format_string<Parts...> format, Parts&&... parts) {
  fmt::print("{}\n", fmt::format(format, std::forward<Parts>(parts)...));
  std::fflush(stdout);
}

std::string programs_beside_us() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (error ? std::filesystem::path("programs") : self.parent_path().parent_path() / "programs").string();
}

Options parse(int argc, char** argv) {
  Options o;
  o.programs = programs_beside_us();
  CLI::App app(
      "Reads handwritten digits on an RDU: a 64-128-10 network, once as one fused program and once with a "
      "kernel\n"
      "for each operator. Prints accuracy, whether the results agree bit for bit, simulated times, bytes "
      "moved in\n"
      "each memory tier, and how busy each unit was. Ends with 0 only if everything worked and all results "
      "agree.\n"
      "\n"
      "  rduvp --config mini --socket /tmp/rdu.sock &\n"
      "  rdu-digits --device unix:/tmp/rdu.sock --images test_images.npy --labels test_labels.npy\n");
  app.set_version_flag("--version", std::string("rdu-digits ") + RDU_VERSION);
  app.add_option("--device", o.device,
                 "/dev/rduN or rduN of the kernel driver, or unix:PATH, the simulator's socket\n"
                 "(default: $RDU_DEVICE, else the first /dev/rduN, else " RDU_DEFAULT_ADDRESS ")");
  app.add_option("--images", o.images, "X.npy: (n, 64) or (n, 8, 8), any number type, pixel values 0..16")
      ->required();
  app.add_option("--labels", o.labels, "L.npy: (n,) integers 0..9, to tell the accuracy");
  app.add_option("--expected,--expect", o.expected,
                 "P.npy: (n, 10) float32, what reference.py computed, to compare bit for bit");
  app.add_option("--out", o.out, "Y.npy: where the probabilities go, (n, 10) float32");
  app.add_option("--report", o.report, "FILE.json: what is printed, and more, for programs");
  app.add_option("--weights", o.weights, "Folder of w1.npy, b1.npy, w2.npy, b2.npy")->capture_default_str();
  app.add_option("--programs", o.programs, "Folder of digits_*.rdu")->capture_default_str();
  app.add_option("--mode", o.mode, "fused, unfused or both")
      ->check(CLI::IsMember({"fused", "unfused", "both"}))
      ->capture_default_str();
  app.add_option("--repeat", o.repeat, "Run the networks so often; every run must give the same bits")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
      ->capture_default_str();
  app.add_option("--timeout", o.timeout,
                 "Seconds of the host's clock for the device to come up, and for each command")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  app.add_flag("-v,--verbose", o.verbose, "Also print each kernel's times and the firmware's log");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  return o;
}

HeatMapStyle style_of_terminal() {
  HeatMapStyle style;
  const char* term = std::getenv("TERM");
  style.colour = isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr &&
                 (term == nullptr || std::string(term) != "dumb");
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) style.width = size.ws_col;
  return style;
}

void print_kernels(const char* which, const RunResult& run) {
  for (const KernelTime& k : run.kernels)
    say("  {:<8} {:<18} load {:>12} ({:>7} cycles)   execution {:>12} ({:>7} cycles)", which, k.name,
        time_text(k.load_ns), with_commas(k.load_cycles), time_text(k.execute_ns),
        with_commas(k.execute_cycles));
}

void run(const Options& o) {
  using Clock = std::chrono::steady_clock;
  const rdu::Timeout timeout{static_cast<long long>(o.timeout * 1000)};

  // Everything that can be wrong with files is found before the device is touched.
  const Images images = load_images(o.images);
  Findings f;
  f.images = images.count;
  if (!o.labels.empty()) f.labels = load_labels(o.labels, images.count);
  if (!o.expected.empty()) f.expected = load_probabilities(o.expected, images.count);
  const Weights weights = load_weights(o.weights);

  rdu_set_log([](const char* line, void*) { say("{}", line); }, nullptr);
  const auto start = Clock::now();
  const rdu::Device device(o.device, timeout);
  const uint64_t start_ns = device.time();
  f.device = device.info();
  say("device: {}, {}; {} tile{} of {} x {} PCU/PMU pairs; HBM {} at {:.1f} GB/s, DDR {} at {:.1f} GB/s",
      f.device.model, f.device.firmware, f.device.tiles, f.device.tiles == 1 ? "" : "s", f.device.rows,
      f.device.columns, bytes_text(f.device.hbm_bytes), static_cast<double>(f.device.hbm_bandwidth) / 1e9,
      bytes_text(f.device.ddr_bytes), static_cast<double>(f.device.ddr_bandwidth) / 1e9);

  const bool fused = o.mode != "unfused", unfused = o.mode != "fused";
  const rdu_memory_counters before = device.memory_counters();
  Network network(device, images, weights, o.programs, fused, unfused, timeout);
  say("memory: context with {} of HBM and {} of DDR; weights copied to DDR and moved to HBM, {} image{} in "
      "HBM",
      bytes_text(network.hbm_bytes()), bytes_text(network.ddr_bytes()), images.count,
      images.count == 1 ? "" : "s");

  const auto once = [&](std::optional<RunResult>& kept, const char* name, RunResult result) {
    if (!kept) {
      kept = std::move(result);
      say("{}: {} kernel{}, {} of simulated time", name, kept->kernels.size(),
          kept->kernels.size() == 1 ? "" : "s", time_text(kept->total_ns));
    } else if (!kept->same_bits(result)) {
      throw std::runtime_error(fmt::format("the {} network gave other bits than the first time", name));
    }
  };
  for (f.repeats = 0; f.repeats < o.repeat; ++f.repeats) {
    if (fused) once(f.fused, "fused", network.run_fused());
    if (unfused) once(f.unfused, "unfused", network.run_unfused());
  }

  const rdu_memory_counters after = device.memory_counters();
  f.bytes = {after.hbm_read - before.hbm_read,   after.hbm_written - before.hbm_written,
             after.ddr_read - before.ddr_read,   after.ddr_written - before.ddr_written,
             after.host_read - before.host_read, after.host_written - before.host_written};
  f.session_ns = device.time() - start_ns;
  f.host_seconds = std::chrono::duration<double>(Clock::now() - start).count();

  say("\n{}", table(f, style_of_terminal()));
  if (o.verbose) {
    if (f.fused) print_kernels("fused", *f.fused);
    if (f.unfused) print_kernels("unfused", *f.unfused);
    say("\nthe firmware's log\n{}", device.log());
  }
  if (!o.out.empty()) Npy::of(f.probabilities(), {images.count, kClasses}).save(o.out);
  if (!o.report.empty()) write_json(f, o.report);
  const std::string difference = f.first_difference();
  if (!difference.empty()) throw std::runtime_error("the results differ, first at " + difference);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  try {
    run(options);
  } catch (const rdu::Error& error) {
    fmt::print(stderr, "rdu-digits: device: {}\n", error.what());
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "rdu-digits: {}\n", error.what());
    return 1;
  }
  return 0;
}
