#include <functional>

#include "compiler/compile.h"
#include "compiler/graph.h"
#include "test/catch.h"

using namespace rdu::compiler;
using Catch::Matchers::Contains;

namespace {

/// load "in" -> PCU "p" -> store "out", to be broken in all ways.
struct Chain {
  Graph g{"chain", "A test"};
  Value rows = g.number("rows", "rows", 4, 400, 4);
  Load load;
  Simd simd;
  Store store;

  Chain() {
    load.base = g.address("in", "input");
    load.rows = {{rows, 64}};
    simd.vectors = rows;
    simd.in[0] = Format::bf16;
    simd.out = Format::bf16;
    simd.stages = {{Op::mov, Operand::in0}};
    store.base = g.address("out", "output");
    store.rows = {{rows, 64}};
  }
  Graph graph() const {
    Graph result = g;
    const Node a = result.add("in", load), b = result.add("p", simd), c = result.add("out", store);
    result.connect(a, b);
    result.connect(b, c);
    return result;
  }
};

Scratchpad small_pad() {
  Scratchpad pad;
  pad.buffer_size = 128;
  pad.write = {{2, 64}};
  pad.read = {{2, 64}};
  return pad;
}

void check_throws(const std::function<void()>& act, const std::string& text) {
  try {
    act();
    FAIL("nothing was refused, expected: " << text);
  } catch (const Error& e) {
    CHECK_THAT(e.what(), Contains(text));
  }
}

}  // namespace

TEST_CASE("values keep their form through arithmetic") {
  Graph g("values", "");
  const Value n = g.number("n", "", 0, 1000000);
  const auto check = [](const Value& v, const std::function<uint64_t(uint64_t)>& expected) {
    for (uint64_t a : {0, 1, 5, 6, 7, 35, 36, 37, 71, 72, 1000, 99999}) CHECK(v.at(a) == expected(a));
  };
  check(n, [](uint64_t a) { return a; });
  check(n + 3, [](uint64_t a) { return a + 3; });
  check(n * 3 + 4, [](uint64_t a) { return a * 3 + 4; });
  check((n + 3) * 4, [](uint64_t a) { return (a + 3) * 4; });
  check(n / 6, [](uint64_t a) { return a / 6; });
  check((n / 6 + 5) / 4, [](uint64_t a) { return (a / 6 + 5) / 4; });
  check((n / 6 + 5) / 4 * 24 + 1, [](uint64_t a) { return (a / 6 + 5) / 4 * 24 + 1; });
  check(n / 6 * 24 / 8, [](uint64_t a) { return a / 6 * 3; });
  check((n * 3 + 7) / 5, [](uint64_t a) { return (a * 3 + 7) / 5; });
  check(Value(7) * 6 / 4 + 1, [](uint64_t) { return 11; });
  CHECK(Value(5).is_constant());
  CHECK_FALSE((n / 2).is_constant());
  check_throws([&] { n / 0; }, "division by zero");
  check_throws([&] { n / 6 * 5 / 4; }, "cannot be divided by 4");
  check_throws([&] { (n * 2).at(~0ull); }, "too large");
  check_throws([&] { n * ~0ull * 2; }, "too large");
}

TEST_CASE("a legal graph compiles") {
  const Program p = compile(Chain().graph());
  CHECK(p.units().size() == 3);
  CHECK(p.info().kernel == "chain");
}

TEST_CASE("arguments must make sense") {
  Graph g("g", "");
  g.number("n", "", 4, 8);
  check_throws([&] { g.number("n", "", 0, 1); }, "argument 'n' is declared twice");
  check_throws([&] { g.address("", ""); }, "has no name");
  check_throws([&] { g.number("m", "", 9, 11, 4); }, "no possible value");
  check_throws([&] { g.number("m", "", 0, 11, 0); }, "multiple of zero");
  check_throws([] { Graph("", ""); }, "has no name");
  Chain c;
  c.g.number("idle", "", 0, 1);
  check_throws([&] { compile(c.graph()); }, "kernel 'chain': argument 'idle' is used nowhere");
}

