// What a host does with a device, through librdu, beside the same without one, in turns.
//
//   bench_transport ADDRESS copies|noops [TURNS]
//
// Prints one line of JSON, medians of TURNS (21):
//   copies: dma_read, dma_write: seconds of the device's copy of 16 MiB from and to host memory,
//           and of memcpy()
//   noops:  a second, commands that do nothing: one at a time and in batches of 32
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "rdu.h"
#include "turns.h"

using rdu::bench::median;
using rdu::bench::Pair;
using rdu::bench::seconds;

namespace {

constexpr uint64_t kCopyBytes = 16u << 20;
constexpr unsigned kNoops = 512, kBatch = 32;
constexpr uint32_t kTimeout = 600000;  // ms

void check(rdu_result result, const char* what) {
  if (result == RDU_OK) return;
  std::fprintf(stderr, "bench_transport: %s: %s\n", what, rdu_last_error());
  std::exit(1);
}

/// The device's copies between host memory and HBM, and memcpy() of as much.
void copies(rdu_context* context, rdu_queue* queue, int turns) {
  rdu_memory *host = nullptr, *hbm = nullptr;
  check(rdu_mem_alloc(context, RDU_TIER_HOST, kCopyBytes, &host), "host memory");
  check(rdu_mem_alloc(context, RDU_TIER_HBM, kCopyBytes, &hbm), "HBM");
  // Shared pages, as those of host memory are.
  void* plain = mmap(nullptr, kCopyBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (plain == MAP_FAILED) {
    std::perror("bench_transport: mmap");
    std::exit(1);
  }
  void* pointer = rdu_mem_pointer(host);
  std::memset(plain, 1, kCopyBytes);
  std::memset(pointer, 2, kCopyBytes);

  Pair in(kCopyBytes), out(kCopyBytes);
  check(rdu_copy(queue, hbm, 0, host, 0, kCopyBytes, kTimeout), "copy");  // the store's pages are there
  for (int i = 0; i < turns; ++i) {
    in.turn([&] { check(rdu_copy(queue, hbm, 0, host, 0, kCopyBytes, kTimeout), "copy"); },
            [&] { std::memcpy(plain, pointer, kCopyBytes); });
    out.turn([&] { check(rdu_copy(queue, host, 0, hbm, 0, kCopyBytes, kTimeout), "copy"); },
             [&] { std::memcpy(pointer, plain, kCopyBytes); });
  }
  std::printf("{");
  in.print("dma_read");
  std::printf(", ");
  out.print("dma_write");
  std::printf("}\n");
}

void noops(rdu_queue* queue, int turns) {
  std::vector<double> single, batched;
  for (int i = 0; i < turns; ++i) {
    single.push_back(seconds([&] {
      for (unsigned n = 0; n < kNoops; ++n) {
        check(rdu_nop_async(queue, nullptr), "no-op");
        check(rdu_queue_finish(queue, kTimeout), "no-op");
      }
    }));
    batched.push_back(seconds([&] {
      for (unsigned n = 0; n < kNoops; n += kBatch) {
        check(rdu_queue_begin_batch(queue), "batch");
        for (unsigned k = 0; k < kBatch; ++k) check(rdu_nop_async(queue, nullptr), "no-op");
        check(rdu_queue_end_batch(queue), "batch");
        check(rdu_queue_finish(queue, kTimeout), "no-op");
      }
    }));
  }
  std::printf("{\"one_at_a_time\": %.0f, \"batches_of_32\": %.0f}\n", kNoops / median(single),
              kNoops / median(batched));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[2] : "";
  const int turns = argc > 3 ? std::atoi(argv[3]) : 21;
  if ((what != "copies" && what != "noops") || turns < 1) {
    std::fprintf(stderr, "usage: bench_transport ADDRESS copies|noops [TURNS]\n");
    return 2;
  }
  rdu_device* device = nullptr;
  rdu_context* context = nullptr;
  rdu_queue* queue = nullptr;
  check(rdu_open(argv[1], 60000, &device), "open");
  check(rdu_context_create(device, 64u << 20, 0, &context), "context");
  check(rdu_queue_create(context, 64, &queue), "queue");
  if (what == "copies") {
    copies(context, queue, turns);
  } else {
    noops(queue, turns);
  }
  rdu_close(device);
  return 0;
}
