#include <elf.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <random>

#include "compiler/compile.h"
#include "compiler/container.h"
#include "test/catch.h"

using namespace rdu::compiler;

namespace {

constexpr uint32_t kPcu = RDU_UNIT(RDU_UNIT_PCU, 1, 1);

/// Doubles rows of 64 bytes: load, one PCU, store.
Graph small_graph() {
  Graph g("small", "A test");
  const Value in = g.address("in", "input rows", 4);
  const Value out = g.address("out", "output rows", 4);
  const Value rows = g.number("rows", "how many", 6, 600, 6);
  Load load;
  load.base = in + 768;
  load.rows = {{rows, 64}};
  Store store;
  store.base = out;
  store.rows = {{rows / 6 * 6, 64}};
  Simd twice;
  twice.vectors = rows;
  twice.in[0] = Format::bf16;
  twice.out = Format::bf16;
  twice.stages = {{Op::fadd, Operand::in0, Operand::in0}};
  const Node x = g.add("x", load, "loads");
  const Node y = g.add("y", twice);
  const Node z = g.add("z", store);
  g.connect(x, y);
  g.connect(y, z);
  g.property("colour", "blue");
  return g;
}

Target small_target() {
  Target target;
  target.shape = {2, 3, 2};
  return target;
}

Program small_program() {
  return compile(small_graph(), small_target());
}

ProgramParts small_parts() {
  const Program p = small_program();
  return {p.info(), p.config(), p.arguments(), p.units(), p.routes(), p.tokens()};
}

std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string parse_error(const std::vector<uint8_t>& bytes) {
  return error_of([&] { Program::parse(bytes.data(), bytes.size(), "f.rdu"); });
}

}  // namespace

TEST_CASE("unit ids have names and back") {
  for (uint32_t id : {RDU_UNIT(RDU_UNIT_PCU, 0, 12), RDU_UNIT(RDU_UNIT_PMU, 19, 0),
                      RDU_UNIT(RDU_UNIT_SWITCH, 4095, 4095), RDU_UNIT(RDU_UNIT_AGCU, 3, 1)}) {
    CHECK(parse_unit_text(unit_text(id)) == id);
  }
  CHECK(unit_text(RDU_UNIT(RDU_UNIT_AGCU, 3, 1)) == "AGCU 3.E");
  for (const char* bad : {"", "PCU", "PCU 1", "PCU 1.", "PCU .1", "PCU 01.1", "PCU 1.1 ", "PCU -1.1",
                          "XYZ 1.1", "AGCU 1.X", "AGCU 1.0", "PCU 4096.0", "PCU 1.:", "PCU  1.1"}) {
    CHECK(has(error_of([&] { parse_unit_text(bad); }), "does not name a unit"));
  }
}

