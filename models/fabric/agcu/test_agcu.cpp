#include <array>
#include <memory>
#include <random>

#include "fabric/agcu/agcu.h"
#include "fabric/agcu/agcu_config.h"
#include "fabric/agcu/atomic.h"
#include "fabric/agcu/clocked_agcu.h"
#include "fabric/agcu/row_walker.h"
#include "fabric/standstill.h"
#include "fabric/stream/pins.h"
#include "fabric/test/harness.h"
#include "fabric/test/units.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::fabric;
using namespace rdu::fabric::test;
namespace A = rdu::regs::agcu;

namespace {

AgcuConfig::Rows rows(uint64_t base, uint64_t bytes, std::initializer_list<Loop> loops) {
  AgcuConfig::Rows r;
  r.base = base;
  r.bytes = bytes;
  unsigned level = 0;
  for (const Loop& loop : loops) r.counters.set(level++, loop.count, static_cast<uint32_t>(loop.stride));
  r.count = r.counters.total();
  return r;
}

std::vector<Piece> pieces(const AgcuConfig::Rows& r, uint64_t request_bytes = 256) {
  RowWalker walker;
  walker.start(r);
  std::vector<Piece> all;
  while (!walker.done()) all.push_back(walker.next(request_bytes));
  return all;
}

void require(const Piece& piece, uint64_t address, uint32_t bytes, uint32_t packets) {
  REQUIRE(piece.address == address);
  REQUIRE(piece.bytes == bytes);
  REQUIRE(piece.packets == packets);
}

}  // namespace

TEST_CASE("requests: rows that follow each other in memory become one") {
  const auto all = pieces(rows(0x1000, 128, {{8, 128}}));
  REQUIRE(all.size() == 4);
  for (unsigned i = 0; i < 4; ++i) require(all[i], 0x1000 + 256 * i, 256, 4);
}

TEST_CASE("requests: rows apart in memory stay apart") {
  const auto all = pieces(rows(0x1000, 128, {{3, 512}}));
  REQUIRE(all.size() == 3);
  for (unsigned i = 0; i < 3; ++i) require(all[i], 0x1000 + 512 * i, 128, 2);
}

TEST_CASE("requests: none crosses a multiple of request_bytes, unless a single packet does") {
  const auto all = pieces(rows(0x10c0, 640, {}));
  REQUIRE(all.size() == 4);
  require(all[0], 0x10c0, 64, 1);
  require(all[1], 0x1100, 256, 4);
  require(all[2], 0x1200, 256, 4);
  require(all[3], 0x1300, 64, 1);
  const auto odd = pieces(rows(0x10e0, 192, {}));
  REQUIRE(odd.size() == 2);
  require(odd[0], 0x10e0, 64, 1);
  require(odd[1], 0x1120, 128, 2);
}

TEST_CASE("requests: short rows share one, each in a packet of its own") {
  const auto all = pieces(rows(0, 40, {{14, 40}}));
  REQUIRE(all.size() == 5);
  require(all[0], 0, 240, 6);
  require(all[1], 240, 40, 1);
  require(all[2], 280, 200, 5);
  require(all[3], 480, 40, 1);
  require(all[4], 520, 40, 1);
}

TEST_CASE("requests: at most a block of packets") {
  const auto all = pieces(rows(0, 2, {{100, 2}}));
  REQUIRE(all.size() == 2);
  require(all[0], 0, 128, 64);
  require(all[1], 128, 72, 36);
}

TEST_CASE("requests cover every packet once, in order") {
  std::mt19937_64 random(test_seed());
  for (int round = 0; round < 300; ++round) {
    const uint64_t bytes = 1 + random() % 300;
    const auto r = rows(
        random() % 5000 + 100'000, bytes,
        {{static_cast<uint32_t>(random() % 5), static_cast<int32_t>(random() % 2 ? bytes : random() % 700)},
         {static_cast<uint32_t>(random() % 5), static_cast<int32_t>(random() % 900) - 450}});
    std::vector<std::pair<uint64_t, uint32_t>> expect;  // address, bytes of each packet
    Counters<6> counters = r.counters;
    counters.rewind();
    for (uint64_t row = 0; row < r.count; ++row, counters.next()) {
      for (uint64_t at = 0; at < bytes; at += 64) {
        expect.emplace_back(r.base + static_cast<uint64_t>(counters.offset()) + at,
                            std::min<uint64_t>(64, bytes - at));
      }
    }
    const uint64_t request_bytes = 64 << random() % 4;
    std::vector<std::pair<uint64_t, uint32_t>> got;
    for (const Piece& piece : pieces(r, request_bytes)) {
      uint32_t sum = 0;
      piece.for_each_packet([&](uint32_t, uint32_t offset, uint32_t n) {
        got.emplace_back(piece.address + offset, n);
        REQUIRE(offset == sum);
        sum += n;
      });
      REQUIRE(sum == piece.bytes);
      REQUIRE((piece.packets == 1 ||
               piece.address / request_bytes == (piece.address + piece.bytes - 1) / request_bytes));
    }
    REQUIRE(got == expect);
  }
}