TEST_CASE("units must be possible") {
  Graph g("g", "");
  const auto refuse = [&](auto unit, const std::function<void(decltype(unit)&)>& change,
                          const std::string& text) {
    change(unit);
    check_throws([&] { g.add("u", unit); }, "unit 'u': " + text);
  };
  using L = Load;
  refuse(
      L{}, [](L& u) { u.row_bytes = 0; }, "bytes of a row is 0");
  refuse(
      L{}, [](L& u) { u.row_bytes = 65537; }, "bytes of a row is 65537");
  refuse(
      L{}, [](L& u) { u.rows.resize(7); }, "7 row counters, there are 6");
  refuse(
      L{}, [](L& u) { u.index_stride = int64_t{1} << 31; }, "index stride 2147483648 does not fit 32 bits");
  refuse(
      Store{}, [](Store& u) { u.op = MemoryOp::fadd, u.row_bytes = 6; },
      "bytes of a row is 6, but atomic writes are of words of 4 bytes");
  refuse(
      L{},
      [](L& u) {
        u.rows = {{0, 4}};
      },
      "row is 0");
  refuse(
      L{},
      [](L& u) {
        u.rows = {{2, 1ll << 31}};
      },
      "row stride 2147483648 does not fit 32 bits");
  using P = Scratchpad;
  refuse(
      small_pad(), [](P& u) { u.buffers = 17; }, "buffers is 17");
  refuse(
      small_pad(), [](P& u) { u.buffer_size = 0; }, "the buffer size is zero");
  refuse(
      small_pad(), [](P& u) { u.write_bytes = 65; }, "bytes written of a packet is 65");
  refuse(
      small_pad(), [](P& u) { u.lanes = 33; }, "lanes is 33");
  refuse(
      small_pad(), [](P& u) { u.element = Element::word; }, "lanes is 32, it must be 1 to 16");
  refuse(
      small_pad(), [](P& u) { u.lane_stride = 3; }, "lane stride 3 is not a multiple");
  refuse(
      small_pad(),
      [](P& u) {
        u.read = {{2, 1}};
      },
      "read stride 1 is not a multiple");
  refuse(
      small_pad(), [](P& u) { u.read.resize(7); }, "7 read counters, there are 6");
  refuse(
      small_pad(), [](P& u) { u.bank_skew = 32; }, "bank skew is 32");
  using M = Matrix;
  refuse(
      M{}, [](M& u) { u.k = 0; }, "k is 0");
  refuse(
      M{}, [](M& u) { u.rows = 9; }, "rows is 9");
  refuse(
      M{}, [](M& u) { u.lanes = 33; }, "lanes is 33");
  using S = Simd;
  refuse(
      S{}, [](S&) {}, "it has no stages");
  refuse(
      S{},
      [](S& u) {
        u.stages = {{Op::mov, Operand::prev}};
      },
      "stage 0 reads the stage before it");
  refuse(
      S{}, [](S& u) { u.stages = {{Op::nop}}; }, "stage 0 passes on a result");
  refuse(
      S{},
      [](S& u) {
        u.stages = {{Op::mov, Operand::const0}};
      },
      "its stages read no input");
  refuse(
      S{},
      [](S& u) {
        u.stages = {{Op::fadd, Operand::in0, Operand::reg1}};
      },
      "stage 0 reads register 1, which no earlier");
  refuse(
      S{},
      [](S& u) {
        u.stages = {{Op::mov, Operand::in0, Operand::prev, 4}};
      },
      "stage 0 saves in register 4");
  refuse(
      S{},
      [](S& u) {
        u.stages.assign(9, {Op::mov, Operand::in0});
      },
      "stages is 9");
  refuse(
      M{}, [](M& u) { u.out = Format::int32; }, "int8 products leave as int32 or int8");
  refuse(
      M{}, [](M& u) { u.int8 = true; }, "int8 products leave as int32 or int8");
  S good;  // a sum over four vectors
  good.inner = {4};
  good.stages = {{Op::fadd, Operand::in0, Operand::reg0, 0, Operand::const0}, {Op::fred_sum}};
  good.stages[0].replace_b = Predicate::first(0);
  good.send = Predicate::last(0);
  g.add("good", good);
  refuse(
      good, [](S& u) { u.inner = {1, 1, 1, 1, 1, 1}; }, "6 inner counters, there are 5");
  refuse(
      good, [](S& u) { u.inner = {0}; }, "an inner counter is 0");
  refuse(
      good, [](S& u) { u.send = Predicate::last(2); }, "its output looks at counter 2, but there are 2");
  refuse(
      good, [](S& u) { u.take[0] = Predicate::equal(0, 1 << 24); },
      "input 0 compares a counter with 16777216");
  refuse(
      good, [](S& u) { u.stages[1].save = 0; }, "stage 1 saves in register 0, as an earlier one does");
  refuse(
      good,
      [](S& u) {
        u.stages.push_back({Op::nop, {}, {}, 1});
      },
      "stage 2 is a nop and has nothing to save");
  refuse(
      good, [](S& u) { u.stages[1].replace_b = Predicate::first(0); }, "stage 1 has no operand B to replace");
  refuse(
      good, [](S& u) { u.stages[0].replace_b = {}; }, "stage 0 always replaces B; let it read C instead");
  refuse(
      good, [](S& u) { u.stages[0].a = Operand::count2; }, "stage 0 reads counter 2, but there are 2");
  refuse(
      good, [](S& u) { u.stages.push_back({Op::iargmax}); },
      "more than one stage has a cross-lane operation");
  refuse(
      good,
      [](S& u) {
        u.stages[1] = {Op::up, Operand::prev, Operand::reg1, 1};
      },
      "stage 1 has a cross-lane operation and reads the register that it saves");
  refuse(
      good,
      [](S& u) {
        u.out = Format::bf16_sr;
        u.stages.push_back({Op::srbf16});
      },
      "it rounds stochastically in two places");
  refuse(
      good, [](S& u) { u.in[0] = Format::bf16_sr; }, "input 0 cannot be rounded");
  refuse(
      good,
      [](S& u) {
        u.stages[1].when = !Predicate::first(0);
        u.take[0] = Predicate::less(1, 3);
      },
      "4 different predicates, there are 3");
  check_throws([&] { g.add("", Load{}); }, "has no name");
  check_throws([&] { g.add("a b", Load{}); }, "characters other than letters");
  check_throws([&] { g.add("b", Load{}, "\033[2J"); }, "unit 'b' has control characters");
  g.add("u", Load{});
  check_throws([&] { g.add("u", Load{}); }, "added twice");
}

