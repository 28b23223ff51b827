// Every program of the regression, in small shapes, on a tile of the fidelity that the environment asks for;
// test_regression.py and scripts/book run it.
//
//   RDU_FIDELITY, RDU_FIDELITY_OF   as socket.tile.fidelity and fidelity_of
//   RDU_OUT                         file for what came of it, in JSON; without it, results are checked and
//   that is all
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <random>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "compiler/compile.h"
#include "compiler/programs/digits.h"
#include "compiler/programs/matmul.h"
#include "compiler/programs/softmax.h"
#include "compiler/test/digits_network.h"
#include "compiler/test/examples.h"
#include "fabric/test/bench.h"
#include "fabric/test/random_program.h"
#include "test/catch.h"
#include "units/units.h"

using namespace rdu;
using namespace rdu::compiler;
using namespace rdu::compiler::test;
using fabric::test::Bench;

namespace {

constexpr uint64_t kFirstSeed = 1000;  ///< of the generator of random programs
constexpr uint64_t kSeeds = 16;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

fabric::FabricParams tile(uint64_t rows, uint64_t columns, uint64_t channels) {
  fabric::FabricParams p;
  p.rows = rows;
  p.columns = columns;
  p.vector_channels = channels;
  if (!environment("RDU_FIDELITY").empty()) p.fidelity = environment("RDU_FIDELITY");
  p.fidelity_of = environment("RDU_FIDELITY_OF");
  return p;
}

/// A tile, what is in its memory, and what was run on it.
class Machine {
 public:
  Machine(Bench& bench, nlohmann::json& kernels) : bench_(bench), kernels_(kernels) {}

  template <class T>
  uint64_t put(const std::vector<T>& values) {
    const uint64_t at = reserve(values.size() * sizeof(T));
    std::memcpy(&bench_.memory.data[at - Bench::virtual_address(0)], values.data(),
                values.size() * sizeof(T));
    return at;
  }
  uint64_t reserve(size_t bytes) {
    const uint64_t at = next_;
    next_ += (bytes + 63) / 64 * 64;
    REQUIRE(next_ <= Bench::kMemory);
    std::memset(&bench_.memory.data[at], 0, next_ - at);
    return Bench::virtual_address(at);
  }
  template <class T>
  std::vector<T> get(uint64_t address, size_t count) const {
    std::vector<T> values(count);
    std::memcpy(values.data(), &bench_.memory.data[address - Bench::virtual_address(0)], count * sizeof(T));
    return values;
  }
  void run(const Program& program, const std::map<std::string, uint64_t>& arguments) {
    REQUIRE(bench_.load(program.config()) == 0);
    REQUIRE(bench_.arguments(program.make_tuples(arguments)) == 0);
    REQUIRE(bench_.execute() == 0);
    note(program.info().kernel);
  }
  void note(const std::string& kernel) {
    kernels_.push_back(
        {{"kernel", kernel}, {"cycles", bench_.read(regs::sequencer::kEXEC_CYCLES_OFFSET, 8)}});
  }
  Bench& bench() { return bench_; }

