// Device memory that a host has mapped through BAR2, beside plain memory, in turns.
//
//   bench_window SOCKET [TURNS]
//
// Shows the begin of HBM in window 0 of BAR2, writes and reads 4 MiB of it, and as much of a file in memory.
// Prints one line of JSON: seconds of each, medians of TURNS (51), and the median of the turns' ratios.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <vector>

#include "regs/hostif.h"
#include "turns.h"
#include "user/vfio_user_client.h"

using namespace rdu::user;
using rdu::bench::Pair;

namespace {

constexpr uint64_t kBytes = 4u << 20;

// Not inlined: the same instructions read both, or the compiler's choices are measured.
[[gnu::noinline]] uint64_t sum(const void* data) {
  const auto* words = static_cast<const uint64_t*>(data);
  uint64_t total = 0;
  for (uint64_t i = 0; i < kBytes / 8; ++i) total += words[i];
  return total;
}

}  // namespace

int main(int argc, char** argv) {
  const int turns = argc > 2 ? std::atoi(argv[2]) : 51;
  if (argc < 2 || turns < 1) {
    std::fprintf(stderr, "usage: bench_window SOCKET [TURNS]\n");
    return 2;
  }
  try {
    VfioUserClient client(argv[1]);
    const uint16_t memory_and_master = 6;
    client.region_write(kConfigSpace, 4, &memory_and_master, sizeof memory_and_master);
    const uint64_t hbm = RDU_HOSTIF_WINDOW_BASE_MEMORY_HBM;
    client.region_write(kBar0, RDU_HOSTIF_WINDOW_BASE(0), &hbm, sizeof hbm);
    const std::vector<RegionWindow> windows = client.map_region(kBar2);
    if (windows.empty() || windows[0].offset() != 0 || windows[0].size() < kBytes) {
      std::fprintf(stderr, "bench_window: BAR2 cannot be mapped\n");
      return 1;
    }
    uint8_t* window = windows[0].data();
    const HostMemory memory = HostMemory::allocate(kBytes);
    uint8_t* plain = memory.data();
    std::memset(window, 1, kBytes);
    std::memset(plain, 1, kBytes);
    Pair read(kBytes), write(kBytes);
    uint64_t sums[2] = {};
    for (int i = 0; i < turns; ++i) {
      write.turn([&] { std::memset(window, i, kBytes); }, [&] { std::memset(plain, i, kBytes); });
      read.turn([&] { sums[0] += sum(window); }, [&] { sums[1] += sum(plain); });
    }
    uint64_t shown = 0;  // by a message: the window is the device's memory
    client.region_read(kBar2, kBytes - 8, &shown, sizeof shown);
    if (sums[0] != sums[1] || std::memcmp(&shown, plain + kBytes - 8, sizeof shown) != 0) {
      std::fprintf(stderr, "bench_window: the window does not show what was written to it\n");
      return 1;
    }
    std::printf("{");
    read.print("window_read");
    std::printf(", ");
    write.print("window_write");
    std::printf("}\n");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_window: %s\n", e.what());
    return 1;
  }
  return 0;
}