TEST_CASE("streams must connect outputs with inputs") {
  Graph g("g", "");
  Chain c;
  const Node in = g.add("in", Load{}), p = g.add("p", c.simd), out = g.add("out", Store{});
  check_throws([&] { g.connect(out, p); }, "unit 'out' has no output");
  check_throws([&] { g.connect(in, p, 1); }, "unit 'p' does not use an input 1");
  check_throws([&] { g.connect(in, p, 40); }, "does not use an input 40");
  check_throws([&] { g.connect(p, in); }, "unit 'in' does not use an input 0");
  check_throws([&] { g.connect(in, Node{9}); }, "another graph");
  g.connect(in, p);
  check_throws([&] { g.connect(in, p); }, "connected to 'in' already");
  check_throws([&] { compile(g); }, "output of unit 'p' goes nowhere");
  Graph h("h", "");
  const Node x = h.add("x", Load{});
  h.add("y", Store{});
  check_throws([&] { compile(h); }, "output of unit 'x' goes nowhere");
  Graph i("i", "");
  i.connect(i.add("a", Load{}), i.add("b", small_pad()));
  check_throws([&] { compile(i); }, "output of unit 'b' goes nowhere");
  Graph j("j", "");
  j.add("s", Store{});
  check_throws([&] { compile(j); }, "input 0 of unit 's' is not connected");
  check_throws([] { compile(Graph("k", "")); }, "has no units");
  (void)x;
}

TEST_CASE("both ends of a stream must agree about its packets, for every argument") {
  Chain c;
  c.load.row_bytes = 65;
  check_throws([&] { compile(c.graph()); },
               "unit 'in' sends 8 packets, but input 0 of 'p' takes 4, for rows = 4");
  c = Chain();
  c.simd.in[0] = Format::fp32;
  check_throws([&] { compile(c.graph()); }, "'in' sends 4 packets, but input 0 of 'p' takes 8");
  c = Chain();
  c.store.rows = {{c.rows / 8 * 8, 64}};
  check_throws([&] { compile(c.graph()); }, "can become zero");
  c.store.rows = {{(c.rows + 4) / 8 * 8, 64}};
  check_throws([&] { compile(c.graph()); }, "takes 8, for rows = 4");
  c.store.rows = {{(c.rows + 4) / 4 * 4, 64}};
  check_throws([&] { compile(c.graph()); }, "for rows = 4");
  c.store.rows = {{c.rows / 4 * 4, 64}};  // the same, because rows is a multiple of 4
  CHECK_NOTHROW(compile(c.graph()));
}