 private:
  Bench& bench_;
  nlohmann::json& kernels_;
  uint64_t next_ = 0x200000;  // the bench keeps programs and arguments below
};

std::map<std::string, uint64_t> digits_arguments(Machine& m, const DigitsNetwork& d, uint64_t out) {
  return {{"x", m.put(d.x)},   {"w1", m.put(d.w1)}, {"b1", m.put(d.b1)},   {"w2", m.put(d.w2)},
          {"b2", m.put(d.b2)}, {"rows", d.rows},    {"probabilities", out}};
}

void digits_fused(Machine& m, const Program& program) {
  const DigitsNetwork d(72);
  const uint64_t out = m.reserve(d.rows * DigitsNetwork::kClasses * 4);
  m.run(program, digits_arguments(m, d, out));
  CHECK(same_bits(m.get<float>(out, d.rows * DigitsNetwork::kClasses), d.probabilities()));
}

void digits_unfused(Machine& m) {
  constexpr size_t kHidden = DigitsNetwork::kHidden, kClasses = DigitsNetwork::kClasses;
  const DigitsNetwork d(48);
  const uint64_t acc = m.reserve(d.rows * kHidden * 4), h = m.reserve(d.rows * kHidden * 2);
  const uint64_t logits = m.reserve(d.rows * kClasses * 4), out = m.reserve(d.rows * kClasses * 4);
  const uint64_t x = m.put(d.x), w1 = m.put(d.w1), b1 = m.put(d.b1), w2 = m.put(d.w2), b2 = m.put(d.b2);
  m.run(compile(programs::digits_matmul1()), {{"x", x}, {"w1", w1}, {"acc", acc}, {"rows", d.rows}});
  m.run(compile(programs::digits_bias_relu()), {{"acc", acc}, {"b1", b1}, {"h", h}, {"rows", d.rows}});
  m.run(compile(programs::digits_matmul2()), {{"h", h}, {"w2", w2}, {"logits", logits}, {"rows", d.rows}});
  m.run(compile(programs::digits_softmax()),
        {{"logits", logits}, {"b2", b2}, {"probabilities", out}, {"rows", d.rows}});
  CHECK(same_bits(m.get<float>(out, d.rows * kClasses), d.probabilities()));
}

void product(Machine& m, const Graph& graph, size_t rows, size_t columns, size_t k) {
  const auto a = random_bf16(rows * k, 1, 1), b = random_bf16(k * columns, 2, 1);
  const uint64_t at_a = m.put(a), at_b = m.put(b), at_c = m.reserve(rows * columns * 4);
  m.run(compile(graph), {{"a", at_a}, {"b", at_b}, {"c", at_c}});
  CHECK(same_bits(m.get<float>(at_c, rows * columns), matrix_product(a, b, rows, columns, k)));
}

Graph grid(uint32_t rows, uint32_t columns, uint32_t k) {
  programs::GemmGrid grid;
  grid.m = rows, grid.n = columns, grid.k = k, grid.pitch = columns;
  grid.row_groups = 4, grid.column_groups = 4;
  return programs::gemm_grid(grid);
}

void softmax(Machine& m, uint32_t vectors) {
  constexpr size_t kRows = 12;
  const size_t columns = 32 * vectors;
  const uint64_t x = m.put(random_bf16(kRows * columns, 5, 8)), y = m.reserve(kRows * columns * 2);
  m.run(compile(programs::softmax(vectors)), {{"x", x}, {"y", y}, {"rows", kRows}});
  for (size_t row = 0; row < kRows; ++row) {
    float sum = 0;
    const std::vector<uint16_t> values = m.get<uint16_t>(y + 2 * row * columns, columns);
    for (const uint16_t bits : values) {
      const uint32_t word = uint32_t{bits} << 16;
      float value;
      std::memcpy(&value, &word, sizeof value);
      sum += value;
    }
    CHECK(sum == Approx(1).epsilon(0.01));
  }
}

void sums(Machine& m) {
  const SumsByBin d;
  const uint64_t table = m.put(d.table), choice = m.put(d.choice), bin = m.put(d.bin);
  const uint64_t out = m.put(std::vector<int32_t>(d.expected.size(), 0));
  m.run(compile(sums_by_bin()),
        {{"table", table}, {"choice", choice}, {"bin", bin}, {"out", out}, {"rows", SumsByBin::kRows}});
  CHECK(m.get<int32_t>(out, d.expected.size()) == d.expected);
}

void blocks(Machine& m) {
  const TwoWays d;
  const uint64_t x = m.put(d.x), y = m.reserve(d.x.size() * 2), t = m.reserve(d.x.size() * 2);
  m.run(compile(two_ways()), {{"x", x}, {"y", y}, {"t", t}, {"blocks", TwoWays::kBlocks}});
  CHECK(m.get<uint16_t>(y, d.x.size()) == d.x);
  CHECK(m.get<uint16_t>(t, d.x.size()) == d.transposed);
  const uint64_t z = m.reserve(d.x.size() * 2);
  m.run(compile(in_turns()), {{"x", x}, {"y", z}, {"blocks", TwoWays::kBlocks}});
  CHECK(m.get<uint16_t>(z, d.x.size()) == d.x);
}

/// Shapes that the random generator makes; memory before and after says what they compute. Some hang, which
/// is what they do at any fidelity.
void random_program(Machine& m, uint64_t seed) {
  Bench& bench = m.bench();
  std::unique_ptr<fabric::test::RandomProgram> made;
  try {
    made = std::make_unique<fabric::test::RandomProgram>(bench.params, seed);
  } catch (const std::runtime_error&) {
    return;  // the router of the test found no way
  }
  const fabric::test::RandomProgram& program = *made;
  std::mt19937_64 random(seed);
  for (size_t i = 0; i < bench.memory.data.size(); i += 8) {
    const uint64_t value = random() & 0xbfffbfffbfffbfff;  // moderate numbers
    std::memcpy(&bench.memory.data[i], &value, 8);
  }
  REQUIRE(bench.load(program.builder().stream()) == 0);
  const uint64_t fault = bench.execute();
  if (fault != 0) REQUIRE(fault == regs::sequencer::FAULT::CODE_HUNG);
  m.note(fmt::format("seed {}{}", seed, fault == 0 ? "" : ", hangs"));
}

}  // namespace

