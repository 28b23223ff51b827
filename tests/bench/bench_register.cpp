// Round trip of a register read, as an application sees it: librdu, the socket, the simulator's endpoint, and
// back.
//
//   bench_register ADDRESS [READS]
//
// Prints one line of JSON: nanoseconds of each quartile and the mean.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "rdu.h"

namespace {

[[noreturn]] void fail() {
  std::fprintf(stderr, "bench_register: %s\n", rdu_last_error());
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  const size_t reads = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 20000;
  if (argc < 2 || reads < 4) {
    std::fprintf(stderr, "usage: bench_register ADDRESS [READS, at least 4]\n");
    return 2;
  }
  rdu_device* device = nullptr;
  if (rdu_open(argv[1], 30000, &device) != RDU_OK) fail();
  std::vector<double> times;
  times.reserve(reads);
  double total = 0;
  for (size_t i = 0; i < reads; ++i) {
    uint64_t ns = 0;
    const auto begin = Clock::now();
    if (rdu_device_time(device, &ns) != RDU_OK) fail();
    times.push_back(std::chrono::duration<double, std::nano>(Clock::now() - begin).count());
    total += times.back();
  }
  rdu_close(device);
  std::sort(times.begin(), times.end());
  std::printf("{\"reads\": %zu, \"mean_ns\": %.0f, \"p25_ns\": %.0f, \"p50_ns\": %.0f, \"p75_ns\": %.0f}\n",
              reads, total / static_cast<double>(reads), times[reads / 4], times[reads / 2],
              times[reads * 3 / 4]);
  return 0;
}