TEST_CASE("scratchpad addresses stay in their buffer and read what was written") {
  const auto refuse = [](const std::function<void(Scratchpad&, const Value&)>& change,
                         const std::string& text) {
    Graph g("g", "");
    const Value rows = g.number("rows", "", 1, 100);
    Load load;
    load.row_bytes = 128;
    Scratchpad pad = small_pad();
    change(pad, rows);
    Store store;
    store.base = rows;  // so that it is used somewhere
    store.row_bytes = 128;
    const Node a = g.add("a", load), b = g.add("b", pad), c = g.add("c", store);
    g.connect(a, b);
    g.connect(b, c);
    check_throws([&] { compile(g); }, text);
  };
  refuse(
      [](auto& p, auto&) {
        p.write = {{2, 65}};
      },
      "write addresses go from 0 to 128, its buffer has 128 bytes");
  refuse([](auto& p, auto&) { p.write = {{2, -64}}; }, "write addresses go from -64 to 63");
  refuse([](auto& p, auto&) { p.read = {{2, 66}}; }, "read addresses go from 0 to 129");
  refuse([](auto& p, auto&) { p.lane_stride = -2; }, "read addresses go from -62 to 65");
  refuse([](auto& p, auto&) { p.write = {{2, 0}}; }, "byte 64 of a buffer is read but never written");
  refuse([](auto& p, auto&) { p.write_bytes = 62; }, "byte 62 of a buffer is read but never written");
  refuse(
      [](auto& p, auto& rows) {
        p.write = {{rows, 64}}, p.buffer_size = 65536;
      },
      "read but never written");
  refuse(
      [](auto& p, auto& rows) {
        p.buffer_size = 65536;
        p.write = {{rows + 1, 64}};
      },
      "'a' sends 2 packets, but input 0 of 'b' takes");
  refuse([](auto& p, auto&) { p.buffer_size = 512 * 1024, p.buffers = 2; },
         "do not fit a PMU of 524288 bytes");
}

TEST_CASE("a scratchpad address may not depend on an argument") {
  Graph g("g", "");
  const Value rows = g.number("rows", "", 2, 100);
  Load load;
  load.rows = {{rows, 64}};
  Scratchpad pad;
  pad.buffer_size = 6400;
  pad.write = {{rows, 64}};
  pad.read = {{rows, 64}};
  Store store;
  store.rows = {{rows, 64}};
  const Node a = g.add("a", load), b = g.add("b", pad), c = g.add("c", store);
  g.connect(a, b);
  g.connect(b, c);
  check_throws([&] { compile(g); }, "a scratchpad address may not depend on argument 'rows'");
}

TEST_CASE("what the tile lacks is named") {
  Chain c;
  Target target;
  target.stages = 1;
  c.simd.stages = {{Op::mov, Operand::in0}, {Op::mov, Operand::prev}};
  check_throws([&] { compile(c.graph(), target); }, "unit 'p': 2 stages, a PCU has 1");
  target = {};
  target.lanes = 16;
  check_throws([&] { compile(Chain().graph(), target); }, "unit 'p': 32 lanes, a PCU has 16");
  target = {};
  target.shape = {1, 1, 2};
  check_throws([&] { compile(Chain().graph(), target); }, "cannot exist");

  const auto wide = [](unsigned chains) {
    Graph g("wide", "");
    for (unsigned i = 0; i < chains; ++i) {
      const std::string n = std::to_string(i);
      Chain chain;
      Load load;
      Store store;
      Simd simd = chain.simd;
      simd.vectors = 1;
      const Node a = g.add("a" + n, load), b = g.add("b" + n, simd), d = g.add("d" + n, store);
      g.connect(a, b);
      g.connect(b, d);
    }
    return g;
  };
  target = {};
  target.shape = {2, 2, 1};
  check_throws([&] { compile(wide(5), target); },
               "kernel 'wide': the program needs 5 PCUs, a tile of 2 x 2 cells has 4");
  target.shape = {2, 3, 1};
  check_throws([&] { compile(wide(5), target); }, "needs 5 load generators (one in each AGCU)");
  target.shape = {6, 6, 1};
  check_throws([&] { compile(wide(9), target); }, "has 9 stores, the master AGCU can wait for 8 done tokens");
  CHECK_NOTHROW(compile(wide(8), target));
}

