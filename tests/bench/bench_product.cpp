// The matrix product of build/programs/gemm_1024.rdu on a device, through librdu, as any application runs it.
//
//   bench_product ADDRESS PROGRAM [RUNS]
//
// Checks a sample of the results against the architecture's arithmetic (a chain of fused multiply-adds in
// increasing k), then prints one line of JSON: the shape, seconds of host time of the fastest launch,
// simulated time.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "rdu.h"

namespace {

// 1024 rows, rounded up to whole tiles of six.
constexpr uint64_t kM = 1026, kN = 1024, kK = 1024;
constexpr uint32_t kTimeout = 600000;  // ms
constexpr int kSamples = 4096;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "bench_product: %s: %s\n", what, rdu_last_error());
  std::exit(1);
}

void check(rdu_result result, const char* what) {
  if (result != RDU_OK) fail(what);
}

std::vector<char> read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "bench_product: cannot read %s\n", path);
    std::exit(1);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

float from_bf16(uint16_t value) {
  const uint32_t bits = uint32_t{value} << 16;
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

// BF16 values of either sign between 2^-7 and 1: no product and no sum comes near the ends of the range.
void fill(uint16_t* data, uint64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  for (uint64_t i = 0; i < count; ++i) {
    const uint32_t random = generator();
    const uint32_t exponent = 127 - 7 + (random >> 8) % 7;
    data[i] = static_cast<uint16_t>((random & 1) << 15 | exponent << 7 | ((random >> 16) & 0x7f));
  }
}

struct Run {
  double seconds;
  rdu_event_info info;
};

Run launch(rdu_queue* queue, rdu_program* program, const rdu_argument* arguments) {
  using Clock = std::chrono::steady_clock;
  Run run;
  rdu_event* event = nullptr;
  const auto begin = Clock::now();
  check(rdu_launch_async(queue, program, arguments, 3, &event), "launch");
  check(rdu_event_wait(event, kTimeout), "launch");
  run.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  check(rdu_event_get_info(event, &run.info), "event");
  rdu_event_release(event);
  return run;
}

int wrong_samples(const uint16_t* a, const uint16_t* b, const float* c) {
  std::mt19937 generator(3);
  int wrong = 0;
  for (int i = 0; i < kSamples; ++i) {
    const uint64_t m = generator() % kM, n = generator() % kN;
    float sum = 0;
    for (uint64_t k = 0; k < kK; ++k)
      sum = std::fmaf(from_bf16(a[m * kK + k]), from_bf16(b[k * kN + n]), sum);
    wrong += std::memcmp(&sum, &c[m * kN + n], sizeof sum) != 0;
  }
  return wrong;
}

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc > 3 ? std::atoi(argv[3]) : 3;
  if (argc < 3 || runs < 1) {
    std::fprintf(stderr, "usage: bench_product ADDRESS PROGRAM [RUNS]\n");
    return 2;
  }
  const uint64_t a_bytes = kM * kK * 2, b_bytes = kK * kN * 2, c_bytes = kM * kN * 4;
  rdu_device* device = nullptr;
  rdu_context* context = nullptr;
  rdu_queue* queue = nullptr;
  check(rdu_open(argv[1], 60000, &device), "open");
  check(rdu_context_create(device, 64u << 20, 0, &context), "context");
  check(rdu_queue_create(context, 0, &queue), "queue");
  rdu_memory *a_host, *b_host, *c_host, *a, *b, *c;
  check(rdu_mem_alloc(context, RDU_TIER_HOST, a_bytes, &a_host), "memory");
  check(rdu_mem_alloc(context, RDU_TIER_HOST, b_bytes, &b_host), "memory");
  check(rdu_mem_alloc(context, RDU_TIER_HOST, c_bytes, &c_host), "memory");
  check(rdu_mem_alloc(context, RDU_TIER_HBM, a_bytes, &a), "memory");
  check(rdu_mem_alloc(context, RDU_TIER_HBM, b_bytes, &b), "memory");
  check(rdu_mem_alloc(context, RDU_TIER_HBM, c_bytes, &c), "memory");
  auto* a_values = static_cast<uint16_t*>(rdu_mem_pointer(a_host));
  auto* b_values = static_cast<uint16_t*>(rdu_mem_pointer(b_host));
  fill(a_values, kM * kK, 1);
  fill(b_values, kK * kN, 2);
  check(rdu_copy(queue, a, 0, a_host, 0, a_bytes, kTimeout), "copy");
  check(rdu_copy(queue, b, 0, b_host, 0, b_bytes, kTimeout), "copy");

  const std::vector<char> container = read_file(argv[2]);
  rdu_program* program = nullptr;
  check(rdu_program_create(queue, container.data(), container.size(), kTimeout, &program), "program");
  check(rdu_program_load(queue, program, kTimeout), "program load");
  const rdu_argument arguments[] = {{"a", a, 0}, {"b", b, 0}, {"c", c, 0}};
  Run best = launch(queue, program, arguments);
  for (int i = 1; i < runs; ++i) {
    const Run run = launch(queue, program, arguments);
    if (run.seconds < best.seconds) best = run;
  }
  check(rdu_copy(queue, c_host, 0, c, 0, c_bytes, kTimeout), "copy");
  const int wrong = wrong_samples(a_values, b_values, static_cast<const float*>(rdu_mem_pointer(c_host)));
  rdu_close(device);
  if (wrong != 0) {
    std::fprintf(stderr, "bench_product: %d of %d sampled results are wrong\n", wrong, kSamples);
    return 1;
  }
  std::printf(
      "{\"m\": %llu, \"n\": %llu, \"k\": %llu, \"seconds\": %.6f, \"simulated_ns\": %llu, \"cycles\": "
      "%llu}\n",
      static_cast<unsigned long long>(kM), static_cast<unsigned long long>(kN),
      static_cast<unsigned long long>(kK), best.seconds,
      static_cast<unsigned long long>(best.info.end_ns - best.info.start_ns),
      static_cast<unsigned long long>(best.info.cycles));
  return 0;
}
