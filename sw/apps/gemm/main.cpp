// rdu-gemm: multiplies two BF16 matrices on all tiles of an RDU, compares every bit of the result with the
// definition, and says what it cost.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "mapping.h"
#include "rdu.hpp"
#include "reference.h"

namespace {

using namespace rdu::gemm;
using Clock = std::chrono::steady_clock;

constexpr double kOperationsOfLane = 2 * 6;  // a cycle, of the six stages of a PCU's lane
constexpr double kLanes = 32;

struct Options {
  std::string device;
  uint64_t size = 512;
  Size shape;
  uint64_t seed = 1;
  bool check = true;
  std::string report;
  double timeout = 600;
};

template <typename... Parts>
void say(fmt::format_string<Parts...> format, Parts&&... parts) {
  fmt::print("{}\n", fmt::format(format, std::forward<Parts>(parts)...));
  std::fflush(stdout);
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Options parse(int argc, char** argv) {
  Options o;
  CLI::App app(
      "Multiplies two BF16 matrices on all tiles of an RDU, FP32 sums and result, and compares every bit of "
      "it with\n"
      "the product that the architecture defines. Prints the mapping, simulated time, operations a second, "
      "and what of\n"
      "the chip's peak that is. Ends with 0 only if every bit is right.\n"
      "\n"
      "  rduvp --config sn40l --socket /tmp/rdu.sock &\n"
      "  rdu-gemm --device unix:/tmp/rdu.sock --size 4096\n");
  app.set_version_flag("--version", std::string("rdu-gemm ") + RDU_VERSION);
  app.add_option("--device", o.device,
                 "/dev/rduN or rduN of the kernel driver, or unix:PATH, the simulator's socket\n"
                 "(default: $RDU_DEVICE, else the first /dev/rduN, else " RDU_DEFAULT_ADDRESS ")");
  app.add_option("--size", o.size, "M, N and K, unless given themselves")->capture_default_str();
  app.add_option("-m,--m", o.shape.m, "Rows of A and C");
  app.add_option("-n,--n", o.shape.n, "Columns of B and C");
  app.add_option("-k,--k", o.shape.k, "Columns of A, rows of B; a multiple of 32");
  app.add_option("--seed", o.seed, "Of the random matrices")->capture_default_str();
  app.add_flag("!--no-check", o.check, "Do not compute the product on the host, too");
  app.add_option("--report", o.report, "FILE.json: what is printed, for programs");
  app.add_option("--timeout", o.timeout,
                 "Seconds of the host's clock for the device to come up, and for each command")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  for (const auto& [option, value] :
       {std::make_pair("--m", &o.shape.m), {"--n", &o.shape.n}, {"--k", &o.shape.k}})
    if (app.count(option) == 0) *value = o.size;
  return o;
}

// Rows of `from` columns as rows of `to`, at least as many; what is added is zero.
std::vector<uint16_t> widened(const std::vector<uint16_t>& matrix, uint64_t rows, uint64_t from,
                              uint64_t to) {
  std::vector<uint16_t> result(rows * to);
  for (uint64_t r = 0; r < rows; ++r)
    std::copy_n(matrix.begin() + static_cast<ptrdiff_t>(r * from), from,
                result.begin() + static_cast<ptrdiff_t>(r * to));
  return result;
}

void run(const Options& o) {
  const rdu::Timeout timeout{static_cast<long long>(o.timeout * 1000)};
  const Size& size = o.shape;
  rdu_set_log([](const char* line, void*) { say("{}", line); }, nullptr);
  const rdu::Device device(o.device, timeout);
  const rdu_info info = device.info();
  say("device: {}, {}; {} tile{} of {} x {} PCU/PMU pairs", info.model, info.firmware, info.tiles,
      info.tiles == 1 ? "" : "s", info.rows, info.columns);

  Mapping map;
  auto start = Clock::now();
  const std::vector<uint8_t> container = compile(info, mappings(info, size), &map).serialize();
  const auto& grid = map.grid;
  say("product: {} x {} x {}; a tile multiplies {} rows by {} columns on {} x {} PCUs ({} of {}), {} "
      "launch{} in all; "
      "compiled in {:.1f} s",
      size.m, size.n, size.k, grid.m, grid.n, grid.row_groups, grid.column_groups, map.units(),
      info.rows * info.columns, map.parts, map.parts == 1 ? "" : "es", seconds_since(start));

  const std::vector<uint16_t> a = random_bf16(size.m * size.k, 2 * o.seed),
                              b = random_bf16(size.k * size.n, 2 * o.seed + 1);
  const uint64_t a_bytes = uint64_t{grid.m} * size.k * 2, b_bytes = size.k * map.columns * 2;
  const uint64_t c_values = grid.m * map.columns;
  const auto room = [](uint64_t bytes) {
    return (bytes + 2 * RDU_MEMORY_ALIGNMENT) / RDU_MEMORY_ALIGNMENT * RDU_MEMORY_ALIGNMENT;
  };
  const rdu::Context context(device,
                             room(a_bytes) + room(b_bytes) + room(c_values * 4) + room(container.size()), 0);
  std::vector<rdu::Queue> queues;
  for (uint32_t tile = 0; tile < info.tiles; ++tile) queues.emplace_back(context);
  const rdu::Program program(queues[0], container, timeout);
  const rdu::Memory in_a(context, RDU_TIER_HBM, a_bytes), in_b(context, RDU_TIER_HBM, b_bytes);
  const rdu::Memory out(context, RDU_TIER_HBM, c_values * 4);
  start = Clock::now();
  {
    std::vector<uint16_t> padded = a;
    padded.resize(a_bytes / 2);
    queues[0].upload(in_a, padded.data(), a_bytes).wait(timeout);
    padded = widened(b, size.k, size.n, map.columns);
    queues[0].upload(in_b, padded.data(), b_bytes).wait(timeout);
    // Not-a-number where the result will be, so that what is not written cannot pass for it.
    padded.assign(c_values * 2, 0xffff);
    queues[0].upload(out, padded.data(), c_values * 4).wait(timeout);
  }
  const double upload_seconds = seconds_since(start);

  const uint32_t used = static_cast<uint32_t>(std::min<uint64_t>(info.tiles, map.parts));
  std::vector<rdu::Event> loads, launches;
  for (uint32_t tile = 0; tile < used; ++tile) loads.push_back(queues[tile].load(program, tile));
  for (const rdu::Event& event : loads) event.wait(timeout);
  start = Clock::now();
  // All commands are there before the first doorbell rings, so that the tiles begin together.
  for (uint32_t tile = 0; tile < used; ++tile) queues[tile].begin_batch();
  for (uint64_t part = 0; part < map.parts; ++part) {
    const auto tile = static_cast<uint32_t>(part % used);
    const uint64_t column = part * grid.n;
    launches.push_back(
        queues[tile].launch(program, {{"a", in_a}, {"b", in_b, column * 2}, {"c", out, column * 4}}, tile));
  }
  for (uint32_t tile = 0; tile < used; ++tile) queues[tile].end_batch();
  for (const rdu::Event& event : launches) event.wait(timeout);
  const double host_seconds = seconds_since(start);

  uint64_t first = ~uint64_t{0}, last = 0, cycles = 0;
  double busy_ns = 0;
  for (const rdu::Event& event : launches) {
    const rdu_event_info times = event.info();
    first = std::min(first, times.start_ns);
    last = std::max(last, times.end_ns);
    cycles = std::max(cycles, times.cycles);
    busy_ns += static_cast<double>(times.end_ns - times.start_ns);
    say("  tile {}: {} cycles, from {:.3f} to {:.3f} us", (&event - launches.data()) % used, times.cycles,
        static_cast<double>(times.start_ns - launches[0].info().start_ns) / 1e3,
        static_cast<double>(times.end_ns - launches[0].info().start_ns) / 1e3);
  }
  const rdu_event_info load = loads[0].info();
  const double load_us = static_cast<double>(load.end_ns - load.start_ns) / 1e3;
  const double ns = static_cast<double>(last - first);
  // The fabric's clock, from a launch: cycles and the time that they took (with the command's own few hundred
  // ns).
  const rdu_event_info one = launches[0].info();
  const double clock =
      static_cast<double>(one.cycles) / static_cast<double>(one.end_ns - one.start_ns);  // a ns
  const double units = static_cast<double>(info.tiles) * info.rows * info.columns;
  const double of_cycle = size.operations() / (kOperationsOfLane * kLanes * units);  // cycles at the peak
  const double share = of_cycle / (ns * clock);
  say("simulated: {:.3f} us for the product ({} cycles the longest launch), program load {:.3f} us a tile",
      ns / 1e3, cycles, load_us);
  say("{:.1f} TFLOP/s, {:.1f} % of the peak of {:.0f} PCUs; the mapping's bound is {:.1f} %",
      size.operations() / ns / 1e3, 100 * share, units, 100 * of_cycle / static_cast<double>(map.steps));
  say("host: {:.2f} s for the launches ({:.1f} GFLOP/s), {:.2f} s to upload", host_seconds,
      size.operations() / host_seconds / 1e9, upload_seconds);

  nlohmann::json report = {{"m", size.m},
                           {"n", size.n},
                           {"k", size.k},
                           {"tiles", used},
                           {"units", map.units()},
                           {"launches", map.parts},
                           {"cycles", cycles},
                           {"nanoseconds", ns},
                           {"teraflops", size.operations() / ns / 1e3},
                           {"share_of_peak", share},
                           {"host_seconds", host_seconds},
                           {"checked", o.check}};
  if (o.check) {
    std::vector<float> c(c_values);
    queues[0].download(c.data(), out, c_values * 4).wait(timeout);
    start = Clock::now();
    const std::string wrong = difference(size, a, b, c, map.columns);
    if (!wrong.empty()) throw std::runtime_error("the result is wrong, first at " + wrong);
    say("check: all {} elements have the bits of the definition; {:.2f} s", size.m * size.n,
        seconds_since(start));
  }
  if (!o.report.empty()) {
    std::ofstream file(o.report);
    file << report.dump(2) << '\n';
    if (!file.flush()) throw std::runtime_error(fmt::format("{}: {}", o.report, std::strerror(errno)));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  try {
    run(options);
  } catch (const rdu::Error& error) {
    fmt::print(stderr, "rdu-gemm: device: {}\n", error.what());
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "rdu-gemm: {}\n", error.what());
    return 1;
  }
  return 0;
}