TEST_CASE("streams of predicated firings are counted") {
  // Three vectors a row; input 1 is taken once a row, and what is sent follows from `send`.
  const auto build = [](const Predicate& send, uint32_t sent_a_row) {
    Graph g("rows", "");
    const Value x = g.address("x", "", 64), y = g.address("y", "", 64), rows = g.number("rows", "", 1, 100);
    Load all, once;
    all.base = once.base = x;
    all.rows = {{3, 64}, {rows, 0}};
    once.rows = {{rows, 64}};
    Simd simd;
    simd.vectors = rows;
    simd.inner = {3};
    simd.in = {Format::bf16, Format::int8, {}, {}};
    simd.out = Format::int8;
    simd.take[1] = Predicate::first(0);
    simd.stages = {{Op::iadd, Operand::in0, Operand::in1}};
    simd.send = send;
    Store store;
    store.base = y;
    store.rows = {{rows * sent_a_row, 64}};
    const Node n = g.add("pcu", simd);
    g.connect(g.add("all", all), n, 0);
    g.connect(g.add("once", once), n, 1);
    g.connect(n, g.add("out", store));
    g.check();
  };
  build({}, 3);
  build(Predicate::last(0), 1);
  build(!Predicate::last(0), 2);
  build(Predicate::equal(0, 1), 1);
  build(Predicate::less(0, 2), 2);
  CHECK_THROWS_WITH(build(Predicate::last(0), 3), Catch::Matchers::Contains("'pcu' sends"));
  CHECK_THROWS_WITH(build(Predicate::first(1), 1), Catch::Matchers::Contains("'pcu' sends 1 packets"));
}

TEST_CASE("pipelines of a PMU: what cannot be is refused") {
  const auto refuse = [](const std::function<void(PatternMemory&)>& change, const std::string& text) {
    PatternMemory pad = in_full(small_pad());
    change(pad);
    check_throws([&] { Graph("g", "").add("p", pad); }, text);
  };
  using Address = Access::Address;
  using Range = Access::Range;
  CHECK_NOTHROW(Graph("g", "").add("p", in_full(small_pad())));
  refuse([](auto& p) { p = {}; }, "unit 'p': it has no pipelines");
  refuse([](auto& p) { p.writers.resize(3, p.writers[0]); }, "write pipelines is 3, it must be 0 to 2");
  refuse([](auto& p) { p.readers[0].buffers = 32; },
         "unit 'p', read pipeline 0: buffers is 32, it must be 1 to 31");
  refuse([](auto& p) { p.readers[0].base = 1; }, "the base 1 is not a multiple of the element size 2");
  refuse([](auto& p) { p.readers[0].lanes = 33; }, "lanes is 33, it must be 1 to 32");
  refuse([](auto& p) { p.writers[0].input = 4; }, "an input is 4, it must be 0 to 3");
  refuse([](auto& p) { p.writers[0].address = Address::sequence; },
         "addresses that depend on data need a range");
  refuse([](auto& p) { p.writers[0].range = Range::drop; }, "the range from 0 to 0 is empty");
  refuse([](auto& p) { p.writers[0].range = Range::zero, p.writers[0].high = 64; },
         "only read pipelines give zeros");
  refuse(
      [](auto& p) {
        p.writers[0].address = Address::sequence, p.writers[0].range = Range::drop, p.writers[0].high = 64;
      },
      "neither a predicate nor strides");
  refuse(
      [](auto& p) {
        p.readers[0].address = Address::index, p.readers[0].range = Range::zero, p.readers[0].high = 64;
      },
      "input 0 has two uses");
  refuse([](auto& p) { p.writers[0].when = Predicate::first(0); }, "the predicates equal and less only");
  refuse([](auto& p) { p.writers[0].when = !Predicate{}; }, "no access would be done");
  refuse([](auto& p) { p.readers[0].wait = 4; }, "no pipeline waits for token 1, which one gives");
  refuse([](auto& p) { p.readers[0].give = 0; }, "no pipeline gives token 0, which one waits for");
  refuse([](auto& p) { p.readers.push_back(p.readers[0]); },
         "read pipeline 1: it gives a token that another pipeline gives, too");
}