TEST_CASE("configurations that an AGCU cannot execute are refused") {
  const auto refused = [](const ConfigWords& words, bool master = false) {
    try {
      AgcuConfig::decode(words, master);
      return std::string();
    } catch (const BadConfig& e) {
      return std::string(e.what());
    }
  };
  const ConfigWords off = ConfigWords::reset_of<A::Registers>();
  REQUIRE(refused(off).empty());
  ConfigWords words = off;
  set_load(words, 0x1000, 64, {{4, -64}});
  REQUIRE(refused(words).empty());
  set_load(words, 0x1000, 0, {});
  REQUIRE(refused(words) == "LOAD_ROW_BYTES = 0 is not in 1..65536");
  set_load(words, 0x1000, 65537, {});
  REQUIRE(refused(words) == "LOAD_ROW_BYTES = 65537 is not in 1..65536");
  set_load(words, 0x100, 64, {{6, -64}});
  REQUIRE(refused(words) == "LOAD rows leave the 64-bit address space");
  set_load(words, ~uint64_t{0} - 64, 64, {{2, 1}});
  REQUIRE(refused(words) == "LOAD rows leave the 64-bit address space");
  words = off;
  set_store(words, 0, 64, {{1u << 20, 0}, {1u << 20, 0}, {2, 0}});
  REQUIRE(refused(words) == "the STORE counters iterate more than 2^40 times");
  words = off;
  words.set(A::kSTORE_OFFSET, A::STORE::DONE_TOKEN, 1);
  REQUIRE(refused(words) == "STORE.DONE_TOKEN without STORE.ENABLE");
  words = off;
  set_load(words, 0x1000, 66, {{6, 64}});
  words.set(A::kSCALAR_OFFSET, A::SCALAR::OUT, 1);
  REQUIRE(refused(words) == "LOAD_ROW_BYTES = 66 is no number of words, as SCALAR.OUT needs it");
  set_load(words, 0x1000, 64, {{6, 64}});
  words.set(A::kLOAD_OFFSET, A::LOAD::SEQUENCE, 1);
  REQUIRE(refused(words) == "SCALAR.OUT with LOAD.SEQUENCE or LOAD.DYNAMIC: words carry neither");
  words.set(A::kSCALAR_OFFSET, A::SCALAR::OUT, 0);
  REQUIRE(refused(words).empty());
  words.set(A::kLOAD_OFFSET, A::LOAD::WAIT, 1);
  words.set(A::kLOAD_FILL_OFFSET, 4);
  REQUIRE(refused(words) == "the LOAD counters' 6 rows are no multiple of LOAD_FILL = 4");
  words.set(A::kLOAD_FILL_OFFSET, 3);
  REQUIRE(refused(words).empty());
  set_store(words, 0, 64, {});
  words.set(A::kSTORE_OFFSET, A::STORE::WAIT, 1);
  REQUIRE(refused(words) == "token input 0 is waited for twice");
  words.set(A::kSTORE_OFFSET, A::STORE::WAIT_INPUT, 7);
  REQUIRE(refused(words).empty());
  words.set(A::kSTORE_OFFSET, A::STORE::SIGNAL, 1);
  words.set(A::kSTORE_OFFSET, A::STORE::DONE_TOKEN, 1);
  REQUIRE(refused(words) == "STORE.SIGNAL and STORE.DONE_TOKEN: there is one wire for both");
  words = off;
  words.set(A::kSCALAR_OFFSET, A::SCALAR::OUT, 1);
  REQUIRE(refused(words) == "SCALAR.OUT without LOAD.ENABLE");
  words = off;
  set_load(words, 0x100, 64, {{6, -64}});
  words.set(A::kLOAD_OFFSET, A::LOAD::INDEX, 1);
  REQUIRE(refused(words).empty());  // where an index leads, nobody knows
  set_store(words, 0x100, 64, {});
  REQUIRE(refused(words).empty());
  words.set(A::kSTORE_OFFSET, A::STORE::INDEX, 1);
  REQUIRE(refused(words) == "LOAD.INDEX and STORE.INDEX: input 1 serves one of them");
  words = off;
  set_store(words, 0x102, 64, {{2, 64}});
  REQUIRE(refused(words).empty());
  words.set(A::kSTORE_OFFSET, A::STORE::OP, A::STORE::OP_IADD);
  REQUIRE(refused(words) == "STORE_BASE = 0x102 is no multiple of 4, as STORE.OP needs it");
  set_store(words, 0x100, 62, {{2, 64}});
  REQUIRE(refused(words) == "STORE_ROW_BYTES = 0x3e is no multiple of 4, as STORE.OP needs it");
  set_store(words, 0x100, 60, {{2, 62}});
  REQUIRE(refused(words) == "STORE_STRIDE = 0x3e is no multiple of 4, as STORE.OP needs it");
  set_store(words, 0x100, 60, {{1, 62}});
  REQUIRE(refused(words).empty());
  words.set(A::kSTORE_OFFSET, A::STORE::INDEX, 1);
  words.set(A::kSTORE_INDEX_STRIDE_OFFSET, 1);
  REQUIRE(refused(words) == "STORE_INDEX_STRIDE = 0x1 is no multiple of 4, as STORE.OP needs it");
  words.set(A::kSTORE_OFFSET, A::STORE::OP, 8);
  REQUIRE(refused(words) == "STORE.OP = 8 is no operation");
  words = off;
  words.set(A::kMASTER_OFFSET, A::MASTER::TOKENS, 1);
  REQUIRE(refused(words, true).empty());
  REQUIRE(refused(words) == "MASTER.TOKENS on an AGCU that is not the master");
}

