// A 1024 x 1024 x 1024 matrix product natively, on one thread: what the virtual chip's own product is
// compared with. One benchmark a library and type; bench.py puts them beside the chip's.
#include <benchmark/benchmark.h>
#include <cblas.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

// oneDNN's header names deprecated members of its own.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include <dnnl.hpp>
#pragma GCC diagnostic pop

namespace {

constexpr int kSize = 1024;
constexpr double kOperations = 2.0 * kSize * kSize * kSize;

std::vector<float> random_matrix(unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> values(-1, 1);
  std::vector<float> matrix(size_t{kSize} * kSize);
  for (float& value : matrix) value = values(generator);
  return matrix;
}

std::vector<uint16_t> to_bf16(const std::vector<float>& matrix) {
  std::vector<uint16_t> out;
  out.reserve(matrix.size());
  for (const float value : matrix) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    out.push_back(static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16));
  }
  return out;
}

void report(benchmark::State& state) {
  state.counters["flops"] = benchmark::Counter(kOperations, benchmark::Counter::kIsIterationInvariantRate);
}

void openblas_fp32(benchmark::State& state) {
  openblas_set_num_threads(1);
  const std::vector<float> a = random_matrix(1), b = random_matrix(2);
  std::vector<float> c(a.size());
  for (auto _ : state) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, kSize, kSize, kSize, 1, a.data(), kSize, b.data(),
                kSize, 0, c.data(), kSize);
    benchmark::DoNotOptimize(c.data());
  }
  report(state);
}

// C in FP32 whatever the operands are, as on the chip. A processor without the instructions says so.
void onednn(benchmark::State& state, dnnl::memory::data_type type, const void* a, const void* b) {
  using dnnl::memory;
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory::dims shape{kSize, kSize};
  const memory::desc operand(shape, type, memory::format_tag::ab);
  const memory::desc any(shape, type, memory::format_tag::any);
  const memory::desc result(shape, memory::data_type::f32, memory::format_tag::ab);
  try {
    const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(operand, any, result), engine);
    memory left(operand, engine, const_cast<void*>(a));
    memory plain(operand, engine, const_cast<void*>(b));
    memory right(description.weights_desc(), engine);  // packed once, as a framework keeps its weights
    dnnl::reorder(plain, right).execute(stream, plain, right);
    memory out(result, engine);
    const dnnl::matmul product(description);
    const std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_SRC, left}, {DNNL_ARG_WEIGHTS, right}, {DNNL_ARG_DST, out}};
    for (auto _ : state) {
      product.execute(stream, arguments);
      stream.wait();
    }
    report(state);
    state.SetLabel(description.impl_info_str());
  } catch (const dnnl::error& error) {
    state.SkipWithError(error.status == dnnl_unimplemented ? "oneDNN has no such product for this processor"
                                                           : error.what());
  }
}

void onednn_fp32(benchmark::State& state) {
  const std::vector<float> a = random_matrix(1), b = random_matrix(2);
  onednn(state, dnnl::memory::data_type::f32, a.data(), b.data());
}

void onednn_bf16(benchmark::State& state) {
  const std::vector<uint16_t> a = to_bf16(random_matrix(1)), b = to_bf16(random_matrix(2));
  onednn(state, dnnl::memory::data_type::bf16, a.data(), b.data());
}

BENCHMARK(onednn_bf16)->Unit(benchmark::kMillisecond);
BENCHMARK(onednn_fp32)->Unit(benchmark::kMillisecond);
BENCHMARK(openblas_fp32)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
