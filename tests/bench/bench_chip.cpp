// Layers on a device, through librdu, as any application runs them. Programs are those of build/programs.
//
//   bench_chip ADDRESS gemm|mlp|matrix_vector PROGRAM [RUNS]
//
// Checks a sample of the results, or all, bit for bit against the architecture's arithmetic, then prints one
// line of JSON: operations and bytes of operands, seconds of host time of the fastest launch, simulated time.
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
#include <string>
#include <vector>

#include "rdu.h"

namespace {

constexpr uint32_t kTimeout = 600000;  // ms
constexpr int kSamples = 4096;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "bench_chip: %s: %s\n", what.c_str(), rdu_last_error());
  std::exit(1);
}

void check(rdu_result result, const char* what) {
  if (result != RDU_OK) fail(what);
}

std::vector<char> read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "bench_chip: cannot read %s\n", path);
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

/// Of a finite value.
uint16_t to_bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// BF16 values of either sign between 2^-7 and 1: no product and no sum comes near the ends of the range.
std::vector<uint16_t> random_bf16(size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<uint16_t> values(count);
  for (uint16_t& value : values) {
    const uint32_t random = generator();
    const uint32_t exponent = 127 - 7 + (random >> 8) % 7;
    value = static_cast<uint16_t>((random & 1) << 15 | exponent << 7 | ((random >> 16) & 0x7f));
  }
  return values;
}

/// A device and arrays in its HBM.
class Chip {
 public:
  explicit Chip(const char* address) {
    check(rdu_open(address, 60000, &device_), "open");
    check(rdu_context_create(device_, 256u << 20, 0, &context_), "context");
    check(rdu_queue_create(context_, 0, &queue_), "queue");
  }
  Chip(const Chip&) = delete;
  Chip& operator=(const Chip&) = delete;
  ~Chip() { rdu_close(device_); }

  void load(const char* path) {
    const std::vector<char> container = read_file(path);
    check(rdu_program_create(queue_, container.data(), container.size(), kTimeout, &program_), "program");
    check(rdu_program_load(queue_, program_, kTimeout), "program load");
  }
  template <class T>
  void input(const char* name, const std::vector<T>& values) {
    const size_t bytes = values.size() * sizeof(T);
    rdu_memory* host = nullptr;
    check(rdu_mem_alloc(context_, RDU_TIER_HOST, bytes, &host), "memory");
    std::memcpy(rdu_mem_pointer(host), values.data(), bytes);
    check(rdu_copy(queue_, output(name, bytes), 0, host, 0, bytes, kTimeout), "copy");
  }
  rdu_memory* output(const char* name, size_t bytes) {
    rdu_memory* memory = nullptr;
    check(rdu_mem_alloc(context_, RDU_TIER_HBM, bytes, &memory), "memory");
    arguments_.push_back({name, memory, 0});
    return memory;
  }
  template <class T>
  std::vector<T> values(rdu_memory* memory, size_t count) {
    rdu_memory* host = nullptr;
    check(rdu_mem_alloc(context_, RDU_TIER_HOST, count * sizeof(T), &host), "memory");
    check(rdu_copy(queue_, host, 0, memory, 0, count * sizeof(T), kTimeout), "copy");
    const auto* begin = static_cast<const T*>(rdu_mem_pointer(host));
    return {begin, begin + count};
  }

  struct Run {
    double seconds = 0;
    rdu_event_info info{};
  };
  /// The fastest of `runs`.
  Run launch(int runs) {
    using Clock = std::chrono::steady_clock;
    Run best;
    for (int i = 0; i < runs; ++i) {
      Run run;
      rdu_event* event = nullptr;
      const auto begin = Clock::now();
      check(rdu_launch_async(queue_, program_, arguments_.data(), static_cast<uint32_t>(arguments_.size()),
                             &event),
            "launch");
      check(rdu_event_wait(event, kTimeout), "launch");
      run.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      check(rdu_event_get_info(event, &run.info), "event");
      rdu_event_release(event);
      if (i == 0 || run.seconds < best.seconds) best = run;
    }
    return best;
  }

 private:
  rdu_device* device_ = nullptr;
  rdu_context* context_ = nullptr;
  rdu_queue* queue_ = nullptr;
  rdu_program* program_ = nullptr;
  std::vector<rdu_argument> arguments_;
};

/// A chain of fused multiply-adds in increasing k.
float chain(const uint16_t* row, const uint16_t* column, size_t k, size_t stride) {
  float sum = 0;
  for (size_t i = 0; i < k; ++i) sum = std::fmaf(from_bf16(row[i]), from_bf16(column[i * stride]), sum);
  return sum;
}

struct Result {
  Chip::Run run;
  double operations;
  double operand_bytes;
  int wrong;
};

bool differs(float a, float b) {
  return std::memcmp(&a, &b, sizeof a) != 0;
}

