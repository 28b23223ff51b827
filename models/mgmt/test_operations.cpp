#include <algorithm>
#include <fstream>
#include <limits>
#include <map>
#include <random>

#include "test/catch.h"
#include "test_machine.h"

using namespace rdu::mgmt;

// What each instruction should do, written for itself: nothing here is shared with the interpreter.
namespace {

using Wide = __int128;

int64_t s(uint64_t v) {
  int64_t out;
  std::memcpy(&out, &v, sizeof out);
  return out;
}
int32_t s32(uint64_t v) {
  const auto word = static_cast<uint32_t>(v);
  int32_t out;
  std::memcpy(&out, &word, sizeof out);
  return out;
}
uint64_t u(Wide v) {
  return static_cast<uint64_t>(v);
}
/// The low word, sign-extended.
uint64_t w(Wide v) {
  return static_cast<uint64_t>(int64_t{s32(u(v))});
}
/// Rounds down, as an arithmetic shift does.
Wide floor_shift(Wide v, unsigned n) {
  const Wide unit = Wide{1} << n;
  return v >= 0 ? v / unit : -((-v + unit - 1) / unit);
}
uint64_t high(unsigned __int128 v) {
  return static_cast<uint64_t>(v >> 64);
}
unsigned __int128 modulo(Wide v) {
  return static_cast<unsigned __int128>(v);
}

Wide quotient(Wide a, Wide b) {
  return b == 0 ? Wide{-1} : a / b;
}
Wide remainder(Wide a, Wide b) {
  return b == 0 ? a : a % b;
}

/// A word of the bits that `bit` gives for each place.
template <class Function>
uint64_t each(unsigned width, Function&& bit) {
  uint64_t out = 0;
  for (unsigned i = 0; i < width; ++i) out |= static_cast<uint64_t>(bit(i) ? 1 : 0) << i;
  return out;
}
bool bit(uint64_t v, unsigned i) {
  return (v >> i) % 2 != 0;
}
uint64_t count_from(uint64_t v, int first, int step, unsigned width) {
  uint64_t n = 0;
  for (int i = first; n < width && !bit(v, static_cast<unsigned>(i)); i += step) ++n;
  return n;
}
uint64_t ones(uint64_t v, unsigned width) {
  uint64_t n = 0;
  for (unsigned i = 0; i < width; ++i) n += bit(v, i);
  return n;
}
/// To the left by b, which may be negative.
uint64_t rotated(uint64_t a, int64_t b, unsigned width) {
  return each(width, [&](unsigned i) {
    return bit(a, static_cast<unsigned>((int64_t{i} + 64 * int64_t{width} - b % width) % width));
  });
}

using Reference = uint64_t (*)(uint64_t a, uint64_t b);

const std::map<std::string, Reference>& register_operations() {
  static const std::map<std::string, Reference> all = {
      {"zero", [](uint64_t, uint64_t) -> uint64_t { return 0; }},
      {"add", [](uint64_t a, uint64_t b) { return u(Wide{s(a)} + s(b)); }},
      {"sub", [](uint64_t a, uint64_t b) { return u(Wide{s(a)} - s(b)); }},
      {"sll", [](uint64_t a, uint64_t b) { return u(modulo(a) << (b % 64)); }},
      {"slt", [](uint64_t a, uint64_t b) -> uint64_t { return s(a) < s(b); }},
      {"sltu", [](uint64_t a, uint64_t b) -> uint64_t { return a < b; }},
      {"xor", [](uint64_t a, uint64_t b) { return (a | b) & ~(a & b); }},
      {"srl", [](uint64_t a, uint64_t b) { return a / (uint64_t{1} << (b % 64)); }},
      {"sra", [](uint64_t a, uint64_t b) { return u(floor_shift(s(a), b % 64)); }},
      {"or", [](uint64_t a, uint64_t b) { return ~(~a & ~b); }},
      {"and", [](uint64_t a, uint64_t b) { return ~(~a | ~b); }},
      {"addw", [](uint64_t a, uint64_t b) { return w(Wide{s32(a)} + s32(b)); }},
      {"subw", [](uint64_t a, uint64_t b) { return w(Wide{s32(a)} - s32(b)); }},
      {"sllw", [](uint64_t a, uint64_t b) { return w(Wide{s32(a)} * (Wide{1} << (b % 32))); }},
      {"srlw", [](uint64_t a, uint64_t b) { return w((a & 0xffffffff) / (uint64_t{1} << (b % 32))); }},
      {"sraw", [](uint64_t a, uint64_t b) { return w(floor_shift(s32(a), b % 32)); }},
      {"mul", [](uint64_t a, uint64_t b) { return u(Wide{s(a)} * s(b)); }},
      {"mulh", [](uint64_t a, uint64_t b) { return high(modulo(Wide{s(a)} * s(b))); }},
      {"mulhsu", [](uint64_t a, uint64_t b) { return high(modulo(Wide{s(a)} * Wide{b})); }},
      {"mulhu", [](uint64_t a, uint64_t b) { return high(static_cast<unsigned __int128>(a) * b); }},
      {"mulw", [](uint64_t a, uint64_t b) { return w(Wide{s32(a)} * s32(b)); }},
      {"div", [](uint64_t a, uint64_t b) { return u(quotient(s(a), s(b))); }},
      {"divu", [](uint64_t a, uint64_t b) { return u(quotient(a, b)); }},
      {"divw", [](uint64_t a, uint64_t b) { return w(quotient(s32(a), s32(b))); }},
      {"divuw", [](uint64_t a, uint64_t b) { return w(quotient(a & 0xffffffff, b & 0xffffffff)); }},
      {"rem", [](uint64_t a, uint64_t b) { return u(remainder(s(a), s(b))); }},
      {"remu", [](uint64_t a, uint64_t b) { return u(remainder(a, b)); }},
      {"remw", [](uint64_t a, uint64_t b) { return w(remainder(s32(a), s32(b))); }},
      {"remuw", [](uint64_t a, uint64_t b) { return w(remainder(a & 0xffffffff, b & 0xffffffff)); }},
      {"add.uw", [](uint64_t a, uint64_t b) { return u(Wide{a % (uint64_t{1} << 32)} + b); }},
      {"sh1add", [](uint64_t a, uint64_t b) { return u(Wide{a} * 2 + b); }},
      {"sh2add", [](uint64_t a, uint64_t b) { return u(Wide{a} * 4 + b); }},
      {"sh3add", [](uint64_t a, uint64_t b) { return u(Wide{a} * 8 + b); }},
      {"sh1add.uw", [](uint64_t a, uint64_t b) { return u(Wide{a % (uint64_t{1} << 32)} * 2 + b); }},
      {"sh2add.uw", [](uint64_t a, uint64_t b) { return u(Wide{a % (uint64_t{1} << 32)} * 4 + b); }},
      {"sh3add.uw", [](uint64_t a, uint64_t b) { return u(Wide{a % (uint64_t{1} << 32)} * 8 + b); }},
      {"sll.uw", [](uint64_t a, uint64_t b) { return u(modulo(a % (uint64_t{1} << 32)) << (b % 64)); }},
      {"andn",
       [](uint64_t a, uint64_t b) { return each(64, [&](unsigned i) { return bit(a, i) > bit(b, i); }); }},
      {"orn",
       [](uint64_t a, uint64_t b) { return each(64, [&](unsigned i) { return bit(a, i) >= bit(b, i); }); }},
      {"xnor",
       [](uint64_t a, uint64_t b) { return each(64, [&](unsigned i) { return bit(a, i) == bit(b, i); }); }},
      {"clz", [](uint64_t a, uint64_t) { return count_from(a, 63, -1, 64); }},
      {"clzw", [](uint64_t a, uint64_t) { return count_from(a, 31, -1, 32); }},
      {"ctz", [](uint64_t a, uint64_t) { return count_from(a, 0, 1, 64); }},
      {"ctzw", [](uint64_t a, uint64_t) { return count_from(a, 0, 1, 32); }},
      {"cpop", [](uint64_t a, uint64_t) { return ones(a, 64); }},
      {"cpopw", [](uint64_t a, uint64_t) { return ones(a, 32); }},
      {"max", [](uint64_t a, uint64_t b) { return u(std::max(s(a), s(b))); }},
      {"maxu", [](uint64_t a, uint64_t b) { return std::max(a, b); }},
      {"min", [](uint64_t a, uint64_t b) { return u(std::min(s(a), s(b))); }},
      {"minu", [](uint64_t a, uint64_t b) { return std::min(a, b); }},
      {"sext.b", [](uint64_t a, uint64_t) { return a % 256 - (a % 256 > 127 ? 256 : 0); }},
      {"sext.h", [](uint64_t a, uint64_t) { return a % 65536 - (a % 65536 > 32767 ? 65536 : 0); }},
      {"zext.h", [](uint64_t a, uint64_t) { return a % 65536; }},
      {"rol", [](uint64_t a, uint64_t b) { return rotated(a, static_cast<int64_t>(b % 64), 64); }},
      {"rolw", [](uint64_t a, uint64_t b) { return w(rotated(a, static_cast<int64_t>(b % 32), 32)); }},
      {"ror", [](uint64_t a, uint64_t b) { return rotated(a, -static_cast<int64_t>(b % 64), 64); }},
      {"rorw", [](uint64_t a, uint64_t b) { return w(rotated(a, -static_cast<int64_t>(b % 32), 32)); }},
      {"orc.b", [](uint64_t a,
                   uint64_t) { return each(64, [&](unsigned i) { return (a >> (i / 8 * 8)) % 256 != 0; }); }},
      {"rev8", [](uint64_t a,
                  uint64_t) { return each(64, [&](unsigned i) { return bit(a, 56 - i / 8 * 8 + i % 8); }); }},
      {"bclr",
       [](uint64_t a, uint64_t b) { return each(64, [&](unsigned i) { return bit(a, i) && i != b % 64; }); }},
      {"bset",
       [](uint64_t a, uint64_t b) { return each(64, [&](unsigned i) { return bit(a, i) || i == b % 64; }); }},
      {"binv", [](uint64_t a,
                  uint64_t b) { return each(64, [&](unsigned i) { return bit(a, i) != (i == b % 64); }); }},
      {"bext", [](uint64_t a, uint64_t b) -> uint64_t { return bit(a, b % 64); }},
      {"beq", [](uint64_t a, uint64_t b) -> uint64_t { return a == b; }},
      {"bne", [](uint64_t a, uint64_t b) -> uint64_t { return a != b; }},
      {"blt", [](uint64_t a, uint64_t b) -> uint64_t { return s(a) < s(b); }},
      {"bge", [](uint64_t a, uint64_t b) -> uint64_t { return s(a) >= s(b); }},
      {"bltu", [](uint64_t a, uint64_t b) -> uint64_t { return a < b; }},
      {"bgeu", [](uint64_t a, uint64_t b) -> uint64_t { return a >= b; }},
  };
  return all;
}

/// An instruction with an immediate does what its register form does with that number.
const std::map<std::string, std::string>& immediate_operations() {
  static const std::map<std::string, std::string> all = {
      {"addi", "add"},   {"slti", "slt"},   {"sltiu", "sltu"}, {"xori", "xor"},       {"ori", "or"},
      {"andi", "and"},   {"slli", "sll"},   {"srli", "srl"},   {"srai", "sra"},       {"addiw", "addw"},
      {"slliw", "sllw"}, {"srliw", "srlw"}, {"sraiw", "sraw"}, {"slli.uw", "sll.uw"}, {"rori", "ror"},
      {"roriw", "rorw"}, {"bclri", "bclr"}, {"bexti", "bext"}, {"binvi", "binv"},     {"bseti", "bset"}};
  return all;
}

unsigned access_size(char letter) {
  switch (letter) {
    case 'b':
      return 1;
    case 'h':
      return 2;
    case 'w':
      return 4;
    default:
      return 8;
  }
}

uint64_t loaded(const std::string& op, uint64_t offset, uint64_t a, uint64_t b) {
  const Wide both = static_cast<Wide>(static_cast<unsigned __int128>(b) << 64 | a);
  const unsigned bits = 8 * access_size(op[1]);
  const auto field = static_cast<uint64_t>(static_cast<unsigned __int128>(both) >> (8 * offset));
  if (bits == 64) return field;
  const uint64_t low = field & ((uint64_t{1} << bits) - 1);
  const bool negative = op.size() == 2 && (low >> (bits - 1)) != 0;
  return negative ? low - (uint64_t{1} << bits) : low;
}

uint64_t stored(const std::string& op, uint64_t offset, uint64_t value, uint64_t before) {
  uint8_t bytes[8];
  std::memcpy(bytes, &before, sizeof bytes);
  std::memcpy(bytes + offset, &value, access_size(op[1]));
  uint64_t after;
  std::memcpy(&after, bytes, sizeof after);
  return after;
}

/// With the upper half of the memory word untouched by a 32-bit one.
uint64_t merged(bool is_word, uint64_t before, uint64_t fresh) {
  return is_word ? (before & 0xffffffff00000000u) | (fresh & 0xffffffffu) : fresh;
}

uint64_t amo(const std::string& op, uint64_t memory, uint64_t operand) {
  const bool is_word = op.back() == 'w';
  const std::string kind = op.substr(3, op.size() - 5);
  const Wide ms = is_word ? Wide{s32(memory)} : Wide{s(memory)};
  const Wide os = is_word ? Wide{s32(operand)} : Wide{s(operand)};
  const uint64_t mu = is_word ? memory & 0xffffffff : memory;
  const uint64_t ou = is_word ? operand & 0xffffffff : operand;
  uint64_t fresh = operand;
  if (kind == "add") fresh = u(ms + os);
  if (kind == "xor") fresh = memory ^ operand;
  if (kind == "or") fresh = memory | operand;
  if (kind == "and") fresh = memory & operand;
  if (kind == "min") fresh = u(ms < os ? ms : os);
  if (kind == "max") fresh = u(ms < os ? os : ms);
  if (kind == "minu") fresh = mu < ou ? mu : ou;
  if (kind == "maxu") fresh = mu < ou ? ou : mu;
  return merged(is_word, memory, fresh);
}

std::vector<uint64_t> expected(const std::string& op, int64_t imm, uint64_t a, uint64_t b) {
  const auto with_register = register_operations().find(op);
  if (with_register != register_operations().end()) return {with_register->second(a, b)};
  const auto with_immediate = immediate_operations().find(op);
  if (with_immediate != immediate_operations().end()) {
    return {register_operations().at(with_immediate->second)(a, static_cast<uint64_t>(imm))};
  }
  const bool is_word = op.back() == 'w';
  const uint64_t as_loaded = is_word ? w(static_cast<Wide>(b)) : b;
  if (op == "lui" || op == "auipc") return {w(Wide{imm} * 4096)};
  if (op.rfind("lrsc.", 0) == 0) return {as_loaded, 0, merged(is_word, b, a)};
  if (op.rfind("sc.", 0) == 0) return {1, b};
  if (op.rfind("amo", 0) == 0) return {as_loaded, amo(op, b, a)};
  if (op[0] == 'l') return {loaded(op, static_cast<uint64_t>(imm), a, b)};
  return {stored(op, static_cast<uint64_t>(imm), a, b)};
}

std::vector<uint64_t> operand_values(unsigned count) {
  const uint64_t corners[] = {0,
                              1,
                              ~uint64_t{0},
                              uint64_t{1} << 63,
                              (uint64_t{1} << 63) - 1,
                              0x80000000u,
                              0x7fffffffu,
                              0xffffffff80000000u,
                              0xffffffffu,
                              63,
                              0x123456789abcdef0u};
  std::mt19937_64 random(40);
  std::vector<uint64_t> values;
  // All pairs of the first few corners (division by zero, the one overflow, equal values), then mixtures.
  for (unsigned i = 0; i < 5; ++i) {
    for (unsigned k = 0; k < 5; ++k) {
      values.push_back(corners[i]);
      values.push_back(corners[k]);
    }
  }
  values.push_back(0xffffffff80000000u);
  values.push_back(~uint64_t{0});
  while (values.size() < 2 * count) {
    const uint64_t r = random();
    values.push_back(r % 4 == 0 ? corners[r / 4 % std::size(corners)] : random() >> (random() % 64));
  }
  return values;
}

}  // namespace

