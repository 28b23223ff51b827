#include "fabric/test/random_program.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "fabric/test/bench.h"
#include "fabric/test/units.h"

namespace rdu::fabric::test {
namespace {

namespace P = rdu::regs::pcu;
namespace M = rdu::regs::pmu;
constexpr uint64_t kLoads = 0x10000;
constexpr uint64_t kStores = 0x200000;
constexpr uint64_t kStoreBytes = 0x20000;

}  // namespace

RandomProgram::RandomProgram(const FabricParams& params, uint64_t seed)
    : params_(params), random_(seed), builder_(params) {
  for (unsigned row = 0; row < params.rows; ++row) {
    for (unsigned col = 0; col < params.columns; ++col) {
      free_pcus_.push_back(RDU_UNIT(RDU_UNIT_PCU, row, col));
      free_pmus_.push_back(RDU_UNIT(RDU_UNIT_PMU, row, col));
    }
    for (unsigned end = 0; end < 2; ++end) free_loads_.push_back(RDU_UNIT(RDU_UNIT_AGCU, row, end));
  }
  add_load();
  const uint32_t steps = 1 + pick(7);
  for (uint32_t i = 0; i < steps; ++i) {
    switch (pick(6)) {
      case 0:
        if (open_.size() < 3) add_load();
        break;
      case 1:
        if (open_.size() < 3) open_.push_back(open_[pick(static_cast<uint32_t>(open_.size()))]);  // a fork
        break;
      case 2:
        if (open_.size() > 1 && chance(40)) {
          add_joining_pmu();
        } else {
          add_pmu();
        }
        break;
      case 3:
        add_matrix();
        break;
      default:
        add_simd();
        break;
    }
  }
  unsigned stores = 0;
  for (const Open& stream : open_) add_store(stream, stores++);
  for (const auto& [source, sinks] : sinks_) {
    if (!builder_.route(source.first, sinks, source.second)) throw std::runtime_error("no channels left");
  }
}

uint32_t RandomProgram::divisor(uint32_t n) {
  std::vector<uint32_t> divisors;
  for (uint32_t d = 1; d <= n; ++d) {
    if (n % d == 0) divisors.push_back(d);
  }
  return divisors[pick(static_cast<uint32_t>(divisors.size()))];
}

uint32_t RandomProgram::place(unsigned kind) {
  std::vector<uint32_t>& free = kind == RDU_UNIT_PCU   ? free_pcus_
                                : kind == RDU_UNIT_PMU ? free_pmus_
                                                       : free_loads_;
  const uint32_t i = pick(static_cast<uint32_t>(free.size()));
  const uint32_t unit = free[i];
  free.erase(free.begin() + i);
  return unit;
}

RandomProgram::Open RandomProgram::take() {
  const uint32_t i = pick(static_cast<uint32_t>(open_.size()));
  const Open stream = open_[i];
  open_.erase(open_.begin() + i);
  return stream;
}

void RandomProgram::consume(const Open& stream, uint32_t unit, unsigned input) {
  sinks_[{stream.source, stream.output}].push_back({unit, input});
}

void RandomProgram::add_load() {
  const uint32_t unit = place(RDU_UNIT_AGCU);
  static constexpr uint32_t kRowBytes[] = {64, 64, 128, 256, 40, 100, 192, 6};
  const uint32_t row_bytes = kRowBytes[pick(8)];
  const uint32_t row_packets = (row_bytes + 63) / 64;
  const uint32_t rows = 2 * (1 + pick(24));
  const auto stride = static_cast<int32_t>(chance(60) ? row_bytes : row_bytes + 16 * pick(20));
  const uint64_t base = kLoads + 64 * pick(64) + (chance(20) ? pick(64) : 0);
  set_load(builder_.unit(unit), Bench::virtual_address(base), row_bytes,
           {{rows / 2, stride}, {2, static_cast<int32_t>(8 * pick(40))}});
  open_.push_back({unit, rows * row_packets});
}

namespace {
constexpr uint32_t kBufferSize = 16384;
}

/// Shape, counters, range and predicate of read pipeline r, for buffers of `writes` packets. Returns the
/// packets of a fill; addresses stay below kBufferSize.
uint32_t RandomProgram::random_reads(ConfigWords& words, unsigned r, uint32_t writes) {
  const bool is_word = chance(50);
  const bool is_column = chance(30);
  const uint32_t size = is_word ? 4 : 2;
  const uint32_t reads = chance(50) ? writes : 1 + pick(std::min(2 * writes, 40u));
  const auto stride = static_cast<int32_t>(size * (is_column ? 1 + pick(16 / size) : pick(64 / size)));
  set_loops(words, pmu_read(r, M::kREAD_COUNT_OFFSET), pmu_read(r, M::kREAD_STRIDE_OFFSET),
            {{reads, stride}});
  const uint64_t shape = pmu_read(r, M::kREAD_SHAPE_OFFSET);
  words.set(shape, M::READ_SHAPE::LANES, 1 + pick(is_word ? 16 : 32));
  words.set(shape, M::READ_SHAPE::ELEMENT,
            is_word ? M::READ_SHAPE::ELEMENT_WORD : M::READ_SHAPE::ELEMENT_HALF);
  words.set(pmu_read(r, M::kREAD_LANE_STRIDE_OFFSET), is_column ? 64 * (1 + pick(3)) : size);
  if (chance(20)) {
    set_range(words, pmu_read(r, 0), M::READ_MODE::RANGE_ZERO, static_cast<int32_t>(pick(100)),
              static_cast<int32_t>(100 + pick(2000)));
  }
  if (reads == 1 || !chance(20)) return reads;
  const uint32_t done = 1 + pick(reads - 1);
  const bool negate = chance(50);
  set_predicate(words, pmu_read(r, 0), M::READ_MODE::PRED_LT, negate, 0, done);
  return negate ? reads - done : done;
}

void RandomProgram::add_pmu() {
  const Open in = take();
  const uint32_t unit = place(RDU_UNIT_PMU);
  const uint32_t writes = divisor(in.packets);
  const uint32_t fills = in.packets / writes;
  const uint32_t buffers = 1 + pick(3);
  ConfigWords& words = builder_.unit(unit);
  set_pmu(words, fills, buffers, kBufferSize, {{writes, 64}}, {});
  const uint32_t reads = random_reads(words, 0, writes);
  if (chance(30)) words.set(M::kBANK_OFFSET, M::BANK::SKEW, 5 + pick(4));
  if (chance(30)) set_write_bytes(words, 1 + pick(64));
  consume(in, unit, 0);
  open_.push_back({unit, fills * reads});
  if (open_.size() < 4 && chance(30)) add_second_reader(unit, fills, buffers, writes);
}

void RandomProgram::add_second_reader(uint32_t unit, uint32_t fills, uint32_t buffers, uint32_t writes) {
  ConfigWords& words = builder_.unit(unit);
  set_read(words, 1, fills, buffers, kBufferSize, 0, {}, 0b1000, 0b0100);
  words.set(pmu_write(0, M::kWRITE_TOKEN_OFFSET), M::WRITE_TOKEN::WAIT, 0b0101);
  words.set(pmu_write(0, M::kWRITE_TOKEN_OFFSET), M::WRITE_TOKEN::GIVE, 0b1010);
  words.set(M::kTOKENS_OFFSET + 2 * M::kTOKENS_STRIDE, buffers);
  open_.push_back({unit, fills * random_reads(words, 1, writes), 1});
}

/// Two streams, of as many fills, one behind the other in each buffer.
void RandomProgram::add_joining_pmu() {
  const Open a = take();
  const Open b = take();
  const uint32_t unit = place(RDU_UNIT_PMU);
  const uint32_t fills = divisor(std::gcd(a.packets, b.packets));
  const uint32_t buffers = 1 + pick(3);
  const uint32_t first = a.packets / fills;
  const uint32_t second = b.packets / fills;
  ConfigWords& words = builder_.unit(unit);
  set_pmu(words, fills, buffers, kBufferSize, {{first, 64}}, {});
  const unsigned input = 1 + pick(3);
  if (first + second > 200 || chance(30)) {  // in places of their own, read by a pipeline each
    constexpr uint32_t kBase = 4 * kBufferSize;
    set_write(words, 1, input, fills, buffers, kBufferSize, kBase, {{second, 64}}, 0b0100, 0b1000);
    set_read(words, 1, fills, buffers, kBufferSize, kBase, {}, 0b1000, 0b0100);
    open_.push_back({unit, fills * random_reads(words, 1, second), 1});
    open_.push_back({unit, fills * random_reads(words, 0, first)});
  } else {
    set_write(words, 1, input, fills, buffers, kBufferSize, 64 * first, {{second, 64}}, 0b0100, 0b1000);
    words.set(pmu_read(0, M::kREAD_TOKEN_OFFSET), M::READ_TOKEN::WAIT, 0b1010);
    words.set(pmu_read(0, M::kREAD_TOKEN_OFFSET), M::READ_TOKEN::GIVE, 0b0101);
    open_.push_back({unit, fills * random_reads(words, 0, first + second)});
  }
  words.set(M::kTOKENS_OFFSET + 2 * M::kTOKENS_STRIDE, buffers);
  consume(a, unit, 0);
  consume(b, unit, input);
}

void RandomProgram::add_simd() {
  const Open a = take();
  const uint32_t unit = place(RDU_UNIT_PCU);
  const bool a_short = a.packets % 2 != 0 || chance(50);  // one packet a vector
  const uint32_t vectors = a_short ? a.packets : a.packets / 2;
  // Firings in groups; the second input may have one vector for each group, and so may the output.
  const uint32_t group = chance(50) ? divisor(vectors) : 1;
  const uint32_t groups = vectors / group;
  bool two = false;
  bool b_short = false;
  bool once = false;
  Open b{};
  if (!open_.empty() && chance(70)) {
    for (size_t i = 0; i < open_.size() && !two; ++i) {
      once = open_[i].packets == groups || open_[i].packets == 2 * groups;
      if (!once && open_[i].packets != vectors && open_[i].packets != 2 * vectors) continue;
      b = open_[i];
      b_short = b.packets == (once ? groups : vectors);
      two = true;
      open_.erase(open_.begin() + static_cast<ptrdiff_t>(i));
    }
  }
  ConfigWords& words = builder_.unit(unit);
  const uint64_t first_b = two ? P::STAGE::A_IN2 : P::STAGE::A_CONST1;
  const uint64_t across[] = {P::STAGE::OP_FRED_SUM, P::STAGE::OP_FRED_MAX, P::STAGE::OP_IARGMAX,
                             P::STAGE::OP_UP};
  const uint64_t accumulate[] = {P::STAGE::OP_FMAX, P::STAGE::OP_FADD, P::STAGE::OP_IADD, P::STAGE::OP_XOR};
  set_simd(words, group,
           {{chance(50) ? P::STAGE::OP_FADD : P::STAGE::OP_FMUL, P::STAGE::A_IN0, first_b, 1},
            {chance(50) ? across[pick(4)] : P::STAGE::OP_NOP, P::STAGE::A_PREV, P::STAGE::A_COUNT0},
            {accumulate[pick(4)], P::STAGE::A_PREV, P::STAGE::A_REG0, 0},
            {P::STAGE::OP_FSUB, P::STAGE::A_REG1, P::STAGE::A_PREV}});
  words.set(P::kPROGRAM_COUNT_OFFSET + 4 * (1 + pick(5)), groups);
  const auto predicate = [&](unsigned n, uint64_t kind, uint64_t level, uint64_t value, bool is_not) {
    const uint64_t offset = P::kPROGRAM_PRED_OFFSET + 4 * (n - 1);
    words.set(offset, P::PROGRAM_PRED::KIND, kind);
    words.set(offset, P::PROGRAM_PRED::LEVEL, level);
    words.set(offset, P::PROGRAM_PRED::VALUE, value);
    words.set(offset, P::PROGRAM_PRED::NOT, is_not);
  };
  predicate(1, P::PROGRAM_PRED::KIND_FIRST, 0, 0, false);
  predicate(2, P::PROGRAM_PRED::KIND_LAST, 0, 0, false);
  predicate(3, chance(50) ? P::PROGRAM_PRED::KIND_EQ : P::PROGRAM_PRED::KIND_LT, pick(2), 1 + pick(4),
            chance(50));
  // The accumulator begins anew in every group, or goes on.
  words.set(P::kSTAGE_OFFSET + 8, P::STAGE::C, P::STAGE::A_CONST0);
  if (chance(70)) words.set(P::kSTAGE_OFFSET + 8, P::STAGE::ALT, 1);
  for (const unsigned stage : {1, 3}) {
    if (chance(40)) words.set(P::kSTAGE_OFFSET + 4 * stage, P::STAGE::PRED, 3);
  }
  const bool sends_once = chance(40);
  if (sends_once) words.set(P::kPROGRAM_OUT_OFFSET, P::PROGRAM_OUT::PRED, 1 + pick(2));
  if (two && once) words.set(P::kINPUT_OFFSET + 4 * 2, P::INPUT::PRED, 1);
  words.set(P::kCONST_OFFSET, 0x3dcccccd);
  words.set(P::kCONST_OFFSET + 4, 0x40490fdb);
  const uint64_t format = pick(5);
  set_pcu_format(words, format);
  words.set(P::kPROGRAM_SEED_OFFSET, pick(1000));
  words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::LANES, chance(30) ? 1 + pick(32) : 32);
  words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::TAIL, pick(3));
  if (chance(30)) {
    words.set(P::kPROGRAM_OUT_OFFSET, P::PROGRAM_OUT::SEQUENCE, 1);
    words.set(P::kPROGRAM_SEQ_OFFSET, P::PROGRAM_SEQ::FIRST, pick(65536));
  }
  const auto format_of = [&](bool is_short) {
    if (is_short) return chance(70) ? P::INPUT::FORMAT_BF16 : P::INPUT::FORMAT_INT8;
    return chance(70) ? P::INPUT::FORMAT_FP32 : P::INPUT::FORMAT_INT32;
  };
  set_pcu_input(words, 0, format_of(a_short));
  set_pcu_input(words, 2, format_of(b_short));
  consume(a, unit, 0);
  if (two) consume(b, unit, 2);
  const bool is_long = format == P::PROGRAM_OUT::FORMAT_FP32 || format == P::PROGRAM_OUT::FORMAT_INT32;
  open_.push_back({unit, (sends_once ? groups : vectors) * (is_long ? 2 : 1)});
}