TEST_CASE("every program of the regression") {
  rtl::offer_units();
  Bench mini("mini", tile(6, 6, 2)), thin("thin", tile(6, 6, 1)), small("small", tile(4, 4, 2));
  Target one_channel;
  one_channel.shape.channels = 1;
  CompileOptions few;
  few.attempts = 2;

  struct Case {
    const char* name;
    Bench& bench;
    std::function<void(Machine&)> run;
  };
  std::vector<Case> cases = {
      {"digits", mini, [](Machine& m) { digits_fused(m, compile(programs::digits_fused())); }},
      {"digits, an operator a kernel", mini, digits_unfused},
      {"digits, on shared channels", thin,
       [&](Machine& m) { digits_fused(m, compile(programs::digits_fused(), one_channel, few)); }},
      {"matrix product", mini,
       [](Machine& m) { product(m, programs::gemm(24, 128, 64, 2, 4), 24, 128, 64); }},
      {"matrix product on a grid", mini, [](Machine& m) { product(m, grid(48, 128, 64), 48, 128, 64); }},
      {"softmax of 32 columns", mini, [](Machine& m) { softmax(m, 1); }},
      {"softmax of 96 columns", mini, [](Machine& m) { softmax(m, 3); }},
      {"softmax of 256 columns", mini, [](Machine& m) { softmax(m, 8); }},
      {"gather and scatter", mini, sums},
      {"blocks, transposed and joined", mini, blocks},
  };
  for (uint64_t seed = kFirstSeed; seed < kFirstSeed + kSeeds; ++seed) {
    cases.push_back({"random", small, [seed](Machine& m) { random_program(m, seed); }});
  }

  nlohmann::json all = nlohmann::json::array();
  for (const Case& c : cases) {
    INFO(c.name);
    nlohmann::json kernels = nlohmann::json::array();
    Machine machine(c.bench, kernels);
    c.run(machine);
    // What it left in memory.
    uint64_t bits = 14695981039346656037u;
    for (size_t i = 0; i < c.bench.memory.data.size(); i += 8) {
      uint64_t word;
      std::memcpy(&word, &c.bench.memory.data[i], 8);
      bits = (bits ^ word) * 1099511628211u;
    }
    all.push_back({{"program", c.name}, {"kernels", kernels}, {"bits", bits}});
  }
  const std::string out = environment("RDU_OUT");
  if (!out.empty()) std::ofstream(out) << all.dump(1) << "\n";
}
