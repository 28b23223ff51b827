// The bare kernels of models/fabric/math, without a chip around them: GFLOP/s of a product whose panels stay
// in the second-level cache, a tile of 6 x 32 at a time, with and without packing; values a second of
// operations. One benchmark a set that this CPU has. bench_native has oneDNN's product beside it;
// ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 keeps that from using AMX.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fabric/math/kernels.h"

namespace {

using rdu::fabric::FloatMode;
using rdu::fabric::Kernels;

constexpr size_t kSteps = 1024;  // k
constexpr unsigned kRows = 6;
constexpr size_t kLanes = 32;
constexpr size_t kRowPanels = 16;

struct alignas(64) Block {
  uint8_t bytes[64];
};

/// BF16 numbers of moderate size: sums stay finite.
std::vector<Block> random_packets(size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::vector<Block> packets(count);
  for (Block& packet : packets) {
    for (size_t i = 0; i < 64; i += 2) {
      packet.bytes[i] = static_cast<uint8_t>(engine());
      packet.bytes[i + 1] = static_cast<uint8_t>((engine() & 0x80) | 0x3e);
    }
  }
  return packets;
}

void report(benchmark::State& state, double operations) {
  state.counters["flops"] = benchmark::Counter(operations, benchmark::Counter::kIsIterationInvariantRate);
}

/// One panel of lanes against 16 panels of rows, all packed before.
void packed(benchmark::State& state, const Kernels& set) {
  const FloatMode mode;
  const std::vector<Block> in0 = random_packets(kSteps, 1);
  const std::vector<Block> in1 = random_packets(kSteps, 2);
  std::vector<Block> lanes(packed_lanes_bytes(set, kSteps) / sizeof(Block));
  const size_t bytes = packed_rows_bytes(set, kSteps);
  std::vector<Block> rows(kRowPanels * bytes / sizeof(Block));
  set.pack_lanes(lanes[0].bytes, in0[0].bytes, kSteps);
  for (size_t i = 0; i < kRowPanels; ++i) set.pack_rows(rows[0].bytes + i * bytes, in1[0].bytes, kSteps);
  std::vector<float> acc(kRows * kLanes);
  for (auto _ : state) {
    for (size_t i = 0; i < kRowPanels; ++i) {
      set.matrix_packed(acc.data(), lanes[0].bytes, rows[0].bytes + i * bytes, kSteps, kRows);
    }
    benchmark::DoNotOptimize(acc.data());
  }
  report(state, 2.0 * kRowPanels * kRows * kLanes * kSteps);
}

void unpacked(benchmark::State& state, const Kernels& set) {
  const FloatMode mode;
  const std::vector<Block> in0 = random_packets(kSteps, 1);
  const std::vector<Block> in1 = random_packets(kSteps, 2);
  std::vector<float> acc(kRows * kLanes);
  for (auto _ : state) {
    set.matrix(acc.data(), in0[0].bytes, in1[0].bytes, kSteps, kRows);
    benchmark::DoNotOptimize(acc.data());
  }
  report(state, 2.0 * kRows * kLanes * kSteps);
}

void int8(benchmark::State& state, const Kernels& set) {
  const std::vector<Block> in0 = random_packets(kSteps, 1);
  const std::vector<Block> in1 = random_packets(kSteps, 2);
  std::vector<uint32_t> acc(kRows * kLanes);
  for (auto _ : state) {
    set.matrix_int8(acc.data(), in0[0].bytes, in1[0].bytes, kSteps, kRows);
    benchmark::DoNotOptimize(acc.data());
  }
  report(state, 4.0 * kRows * kLanes * kSteps);
}

/// Over 16 vectors, as many as a PCU takes through its stages together.
template <class Call>
void values(benchmark::State& state, Call call) {
  const FloatMode mode;
  constexpr size_t kValues = 16 * kLanes;
  std::mt19937 engine(1);
  std::uniform_real_distribution<float> distribution(0.01f, 8.0f);
  std::vector<float> a(kValues), out(kValues);
  for (float& x : a) x = distribution(engine);
  for (auto _ : state) {
    call(out.data(), a.data(), kValues);
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["values"] = benchmark::Counter(kValues, benchmark::Counter::kIsIterationInvariantRate);
}

void add_all(const Kernels& set) {
  const std::string name = set.name;
  const auto add = [&](const char* what, auto function) {
    benchmark::RegisterBenchmark((name + "/" + what).c_str(),
                                 [&set, function](benchmark::State& state) { function(state, set); });
  };
  add("matrix_packed", packed);
  add("matrix", unpacked);
  add("matrix_int8", int8);
  const std::pair<const char*, Kernels::Unary Kernels::*> unary[] = {
      {"exp", &Kernels::exp},   {"recip", &Kernels::recip}, {"log", &Kernels::log},
      {"sqrt", &Kernels::sqrt}, {"rsqrt", &Kernels::rsqrt}, {"sigmoid", &Kernels::sigmoid},
      {"tanh", &Kernels::tanh}, {"erf", &Kernels::erf}};
  for (const auto& [what, kernel] : unary) {
    add(what, [kernel = kernel](benchmark::State& state, const Kernels& k) { values(state, k.*kernel); });
  }
  add("fadd", [](benchmark::State& state, const Kernels& k) {
    values(state, [&](float* out, const float* a, size_t n) { k.fadd(out, a, a, n); });
  });
  add("fred_sum", [](benchmark::State& state, const Kernels& k) {
    values(state, [&](float* out, const float* a, size_t n) { k.fred_sum(out, a, n / kLanes, kLanes); });
  });
  add("fscan_sum", [](benchmark::State& state, const Kernels& k) {
    values(state, [&](float* out, const float* a, size_t n) { k.fscan_sum(out, a, n / kLanes, kLanes); });
  });
  add("fargmax", [](benchmark::State& state, const Kernels& k) {
    values(state, [&](float* out, const float* a, size_t n) { k.fargmax(out, a, n / kLanes, kLanes); });
  });
}

}  // namespace

int main(int argc, char** argv) {
  using namespace rdu::fabric;
  for (const Kernels* set : {avx512_bf16_kernels(), avx512_kernels(), avx2_kernels(), &portable_kernels()}) {
    if (set) add_all(*set);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