TEST_CASE("pipelines stay in the scratchpad, and what they send is counted") {
  const auto build = [](const std::function<void(PatternMemory&)>& change, uint32_t packets) {
    Graph g("g", "");
    PatternMemory pad = in_full(small_pad());
    change(pad);
    Load load;
    load.row_bytes = 128;
    Store store;
    store.row_bytes = 64 * packets;
    const Node a = g.add("a", load), b = g.add("b", pad), c = g.add("c", store);
    g.connect(a, b);
    g.connect({b, 0}, c);
    compile(g);
  };
  using Range = Access::Range;
  build([](auto&) {}, 2);
  build([](auto& p) { p.readers[0].when = Predicate::equal(0, 1); }, 1);
  build([](auto& p) { p.readers[0].when = !Predicate::less(0, 1); }, 1);
  build([](auto& p) { p.readers[0].when = Predicate::less(3, 1); }, 2);
  build([](auto& p) { p.readers[0].range = Range::drop, p.readers[0].high = 64; }, 1);
  build([](auto& p) { p.readers[0].range = Range::zero, p.readers[0].high = 64; }, 2);
  check_throws([&] { build([](auto& p) { p.readers[0].when = Predicate::equal(0, 1); }, 2); },
               "unit 'b' sends 1 packets, but input 0 of 'c' takes 2");
  check_throws([&] { build([](auto& p) { p.readers[0].base = -2; }, 2); },
               "unit 'b': a pipeline goes 2 bytes below the scratchpad");
  check_throws([&] { build([](auto& p) { p.readers[0].base = 512 * 1024 - 64; }, 2); },
               "unit 'b': 524352 bytes do not fit a PMU of 524288 bytes");
  check_throws([&] { build([](auto& p) { p.readers.push_back(Reader{}); }, 2); },
               "output 1 of unit 'b' goes nowhere");
}

TEST_CASE("streams that end at one input have sequence ids, all of them and none twice") {
  const auto build = [](std::optional<Sequence> first, std::optional<Sequence> second, uint32_t packets) {
    Graph g("g", "");
    Load a, b;
    a.rows = b.rows = {{4, 64}};
    a.sequence = first, b.sequence = second;
    Store store;
    store.rows = {{packets, 64}};
    const Node out = g.add("out", store);
    g.connect(g.add("a", a), out);
    g.connect(g.add("b", b), out);
    return compile(g);
  };
  const Program p = build(Sequence{0, 2}, Sequence{1, 2}, 8);
  const auto joins = [](const RouteEntry& r) { return r.sinks.size() == 1 && r.sinks[0].unit == "out"; };
  CHECK(std::count_if(p.routes().begin(), p.routes().end(), joins) == 2);
  CHECK_NOTHROW(Program::parse(p.serialize().data(), p.serialize().size(), "p"));
  check_throws([&] { build({}, Sequence{1, 2}, 8); }, "input 0 of unit 'out' is connected to 'a' already");
  check_throws([&] { build(Sequence{0, 2}, {}, 8); }, "input 0 of unit 'out' is connected to 'a' already");
  check_throws(
      [&] {
        build(Sequence{0, 2}, Sequence{1, 2}, 7);
      },
      "the 2 units from 'a' to 'b' send 8 packets, but input 0 of 'out' takes 7");
  check_throws(
      [&] {
        build(Sequence{0, 2}, Sequence{2, 2}, 8);
      },
      "input 0 of unit 'out': packets of 'a' and 'b' may have the same sequence id");
  check_throws(
      [&] {
        build(Sequence{0, 2}, Sequence{1, 4}, 8);
      },
      "'b' numbers its packets up to 13, but there are 8 in all, so some id never comes");
}
