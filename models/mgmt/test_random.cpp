#include <random>

#include "test/catch.h"
#include "test_machine.h"

using namespace rdu::mgmt;

namespace {

/// What can be seen of a run: registers, counts and memory.
struct Outcome {
  std::vector<uint64_t> x, f;
  uint32_t fcsr;
  uint64_t pc, instructions, exceptions, memory;
  bool operator==(const Outcome& o) const {
    return x == o.x && f == o.f && fcsr == o.fcsr && pc == o.pc && instructions == o.instructions &&
           exceptions == o.exceptions && memory == o.memory;
  }
};

/// Mostly encodings that exist, some noise; registers that often point into memory.
Outcome run(test::Machine& m, unsigned seed) {
  std::mt19937_64 random(seed);
  static constexpr uint8_t kOpcodes[] = {0x37, 0x17, 0x6f, 0x67, 0x63, 0x03, 0x23, 0x13, 0x1b, 0x33, 0x3b,
                                         0x2f, 0x73, 0x0f, 0x07, 0x27, 0x43, 0x47, 0x4b, 0x4f, 0x53};
  m.load("random.elf");
  for (uint64_t offset = 0x1000; offset < 0x9000; offset += 4) {
    auto word = static_cast<uint32_t>(random());
    if (random() % 4 != 0) word = (word & ~0x7fu) | kOpcodes[random() % sizeof kOpcodes];
    m.management.ram().debug(offset, reinterpret_cast<uint8_t*>(&word), sizeof word, true);
  }
  for (unsigned n = 1; n < 30; ++n) {
    const uint64_t value = random();
    m.set_word(test::kOperands + 8 * n, n % 2 ? test::kRam + value % (2 << 20) : value);
  }
  const HartStatistics before = m.management.hart_statistics();
  test::pass(100 * rdu::core::kMicrosecond);
  const HartStatistics after = m.management.hart_statistics();

  Outcome o;
  const HartState& state = m.management.hart().state();
  o.x.assign(state.x, state.x + 32);
  o.f.assign(state.f, state.f + 32);
  o.fcsr = state.fcsr;
  o.pc = state.pc;
  o.instructions = after.instructions - before.instructions;
  o.exceptions = after.exceptions - before.exceptions;
  o.memory = 0;
  for (uint64_t offset = 0; offset < 4u << 20; offset += 8) {
    o.memory = (o.memory ^ m.word(offset)) * 0x9e3779b97f4a7c15u + 1;
  }
  return o;
}

}  // namespace

TEST_CASE("random code does no harm to the model and runs the same way twice", "[mgmt]") {
  auto& m = test::Machine::plain();
  uint64_t instructions = 0, exceptions = 0;
  for (unsigned seed = 1; seed <= 12; ++seed) {
    INFO("seed " << seed);
    const Outcome first = run(m, seed);
    const Outcome second = run(m, seed);
    CHECK(first == second);
    CHECK(first.x[0] == 0);
    instructions += first.instructions;
    exceptions += first.exceptions;
  }
  CHECK(instructions > 1000);
  CHECK(exceptions > 100);
}