Result gemm(Chip& chip, int runs) {
  constexpr size_t kM = 1026, kN = 1024, kK = 1024;  // 1024 rows, rounded up to whole tiles of six
  const std::vector<uint16_t> a = random_bf16(kM * kK, 1), b = random_bf16(kK * kN, 2);
  chip.input("a", a);
  chip.input("b", b);
  rdu_memory* const out = chip.output("c", kM * kN * 4);
  Result result{chip.launch(runs), 2.0 * kM * kN * kK, 2.0 * (kM * kK + kK * kN), 0};
  const std::vector<float> c = chip.values<float>(out, kM * kN);
  std::mt19937 generator(3);
  for (int i = 0; i < kSamples; ++i) {
    const size_t m = generator() % kM, n = generator() % kN;
    result.wrong += differs(chain(&a[m * kK], &b[n], kK, kN), c[m * kN + n]);
  }
  return result;
}

Result mlp(Chip& chip, int runs) {
  constexpr size_t kRows = 1536, kIn = 256, kHidden = 512, kOut = 256;
  const std::vector<uint16_t> x = random_bf16(kRows * kIn, 1), w1 = random_bf16(kIn * kHidden, 2),
                              w2 = random_bf16(kHidden * kOut, 3);
  std::vector<float> b1;
  for (const uint16_t value : random_bf16(kHidden, 4)) b1.push_back(from_bf16(value));
  chip.input("x", x);
  chip.input("w1", w1);
  chip.input("b1", b1);
  chip.input("w2", w2);
  rdu_memory* const out = chip.output("y", kRows * kOut * 4);
  Result result{chip.launch(runs), 2.0 * kRows * (kIn * kHidden + kHidden * kOut),
                2.0 * (kRows * kIn + kIn * kHidden + kHidden * kOut), 0};
  const std::vector<float> y = chip.values<float>(out, kRows * kOut);
  std::mt19937 generator(5);
  for (int i = 0; i < 16; ++i) {
    const size_t row = generator() % kRows;
    std::vector<uint16_t> hidden(kHidden);
    for (size_t h = 0; h < kHidden; ++h)
      hidden[h] = to_bf16(std::max(chain(&x[row * kIn], &w1[h], kIn, kHidden) + b1[h], 0.0f));
    for (size_t o = 0; o < kOut; ++o)
      result.wrong += differs(chain(hidden.data(), &w2[o], kHidden, kOut), y[row * kOut + o]);
  }
  return result;
}

Result matrix_vector(Chip& chip, int runs) {
  constexpr size_t kRows = 4096, kColumns = 4096, kLanes = 32;
  const std::vector<uint16_t> a = random_bf16(kRows * kColumns, 1), x = random_bf16(kColumns, 2);
  chip.input("a", a);
  chip.input("x", x);
  rdu_memory* const out = chip.output("y", kRows * 2);
  Result result{chip.launch(runs), 2.0 * kRows * kColumns, 2.0 * (kRows * kColumns + kColumns), 0};
  const std::vector<uint16_t> y = chip.values<uint16_t>(out, kRows);
  for (size_t row = 0; row < kRows; ++row) {
    float lanes[kLanes];
    for (size_t l = 0; l < kLanes; ++l) {
      lanes[l] = 0;
      for (size_t k = l; k < kColumns; k += kLanes)
        lanes[l] = std::fmaf(from_bf16(a[row * kColumns + k]), from_bf16(x[k]), lanes[l]);
    }
    for (size_t half = kLanes / 2; half != 0; half /= 2) {
      float next[kLanes];
      for (size_t l = 0; l < kLanes; ++l) next[l] = lanes[l] + lanes[l ^ half];
      std::copy(next, next + kLanes, lanes);
    }
    result.wrong += to_bf16(lanes[0]) != y[row];
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string kind = argc > 2 ? argv[2] : "";
  const int runs = argc > 4 ? std::atoi(argv[4]) : 3;
  const auto layer = kind == "gemm"            ? gemm
                     : kind == "mlp"           ? mlp
                     : kind == "matrix_vector" ? matrix_vector
                                               : nullptr;
  if (argc < 4 || runs < 1 || !layer) {
    std::fprintf(stderr, "usage: bench_chip ADDRESS gemm|mlp|matrix_vector PROGRAM [RUNS]\n");
    return 2;
  }
  Chip chip(argv[1]);
  chip.load(argv[3]);
  const Result result = layer(chip, runs);
  if (result.wrong != 0) {
    std::fprintf(stderr, "bench_chip: %d of the results looked at are wrong\n", result.wrong);
    return 1;
  }
  std::printf(
      "{\"operations\": %.0f, \"operand_bytes\": %.0f, \"seconds\": %.6f, \"simulated_ns\": %llu, "
      "\"cycles\": "
      "%llu}\n",
      result.operations, result.operand_bytes, result.run.seconds,
      static_cast<unsigned long long>(result.run.info.end_ns - result.run.info.start_ns),
      static_cast<unsigned long long>(result.run.info.cycles));
  return 0;
}