void RandomProgram::add_matrix() {
  if (open_.size() == 1) open_.push_back(open_[0]);
  const Open a = take();
  const auto same =
      std::find_if(open_.begin(), open_.end(), [&](const Open& o) { return o.packets == a.packets; });
  if (same == open_.end()) {
    open_.push_back(a);
    return;
  }
  const Open b = *same;
  open_.erase(same);
  const uint32_t unit = place(RDU_UNIT_PCU);
  const uint32_t k = divisor(a.packets);
  const uint32_t rows = 1 + pick(static_cast<uint32_t>(params_.stages));
  ConfigWords& words = builder_.unit(unit);
  set_matrix(words, a.packets / k, k, rows);
  const bool is_int8 = chance(30);
  const uint64_t format = is_int8 ? P::PROGRAM_OUT::FORMAT_INT32 + pick(2) : pick(2);
  words.set(P::kPROGRAM_MATRIX_OFFSET, P::PROGRAM_MATRIX::TYPE, is_int8);
  set_pcu_format(words, format);
  if (!is_int8) words.set(P::kPROGRAM_MODE_OFFSET, P::PROGRAM_MODE::TAIL, pick(3));
  consume(a, unit, 0);
  consume(b, unit, 1);
  const bool is_long = format == P::PROGRAM_OUT::FORMAT_FP32 || format == P::PROGRAM_OUT::FORMAT_INT32;
  open_.push_back({unit, a.packets / k * rows * (is_long ? 2 : 1)});
}

void RandomProgram::add_store(const Open& stream, unsigned number) {
  const uint32_t unit = RDU_UNIT(RDU_UNIT_AGCU, number / 2, number % 2);
  const uint32_t row_packets = divisor(stream.packets) % 512;
  const uint32_t packets = row_packets == 0 ? 1 : row_packets;
  const uint32_t rows = stream.packets / packets;
  const uint32_t row_bytes = packets * 64 - (chance(40) ? pick(64) : 0);
  set_store(builder_.unit(unit), Bench::virtual_address(kStores + number * kStoreBytes), row_bytes,
            {{rows, static_cast<int32_t>(row_bytes)}});
  consume(stream, unit, 0);
}

}  // namespace rdu::fabric::test