TEST_CASE("a configuration stream comes back and refuses nonsense") {
  Configuration c({2, 3, 2});
  c.set(kPcu, 5, 7);
  c.set(kPcu, 6, 8);
  c.set(kPcu, 0, 1);
  const auto stream = c.stream();
  CHECK(stream.size() == 64 + 64);  // header and table, then one chunk
  const Configuration back = Configuration::parse(stream);
  CHECK(back.units() == c.units());
  CHECK(back.get(kPcu, 6) == 8u);
  CHECK_FALSE(back.get(kPcu, 7));
  CHECK(has(error_of([&] { c.set(kPcu, 5, 9); }), "word 5 of PCU 1.1 would be both 0x7 and 0x9"));
  CHECK(has(error_of([&] { c.set(kPcu, 256, 9); }), "has 256 words"));
  CHECK(has(error_of([&] { c.set(RDU_UNIT(RDU_UNIT_PCU, 2, 0), 0, 9); }), "PCU 2.0 is not in a tile"));
  CHECK(has(error_of([] { Configuration({0, 3, 2}); }), "cannot exist"));
  CHECK(has(error_of([] { Configuration({3, 3, 5}); }), "vector channels"));
  for (size_t size = 0; size < stream.size(); ++size) {
    CHECK_THROWS_AS(Configuration::parse({stream.begin(), stream.begin() + static_cast<long>(size)}), Error);
  }
  for (size_t bit = 0; bit < stream.size() * 8; ++bit) {
    auto bad = stream;
    bad[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    // The header has no checksum of its own: a changed shape that still holds the units is another valid
    // stream.
    const bool shape = bit / 8 >= 6 && bit / 8 < 12;
    if (!shape) CHECK_THROWS_AS(Configuration::parse(bad), Error);
  }
}

TEST_CASE("a program survives the container") {
  const Program p = small_program();
  const auto bytes = p.serialize();
  CHECK(bytes == small_program().serialize());
  const Program q = Program::parse(bytes.data(), bytes.size(), "f.rdu");
  CHECK(q.serialize() == bytes);
  CHECK(q.info().kernel == "small");
  CHECK(q.info().properties.at("colour") == "blue");
  CHECK(q.config() == p.config());
  CHECK(q.shape() == Shape{2, 3, 2});
  REQUIRE(q.units().size() == 3);
  CHECK(q.units()[0].name == "x");
  CHECK(q.units()[0].note == "loads");
  CHECK(q.units()[1].role == Role::pcu);
  REQUIRE(q.arguments().size() == 3);
  CHECK(q.arguments()[0].address);
  CHECK(q.arguments()[2].fixups.size() == 3);
  REQUIRE(q.routes().size() == 2);
  CHECK(q.routes()[0].sinks[0].unit == "y");
  REQUIRE(q.tokens().size() == 1);
  CHECK(q.tokens()[0].source == "z");
}

TEST_CASE("arguments become tuples") {
  const Program p = small_program();
  const uint64_t in = 0x100000001000, out = 0x100000002000;
  const auto tuples = p.make_tuples({{"in", in}, {"out", out}, {"rows", 60}});
  REQUIRE(tuples.size() == 5);
  CHECK(tuples[0].unit == p.units()[0].id);
  CHECK(tuples[0].word == 2);
  CHECK(tuples[0].count == 2);
  CHECK(tuples[0].value == in + 768);
  CHECK(tuples[1].value == out);
  CHECK(tuples[2].value == 60);
  CHECK(tuples[2].count == 1);
  const auto message = [&](const std::map<std::string, uint64_t>& v) {
    return error_of([&] { p.make_tuples(v); });
  };
  CHECK(message({{"in", 0}, {"out", 0}}) == "kernel 'small': argument 'rows' is missing (how many)");
  CHECK(message({{"in", 0}, {"out", 0}, {"rows", 6}, {"row", 1}}) ==
        "kernel 'small' has no argument 'row' (it has: in, out, rows)");
  CHECK(has(message({{"in", 0}, {"out", 0}, {"rows", 7}}), "= 7 is not a multiple of 6"));
  CHECK(has(message({{"in", 0}, {"out", 0}, {"rows", 0}}), "out of range (6 to 600)"));
  CHECK(has(message({{"in", 0}, {"out", 0}, {"rows", 606}}), "out of range"));
  CHECK(has(message({{"in", ~0ull - 3}, {"out", 0}, {"rows", 6}}), "out of range"));
}

TEST_CASE("illegal parts are refused") {
  const auto refuse = [](const std::function<void(ProgramParts&)>& change) {
    ProgramParts parts = small_parts();
    change(parts);
    return error_of([&] { Program p(std::move(parts), "p"); });
  };
  CHECK(refuse([](auto&) {}).empty());
  CHECK(has(refuse([](auto& p) { p.info.kernel = ""; }), "no name"));
  CHECK(has(refuse([](auto& p) { p.info.description = "\033[31m"; }), "control characters"));
  CHECK(has(refuse([](auto& p) { p.info.properties["a\n"] = ""; }), "characters other than letters"));
  CHECK(has(refuse([](auto& p) { p.units[1].name = "x"; }), "listed twice"));
  CHECK(has(refuse([](auto& p) { p.units[1].name = ""; }), "no name"));
  CHECK(has(refuse([](auto& p) { p.units[1].id = RDU_UNIT(RDU_UNIT_PCU, 1, 3); }), "not in a tile of 2 x 3"));
  CHECK(has(refuse([](auto& p) { p.units[1].id ^= 1; }), "not configured"));
  CHECK(has(refuse([](auto& p) { p.units[1].role = Role::pmu; }), "cannot be a pmu on PCU"));
  CHECK(has(refuse([](auto& p) { p.units.erase(p.units.begin() + 1); }), "configured but not listed"));
  CHECK(has(refuse([](auto& p) { p.arguments[1].name = "in"; }), "listed twice"));
  CHECK(has(refuse([](auto& p) { p.arguments[0].fixups.clear(); }), "used nowhere"));
  CHECK(has(refuse([](auto& p) { p.arguments[0].fixups[0].divide = 0; }), "divided by zero"));
  CHECK(has(refuse([](auto& p) { p.arguments[0].fixups[0].count = 3; }), "writes 3 words"));
  CHECK(has(refuse([](auto& p) { p.arguments[0].fixups[0].word = 127; }), "writes 2 words from word 127"));
  CHECK(has(refuse([](auto& p) { p.arguments[0].fixups[0].word = 0x4c; }), "which the program does not use"));
  CHECK(has(refuse([](auto& p) { p.arguments[2].fixups[0].word = 3; }), "written already"));
  CHECK(has(refuse([](auto& p) { p.arguments[1].multiple = 0; }), "multiple of zero"));
  CHECK(has(refuse([](auto& p) { p.arguments[2].minimum = 601; }), "empty range"));
  CHECK(has(refuse([](auto& p) { p.config.pop_back(); }), "its header says"));
  CHECK(has(refuse([](auto& p) { p.routes.pop_back(); }), "is not listed"));
  CHECK(has(refuse([](auto& p) { p.routes[0].source = "w"; }), "names a unit 'w'"));
  CHECK(has(refuse([](auto& p) { p.routes[0].sinks[0].input = 1; }), "configured differently"));
  CHECK(has(refuse([](auto& p) { p.routes[0].hops[0].out ^= 1; }), "configured differently"));
  CHECK(has(refuse([](auto& p) { p.tokens[0].input = 1; }), "configured differently"));
  CHECK(has(refuse([](auto& p) { p.tokens.clear(); }), "is not listed"));
  const auto set = [](ProgramParts& p, uint32_t unit, unsigned word, uint32_t value) {
    Configuration c = Configuration::parse(p.config);
    c.set(unit, word, value);
    p.config = c.stream();
  };
  CHECK(has(refuse([&](auto& p) { set(p, p.units[1].id, 7, 1); }), "has no word 7"));
  CHECK(has(refuse([&](auto& p) { set(p, RDU_UNIT(RDU_UNIT_PMU, 1, 1), 1, 0x80); }), "sets reserved bits"));
}

TEST_CASE("foreign and damaged files name themselves") {
  const auto bytes = small_program().serialize();
  CHECK(has(parse_error({}), "f.rdu: is not an ELF file"));
  CHECK(has(parse_error({'h', 'e', 'l', 'l', 'o'}), "is not an ELF file"));
  auto other = bytes;
  other[18] = 62, other[19] = 0;
  CHECK(parse_error(other) == "f.rdu: is an ELF for x86-64, not an RDU program");
  other[18] = 243;
  CHECK(parse_error(other) == "f.rdu: is an ELF for RISC-V, not an RDU program");
  CHECK(has(error_of([] { Program::load("/nonexistent/f.rdu"); }), "No such file"));
  CHECK(has(error_of([] { Program::load("/proc/self/exe"); }), "is an ELF for "));

  for (size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(parse_error({bytes.begin(), bytes.begin() + static_cast<long>(size)}).empty());
  }
  auto longer = bytes;
  longer.push_back(0);
  CHECK_FALSE(parse_error(longer).empty());
  for (size_t at = 0; at < bytes.size(); ++at) {
    auto bad = bytes;
    bad[at] ^= static_cast<uint8_t>(1u << at % 8);
    CHECK_FALSE(parse_error(bad).empty());
  }
  // Inside a section, the text says which one.
  const std::string text(bytes.begin(), bytes.end());
  for (const auto& [word, section] : std::map<std::string, std::string>{
           {"how many", ".rdu.args"}, {"loads", ".rdu.units"}, {"blue", ".rdu.info"}}) {
    auto bad = bytes;
    bad[text.find(word)] ^= 1;
    CHECK(parse_error(bad) == "f.rdu: section " + section + " is damaged (checksum)");
  }
}

namespace {

uint32_t crc_of(const std::vector<uint8_t>& bytes, size_t offset, size_t size) {
  return static_cast<uint32_t>(crc32(0, bytes.data() + offset, static_cast<uInt>(size)));
}

/// Offsets and sizes of the sections, in order: the five of contents, then .rdu.check.
std::vector<std::pair<size_t, size_t>> sections_of(const std::vector<uint8_t>& file) {
  Elf64_Ehdr header;
  std::memcpy(&header, file.data(), sizeof header);
  std::vector<std::pair<size_t, size_t>> places;
  for (size_t i = 1; i + 1 < header.e_shnum; ++i) {
    Elf64_Shdr section;
    std::memcpy(&section, file.data() + header.e_shoff + i * sizeof section, sizeof section);
    places.emplace_back(section.sh_offset, section.sh_size);
  }
  return places;
}

/// Makes the checksums of a changed file right again.
void mend(std::vector<uint8_t>* file, const std::vector<std::pair<size_t, size_t>>& sections) {
  const size_t check = sections.back().first;
  const auto put = [&](size_t index, uint32_t value) {
    std::memcpy(file->data() + check + 4 * index, &value, 4);
  };
  for (size_t i = 0; i + 1 < sections.size(); ++i) {
    put(2 + i, crc_of(*file, sections[i].first, sections[i].second));
  }
  put(0, 0);
  put(0, crc_of(*file, 0, file->size()));
}

}  // namespace

TEST_CASE("a file whose checksums are right may still be nonsense") {
  const auto bytes = small_program().serialize();
  const auto sections = sections_of(bytes);
  REQUIRE(sections.size() == 6);
  auto same = bytes;
  mend(&same, sections);
  REQUIRE(same == bytes);
  std::mt19937 random(1);
  unsigned refused = 0;
  for (unsigned i = 0; i < 4000; ++i) {
    auto bad = bytes;
    const auto& [offset, size] = sections[random() % 5];
    for (unsigned k = random() % 3 + 1; k > 0; --k) {
      const size_t at = offset + random() % size;
      // A digit more often becomes another one, so that texts stay readable and numbers become wrong.
      const bool digit = bad[at] >= '0' && bad[at] <= '9';
      bad[at] = static_cast<uint8_t>(digit ? '0' + random() % 10 : random());
    }
    if (random() % 2 == 0) {  // the stream has a checksum of its own
      const uint32_t crc = crc_of(bad, sections[0].first + 32, sections[0].second - 32);
      std::memcpy(bad.data() + sections[0].first + 16, &crc, 4);
    }
    mend(&bad, sections);
    try {
      const Program p = Program::parse(bad.data(), bad.size(), "f.rdu");
      p.serialize();
      p.make_tuples({{"in", 0}, {"out", 0}, {"rows", 60}});
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 2000);  // the others changed words, descriptions and the like into other legal ones
}

TEST_CASE("texts that are not UTF-8 cannot be written") {
  ProgramParts parts = small_parts();
  parts.info.description = "\xff";
  CHECK(has(error_of([&] { Program(std::move(parts)).serialize(); }), "cannot be written"));
}