TEST_CASE("every instruction of RV64IMA, Zba, Zbb and Zbs computes what the manual says", "[mgmt]") {
  auto& m = test::Machine::plain();
  std::ifstream in(test::program_path("operations.txt"));
  std::string op;
  int64_t imm = 0;
  unsigned results = 0, pairs = 0;
  REQUIRE(in >> op >> pairs >> results);
  REQUIRE(op == "pairs");
  const std::vector<uint64_t> operands = operand_values(pairs);
  REQUIRE(operands.size() == 2 * pairs);

  m.load("operations.elf");
  for (unsigned i = 0; i < operands.size(); ++i) m.set_word(test::kOperands + 8 * i, operands[i]);
  REQUIRE(m.run());
  CHECK(m.faults.empty());

  unsigned index = 0, tests = 0, wrong = 0;
  while (in >> op >> imm >> results) {
    ++tests;
    for (unsigned p = 0; p < pairs; ++p) {
      const uint64_t a = operands[2 * p], b = operands[2 * p + 1];
      const std::vector<uint64_t> want = expected(op, imm, a, b);
      REQUIRE(want.size() == results);
      for (unsigned r = 0; r < results; ++r, ++index) {
        if (m.result(index) == want[r]) continue;
        if (++wrong <= 5) {
          UNSCOPED_INFO(op << " " << imm << " of " << std::hex << a << " and " << b << " result " << r << ": "
                           << m.result(index) << ", expected " << want[r]);
        }
      }
    }
  }
  CHECK(tests > 300);
  CHECK(wrong == 0);
}
