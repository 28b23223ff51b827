// What the virtual chip computes in bench_chip, natively on one thread: a 1024 x 1024 x 1024 matrix product,
// a two-layer MLP, a matrix times a vector. One benchmark a library and type; bench.py puts them beside the
// chip's.
#include <benchmark/benchmark.h>
#include <cblas.h>

#include <cstdint>
#include <cstring>
#include <memory>
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

using dnnl::memory;
using Type = memory::data_type;

constexpr int kSize = 1024;

std::vector<float> random_values(size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> values(-1, 1);
  std::vector<float> array(count);
  for (float& value : array) value = values(generator);
  return array;
}

void report(benchmark::State& state, double operations) {
  state.counters["flops"] = benchmark::Counter(operations, benchmark::Counter::kIsIterationInvariantRate);
}

void openblas_gemm(benchmark::State& state) {
  openblas_set_num_threads(1);
  const std::vector<float> a = random_values(kSize * kSize, 1), b = random_values(kSize * kSize, 2);
  std::vector<float> c(a.size());
  for (auto _ : state) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, kSize, kSize, kSize, 1, a.data(), kSize, b.data(),
                kSize, 0, c.data(), kSize);
    benchmark::DoNotOptimize(c.data());
  }
  report(state, 2.0 * kSize * kSize * kSize);
}

/// oneDNN on this processor.
struct Host {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};

  memory plain(const memory::dims& shape, Type type) {
    return memory({shape, type, shape.size() == 1 ? memory::format_tag::a : memory::format_tag::ab}, engine);
  }
  memory random(const memory::dims& shape, Type type, unsigned seed) {
    size_t count = 1;
    for (const auto n : shape) count *= static_cast<size_t>(n);
    const std::vector<float> values = random_values(count, seed);
    memory from = plain(shape, Type::f32), to = plain(shape, type);
    std::memcpy(from.get_data_handle(), values.data(), count * sizeof(float));
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
    return to;
  }
};

/// out = left right, or max(left right + bias, 0) with a bias.
class Layer {
 public:
  Layer(Host& host, memory left, int n, Type type, Type out_type, bool bias_relu, unsigned seed) {
    const auto m = left.get_desc().dims()[0], k = left.get_desc().dims()[1];
    const memory::desc weights({k, n}, type, memory::format_tag::any);
    const memory::desc result({m, n}, out_type, memory::format_tag::ab);
    const memory::desc bias({1, n}, Type::f32, memory::format_tag::ab);
    dnnl::primitive_attr attributes;
    dnnl::post_ops then;
    if (bias_relu) then.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
    attributes.set_post_ops(then);
    const auto& in = left.get_desc();
    const auto what =
        bias_relu ? dnnl::matmul::desc(in, weights, bias, result) : dnnl::matmul::desc(in, weights, result);
    const dnnl::matmul::primitive_desc description(what, attributes, host.engine);
    memory plain = host.random({k, n}, type, seed);
    memory packed(description.weights_desc(), host.engine);  // once, as a framework keeps its weights
    dnnl::reorder(plain, packed).execute(host.stream, plain, packed);
    host.stream.wait();
    out = memory(result, host.engine);
    primitive_ = dnnl::matmul(description);
    arguments_ = {{DNNL_ARG_SRC, left}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_DST, out}};
    if (bias_relu) arguments_.emplace(DNNL_ARG_BIAS, host.random({1, n}, Type::f32, seed + 1));
    kernel = description.impl_info_str();
  }
  void execute(Host& host) const { primitive_.execute(host.stream, arguments_); }

  memory out;
  std::string kernel;

 private:
  dnnl::matmul primitive_;
  std::unordered_map<int, memory> arguments_;
};

/// Runs what `layers` makes of a host. A processor without the instructions says so.
template <class Layers>
void run(benchmark::State& state, double operations, Layers make) {
  try {
    Host host;
    const std::vector<Layer> layers = make(host);
    for (auto _ : state) {
      for (const Layer& layer : layers) layer.execute(host);
      host.stream.wait();
    }
    report(state, operations);
    state.SetLabel(layers[0].kernel);
  } catch (const dnnl::error& error) {
    state.SkipWithError(error.status == dnnl_unimplemented ? "oneDNN has no such product for this processor"
                                                           : error.what());
  }
}

// The last result in FP32 whatever the operands are, as on the chip.
void gemm(benchmark::State& state, Type type) {
  run(state, 2.0 * kSize * kSize * kSize, [&](Host& host) {
    return std::vector<Layer>{{host, host.random({kSize, kSize}, type, 1), kSize, type, Type::f32, false, 2}};
  });
}

void mlp(benchmark::State& state, Type type) {
  constexpr int kRows = 1536, kIn = 256, kHidden = 512, kOut = 256;
  run(state, 2.0 * kRows * (kIn * kHidden + kHidden * kOut), [&](Host& host) {
    const Layer first(host, host.random({kRows, kIn}, type, 1), kHidden, type, type, true, 2);
    return std::vector<Layer>{first, {host, first.out, kOut, type, Type::f32, false, 4}};
  });
}

void matrix_vector(benchmark::State& state, Type type) {
  constexpr int kRows = 4096, kColumns = 4096;
  run(state, 2.0 * kRows * kColumns, [&](Host& host) {
    return std::vector<Layer>{{host, host.random({1, kColumns}, type, 1), kRows, type, type, false, 2}};
  });
}

BENCHMARK_CAPTURE(gemm, onednn_bf16, Type::bf16)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(gemm, onednn_fp32, Type::f32)->Unit(benchmark::kMillisecond);
BENCHMARK(openblas_gemm)->Name("gemm/openblas_fp32")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(mlp, onednn_bf16, Type::bf16)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(mlp, onednn_fp32, Type::f32)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(matrix_vector, onednn_bf16, Type::bf16)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(matrix_vector, onednn_fp32, Type::f32)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