TEST_CASE("whether generators touch the same byte") {
  const auto overlap = [](uint64_t base, std::initializer_list<Loop> loops) {
    return overlap_of(rows(0x1000, 64, loops), rows(base, 64, loops));
  };
  REQUIRE(overlap(0x1100, {{4, 64}}) == Overlap::none);
  REQUIRE(overlap(0x10ff, {{4, 64}}) == Overlap::some);
  REQUIRE(overlap(0x1040, {{4, 128}}) == Overlap::none);  // every other row
  REQUIRE(overlap(0x1020, {{4, 128}}) == Overlap::some);
  REQUIRE(overlap(0x1030, {{2, 192}, {2, 1000}}) == Overlap::some);
  REQUIRE(overlap(0x1080, {{2, 192}, {2, 1000}}) == Overlap::none);
  REQUIRE(overlap(0x1040, {{100'000, 128}}) == Overlap::none);
  REQUIRE(overlap(0x1020, {{100'000, 128}}) == Overlap::unknown);  // too many to look at
  AgcuConfig::Rows anywhere = rows(0x1000, 64, {{4, 64}});
  anywhere.indexed = true;
  REQUIRE(overlap_of(anywhere, rows(0x9000, 64, {})) == Overlap::unknown);
}

TEST_CASE("what atomic writes do") {
  using Op = AgcuConfig::Op;
  const auto apply = [](Op op, uint32_t memory, uint32_t data) {
    const std::array<uint32_t, 2> words{data, 0};
    std::array<uint32_t, 2> at{memory, 7};
    modify_of(op)(reinterpret_cast<uint8_t*>(at.data()), reinterpret_cast<const uint8_t*>(words.data()), 4);
    REQUIRE(at[1] == 7);
    return at[0];
  };
  REQUIRE(modify_of(Op::write) == nullptr);
  REQUIRE(apply(Op::fadd, 0x3f800000, 0x40000000) == 0x40400000);  // 1 + 2 = 3
  REQUIRE(apply(Op::fadd, 0x7f800000, 0xff800000) == 0x7fc00000);  // infinities of both signs
  REQUIRE(apply(Op::fadd, 0x00000001, 0x80000001) == 0x00000000);  // subnormals are zero
  REQUIRE(apply(Op::fadd, 0x7fa12345, 0) == 0x7fc00000);
  REQUIRE(apply(Op::iadd, 0xffffffff, 2) == 1);
  REQUIRE(apply(Op::imax, 0xffffffff, 1) == 1);
  REQUIRE(apply(Op::imax, 5, 0x80000000) == 5);
  REQUIRE(apply(Op::imin, 0xffffffff, 1) == 0xffffffff);
  REQUIRE(apply(Op::imin, 5, 0x80000000) == 0x80000000);
  REQUIRE(apply(Op::bits_and, 0xff00ff00, 0x0ff00ff0) == 0x0f000f00);
  REQUIRE(apply(Op::bits_or, 0xff00ff00, 0x0ff00ff0) == 0xfff0fff0);
  REQUIRE(apply(Op::bits_xor, 0xff00ff00, 0x0ff00ff0) == 0xf0f0f0f0);
}

TEST_CASE("index lists: a request ends where the indices of a packet do") {
  AgcuConfig::Rows r = rows(0x1000, 32, {{40, 0}});
  r.indexed = true;
  r.index_stride = 32;
  RowWalker walker;
  walker.start(r);
  std::array<int32_t, 16> indices{};
  for (int32_t packet = 0; packet < 3; ++packet) {
    REQUIRE(walker.needs_indices());
    for (int32_t i = 0; i < 16; ++i) indices[static_cast<size_t>(i)] = 16 * packet + i - 8;
    walker.give_indices(reinterpret_cast<const uint8_t*>(indices.data()));
    REQUIRE_FALSE(walker.needs_indices());
    const auto base = 0x1000 + 32 * (16 * static_cast<int64_t>(packet) - 8);
    require(walker.next(256), static_cast<uint64_t>(base), 256, 8);
    if (packet == 2) break;
    require(walker.next(256), static_cast<uint64_t>(base) + 256, 256, 8);
  }
  REQUIRE(walker.done());
  REQUIRE_FALSE(walker.needs_indices());
}

TEST_CASE("who waits for whom: circles first, the shortest; else who keeps others waiting") {
  const auto pcu = [](unsigned n) { return RDU_UNIT(RDU_UNIT_PCU, 0, n); };
  Standstill graph;
  REQUIRE(graph.explain().text.empty());
  graph.waits(pcu(1), pcu(2), "a");
  graph.rests(pcu(2), "sleeps");
  REQUIRE(graph.explain().text == "pcu[0][1] waits for a, but pcu[0][2] sleeps");
  REQUIRE(graph.explain().unit == pcu(1));
  graph.waits(pcu(3), pcu(4), "b");
  graph.waits(pcu(4), pcu(5), "c");
  graph.waits(pcu(5), pcu(3), "d");
  REQUIRE(graph.explain().text ==
          "3 units wait for each other: pcu[0][3] waits for b, pcu[0][4] waits for c, pcu[0][5] waits for d, "
          "and so on "
          "in a circle");
  graph.waits(pcu(4), pcu(3), "e");
  REQUIRE(graph.explain().text ==
          "2 units wait for each other: pcu[0][3] waits for b, pcu[0][4] waits for e, and so on in a circle");
  REQUIRE(graph.explain().unit == pcu(3));
}

TEST_CASE("fills end requests") {
  AgcuConfig::Rows r = rows(0, 64, {{12, 64}});
  r.fill = 3;
  RowWalker walker;
  walker.start(r);
  for (unsigned fill = 0; fill < 4; ++fill) {
    REQUIRE(walker.begins_fill());
    const Piece piece = walker.next(256);
    // 192 bytes a fill; requests end at multiples of 256, too.
    if (fill % 4 == 1 || fill % 4 == 2) {
      const uint32_t first = fill == 1 ? 1 : 2;
      require(piece, 192 * fill, 64 * first, first);
      REQUIRE_FALSE(piece.ends_fill);
      REQUIRE_FALSE(walker.begins_fill());
      const Piece rest = walker.next(256);
      require(rest, 192 * fill + 64 * first, 64 * (3 - first), 3 - first);
      REQUIRE(rest.ends_fill);
    } else {
      require(piece, 192 * fill, 192, 3);
      REQUIRE(piece.ends_fill);
    }
  }
  REQUIRE(walker.done());
}

namespace {

/// Memory that answers a read of address a with the bytes a, a + 1, .. when it is told to.
class LateMemory : public rdu::core::TransferPort,
                   public rdu::core::AddressTranslator,
                   public MemoryListener {
 public:
  void post(rdu::core::Transfer& t) override { waiting_.push_back(&t); }
  bool debug(uint64_t, uint8_t*, uint64_t, bool) override { return false; }
  bool translate(unsigned, uint64_t address, uint64_t, bool, uint64_t* physical) override {
    *physical = address;
    return true;
  }
  void memory_fault(const Fault&) override { REQUIRE(false); }
  void memory_answered() override {}

  /// Answers everything, each `cycles` after its issue.
  void answer(uint64_t cycles) {
    const std::vector<rdu::core::Transfer*> now = std::move(waiting_);
    waiting_.clear();
    for (rdu::core::Transfer* t : now) {
      for (uint32_t i = 0; i < t->length; ++i) t->data[i] = static_cast<uint8_t>(t->address + i);
      t->done = t->issue + cycles * 625;
      t->status = rdu::core::TransferStatus::ok;
      t->client->completed(*t);
    }
  }

 private:
  std::vector<rdu::core::Transfer*> waiting_;
};

/// A load generator and who takes what it sends.
struct LoadBench {
  LoadBench(const ConfigWords& words, bool is_clocked)
      : config(AgcuConfig::decode(words, false)), memory(late, late, params, late), sink(context) {
    const uint32_t id = RDU_UNIT(RDU_UNIT_AGCU, 1, 0);
    if (is_clocked) {
      agcu = std::make_unique<ClockedAgcu>(context, id, config, words, memory, 0, "agcu");
    } else {
      agcu = std::make_unique<Agcu>(context, id, config, memory, 0, "agcu");
    }
    (config.to_scalar ? agcu->scalar_output(0, 0) : agcu->packet_output(0, 0)).connect(sink.input, 1, params);
    for (Unit* unit : std::initializer_list<Unit*>{agcu.get(), &sink}) {
      unit->start(0);
      unit->wake();
    }
    do {
      late.answer(100);
      context.work.run(~uint64_t{0}, &memory);
    } while (!agcu->finished());
  }
  FabricParams params;
  Context context{params};
  LateMemory late;
  AgcuConfig config;
  Memory memory;
  std::unique_ptr<Unit> agcu;
  Sink sink;
};

}  // namespace

TEST_CASE("words to the scalar output: in order of address, one a cycle") {
  const bool is_clocked = GENERATE(false, true);
  ConfigWords words = ConfigWords::reset_of<A::Registers>();
  set_load(words, 0x10, 20, {{3, 64}});
  words.set(A::kSCALAR_OFFSET, A::SCALAR::OUT, 1);
  LoadBench b(words, is_clocked);
  REQUIRE(b.sink.packets.size() == 15);
  for (size_t i = 0; i < 15; ++i) {
    const auto first = static_cast<uint8_t>(0x10 + 64 * (i / 5) + 4 * (i % 5));
    REQUIRE(b.sink.packets[i][0] == first);
    REQUIRE(b.sink.packets[i][3] == first + 3);
  }
  // Requests issue at 2, 3, 4 and are there at 103, 104, 105; a word a cycle, and a wire.
  for (size_t i = 0; i < 15; ++i) REQUIRE(b.sink.times[i] == 103 + i + 1);
}

TEST_CASE("packets carry sequence ids and destinations") {
  const bool is_clocked = GENERATE(false, true);
  ConfigWords words = ConfigWords::reset_of<A::Registers>();
  set_load(words, 0x1000, 256, {{2, 256}});
  LoadBench plain(words, is_clocked);
  REQUIRE(plain.sink.heads == std::vector<uint64_t>(8, 0));
  words.set(A::kLOAD_OFFSET, A::LOAD::SEQUENCE, 1);
  words.set(A::kLOAD_SEQ_OFFSET, A::LOAD_SEQ::FIRST, 0xfffa);
  words.set(A::kLOAD_SEQ_OFFSET, A::LOAD_SEQ::STEP, 3);
  LoadBench sequence(words, is_clocked);
  for (size_t i = 0; i < 8; ++i) REQUIRE(sequence.sink.heads[i] == ((0xfffa + 3 * i) & 0xffff));
  words.set(A::kLOAD_OFFSET, A::LOAD::DYNAMIC, 1);
  words.set(A::kLOAD_DEST_OFFSET, A::LOAD_DEST::COLUMN, 5);
  words.set(A::kLOAD_DEST_OFFSET, A::LOAD_DEST::ROW, 6);
  words.set(A::kLOAD_DEST_OFFSET, A::LOAD_DEST::PORT, 17);
  LoadBench dynamic(words, is_clocked);
  for (size_t i = 0; i < 8; ++i) {
    REQUIRE(PacketHead::sequence(dynamic.sink.heads[i]) == ((0xfffa + 3 * i) & 0xffff));
    REQUIRE(PacketHead::destination(dynamic.sink.heads[i]) == (5 | 6 << 8 | 17 << 16));
  }
}
