#include <fmt/format.h>

#include <random>
#include <set>

#include "mgmt/pmp.h"
#include "test/catch.h"
#include "test/seed.h"
#include "test_machine.h"

using namespace rdu;
using namespace rdu::mgmt;

// What programs/paging.S and programs/modes.S find, against the rules of the privileged specification written
// down here once more.
namespace {

constexpr uint64_t kLoadPage = 13, kStorePage = 15, kFetchPage = 12;
constexpr uint64_t kProbed = 0x40000000;

/// The modes of paging.S in its order.
struct View {
  bool supervisor, sum, mxr;
  bool by_mprv = false;
  uint64_t works;  ///< the cause of the ECALL behind an access that works
};
constexpr View kViews[] = {{true, false, false, false, 9}, {true, true, false, false, 9},
                           {true, false, true, false, 9},  {false, false, false, false, 8},
                           {false, false, true, false, 8}, {true, true, false, true, 11},
                           {false, false, false, true, 11}};

struct Flags {
  bool v, r, w, x, u, a, d;
};

enum Kind { kLoad, kStore, kFetch };

bool permitted(const Flags& f, const View& view, Kind kind) {
  if (!f.v || (f.w && !f.r)) return false;
  if (!f.r && !f.x) return false;  // a pointer, at the last level
  if (f.u && view.supervisor && (kind == kFetch || !view.sum)) return false;
  if (!f.u && !view.supervisor) return false;
  if (kind == kLoad) return f.r || (view.mxr && f.x);
  return kind == kStore ? f.w : f.x;
}

}  // namespace

TEST_CASE("page tables: every combination of flags in every mode", "[mgmt]") {
  for (test::Machine* m : {&test::Machine::plain(), &test::Machine::other()}) {
    m->execute("paging.elf");
    const bool misaligned_works = m == &test::Machine::other();
    unsigned index = 0;
    const auto half = [&] {
      const uint64_t value = m->word(test::kResults + 2 * (index & ~3u)) >> (16 * (index & 3));
      ++index;
      return value & 0xffff;
    };
    unsigned wrong = 0, worked = 0;
    for (const bool update : {false, true}) {
      for (unsigned bits = 0; bits < 128; ++bits) {
        const auto flag = [bits](unsigned n) { return (bits >> n & 1) != 0; };
        const Flags f{flag(0), flag(1), flag(2), flag(3), flag(4), flag(5), flag(6)};
        for (unsigned v = 0; v < std::size(kViews); ++v) {
          const View& view = kViews[v];
          for (const Kind kind : {kLoad, kStore, kFetch}) {
            const uint64_t entry = (bits & 0x1f) | (bits & 0x60) << 1;
            uint64_t cause = view.works, left = entry;
            if (view.by_mprv && kind == kFetch) {
              // MPRV does not concern fetches: in machine mode there is nothing at this address.
              cause = 1;
            } else if (!permitted(f, view, kind) || (!update && (!f.a || (kind == kStore && !f.d)))) {
              cause = kind == kLoad ? kLoadPage : kind == kStore ? kStorePage : kFetchPage;
            } else {
              ++worked;
              left |= 0x40 | (kind == kStore ? 0x80 : 0);
            }
            const uint64_t found = half();
            if (found != (cause << 8 | left) && wrong++ == 0) {
              INFO(fmt::format(
                  "ADUE {} flags {:#x} view {} access {}: cause {} entry {:#x}, expected {} {:#x}", update,
                  entry, v, static_cast<int>(kind), found >> 8, found & 0xff, cause, left));
              CHECK(false);
            }
          }
        }
      }
    }
    CHECK(wrong == 0);
    CHECK(worked > 300);

    index = 0x10000 / 8;
    const auto next = [&] { return m->result(index++); };
    const auto works = [&](uint64_t address) {
      INFO(fmt::format("load from {:#x}", address));
      CHECK(next() == 9);
      next();
    };
    const auto faults = [&](uint64_t address, uint64_t cause) {
      INFO(fmt::format("load from {:#x}", address));
      CHECK(next() == cause);
      CHECK(next() == address);
    };
    works(kProbed + 8);
    works(kProbed + 0x200008);              // 2 MiB
    faults(kProbed + 0x400000, kLoadPage);  // misaligned superpage
    faults(kProbed + 0x600010, 5);          // a table where no memory is
    faults(kProbed + 0x800000, kLoadPage);  // a pointer with A
    faults(kProbed + 0x1000, kLoadPage);    // a pointer at the last level
    faults(kProbed + 0x2000, kLoadPage);    // a reserved bit
    faults(kProbed | uint64_t{1} << 39, kLoadPage);
    faults(kProbed | uint64_t{1} << 38, kLoadPage);
    faults(0xffffffffffffff00, kLoadPage);
    faults(0xc0000008, kLoadPage);  // a user page
    works(kProbed + 8);             // Sv48
    works(kProbed | uint64_t{1} << 39);
    faults(kProbed | uint64_t{1} << 47, kLoadPage);
    faults(kProbed | uint64_t{1} << 48, kLoadPage);
    faults(0x1000000, kLoadPage);
    CHECK(next() == (uint64_t{9} << 60 | 0x80303));
    CHECK(next() == (uint64_t{8} << 60 | 0x80300));
    CHECK(next() == 0x5a5a);
    CHECK(next() == 9);
    CHECK(next() == kLoadPage);
    if (misaligned_works) {
      CHECK(next() == 9);
      next();
      CHECK(next() == 0x4455667788112233u);
      faults(kProbed + 0x1000, kLoadPage);  // the part that is missing
    } else {
      faults(kProbed + 0xffd, 4);
      next();
      faults(kProbed + 0xffd, 4);
    }
  }
}

TEST_CASE("modes, delegation, supervisor interrupts, counters and what each mode may do", "[mgmt]") {
  auto& m = test::Machine::plain();
  m.execute("modes.elf");
  // As the program records them: mcause, or scause | 0x100, or 0x700 | number of a vectored interrupt; mtval
  // or stval; mstatus or sstatus.
  unsigned index = 0;
  const auto found = [&](std::initializer_list<uint64_t> expected) {
    for (const uint64_t e : expected) {
      INFO("result " << index);
      CHECK(m.result(index++) == e);
    }
  };
  constexpr uint64_t kLengths = 0xa00000000, kUserLength = 0x200000000;  // SXL and UXL, UXL alone
  constexpr uint64_t kMppS = 0x800, kMppM = 0x1800, kSie = 0x2, kSpie = 0x20, kTvm = 1u << 20, kTw = 1u << 21,
                     kTsr = 1u << 22;
  // Nothing delegated.
  found({8, 0, kLengths});
  found({9, 0, kLengths | kMppS});
  found({2, 0xffffffff, kLengths});
  found({3});
  ++index;  // EBREAK's address
  found({kLengths | kMppS});
  // Delegated: not from machine mode, not machine mode's ECALL.
  found({0xb3ff});
  found({0x108, 0, kUserLength | kSpie});
  found({9, 0, kLengths | kMppS | kSie});
  found({0x102, 0xffffffff, kUserLength});
  found({2, 0xffffffff, kLengths | kMppM});
  // Instructions by mode and mstatus.
  found({9, 0, kLengths | kMppS});
  found({2, 0x12000073, kLengths | kMppS | kTvm});
  found({2, 0x12000073, kLengths});
  found({9, 0, kLengths | kMppS});
  found({2, 0x18002573, kLengths | kMppS | kTvm});
  found({2, 0x18001073, kLengths | kMppS | kTvm});
  found({2, 0x10500073, kLengths | kMppS | kTw});
  found({2, 0x10500073, kLengths});
  found({2, 0x10200073, kLengths | kMppS | kTsr});
  found({2, 0x10200073, kLengths});
  found({2, 0x30200073, kLengths | kMppS});
  found({8, 0, kLengths | kSie | kSpie});   // SRET to user mode
  found({9, 0, kLengths | kMppS | kSpie});  // and to supervisor mode
  found({9, 0, kLengths | kMppS});          // MPRV is gone
  // Interrupts: mideleg, mip, sip, sie, mip after sip = 0.
  found({0x222, 0x222, 0x222, 0x222, 0x220});
  found({9, 0, kLengths | kMppS});  // SIE is off
  found({0x701, 0, 0});
  found({0x701, 0, 0});
  found({0x709, 0, 0});
  found({0x701, 0, 0});
  found({0x705, 0, 0});
  found({0x705, 0, 0});  // machine mode's
  // stimecmp: forbidden twice, then pending when time gets there, whatever is written to mip.
  found({2, 0x14d02573, kLengths | kMppS});
  found({2, 0x14d02573, kLengths | kMppS});
  found({9, 0, kLengths | kMppS});
  found({0, 0, 0x20, 0x20, 0});
  // Counters.
  found({0, 0, 77, 1});
  found({9, 0, kLengths | kMppS});
  found({2, 0xc0202573, kLengths | kMppS});
  found({2, 0xc0002573, kLengths});
  found({8, 0, kLengths});
  found({2, 0xc0202573, kLengths});
  CHECK(m.result(index) == 0);

  // Every CSR that can be read, and by which modes: 1 machine, 3 supervisor too, 7 all.
  const auto expected = [](unsigned n) -> unsigned {
    const auto in = [n](unsigned first, unsigned last) { return n >= first && n <= last; };
    if (in(0xc00, 0xc1f)) return 7;
    const std::set<unsigned> supervisor = {0x100, 0x104, 0x105, 0x106, 0x10a, 0x140,
                                           0x141, 0x142, 0x143, 0x144, 0x14d, 0x180};
    if (supervisor.count(n)) return 3;
    const std::set<unsigned> machine = {0x300, 0x301, 0x302, 0x303, 0x304, 0x305, 0x306, 0x30a, 0x320,
                                        0x340, 0x341, 0x342, 0x343, 0x344, 0x3a0, 0x3a2, 0xb00, 0xb02};
    const bool is_machine = machine.count(n) || in(0x323, 0x33f) || in(0x3b0, 0x3bf) || in(0x7a0, 0x7a3) ||
                            in(0xb03, 0xb1f) || in(0xf11, 0xf15);
    return is_machine ? 1 : 0;
  };
  for (unsigned n = 0; n < 4096; ++n) {
    if (n >= 1 && n <= 3) continue;  // floating point: with mstatus.FS off here
    const auto modes = static_cast<uint8_t>(m.word(0x300000 + (n & ~7u)) >> 8 * (n & 7));
    if (modes == expected(n)) continue;
    INFO(fmt::format("CSR {:#x}", n));
    CHECK(modes == expected(n));
  }
}

// ---- PMP

namespace {

/// As the specification words it, byte by byte.
bool pmp_permits(const std::vector<uint8_t>& config, const std::vector<uint64_t>& address, uint64_t at,
                 unsigned size, Access access, Privilege privilege) {
  for (unsigned i = 0; i < Pmp::kEntries; ++i) {
    unsigned inside = 0;
    for (uint64_t byte = at; byte < at + size; ++byte) {
      const uint64_t word = byte >> 2;
      bool match = false;
      switch (config[i] >> 3 & 3) {
        case 1:
          match = (i == 0 || word >= address[i - 1]) && word < address[i];
          break;
        case 2:
          match = word == address[i];
          break;
        case 3: {
          unsigned ones = 0;
          while (ones < 54 && (address[i] >> ones & 1)) ++ones;
          match = word >> (ones + 1) == address[i] >> (ones + 1);
          break;
        }
        default:
          break;
      }
      inside += match;
    }
    if (inside == 0) continue;
    if (inside != size) return false;
    if (privilege == Privilege::machine && !(config[i] & 0x80)) return true;
    return (config[i] >> (access == Access::load ? 0 : access == Access::store ? 1 : 2) & 1) != 0;
  }
  return privilege == Privilege::machine;
}

}  // namespace

TEST_CASE("PMP decides as the specification words it", "[mgmt]") {
  INFO("RDU_SEED=" << test_seed());
  std::mt19937_64 random(test_seed());
  for (unsigned round = 0; round < 300; ++round) {
    Pmp pmp;
    std::vector<uint8_t> config(Pmp::kEntries);
    std::vector<uint64_t> address(Pmp::kEntries);
    for (unsigned i = 0; i < Pmp::kEntries; ++i) {
      address[i] = 0x20000000 + random() % 0x900;
      if (random() % 2) address[i] |= (uint64_t{1} << random() % 10) - 1;
      config[i] = static_cast<uint8_t>(random() & 0x9f);
      if (random() % 3 == 0) config[i] &= 0x87;  // off
      if ((config[i] & 1) == 0) config[i] &= 0xfd;
      pmp.set_address(i, address[i]);
    }
    for (unsigned bank = 0; bank < 2; ++bank) {
      uint64_t value = 0;
      for (unsigned i = 0; i < 8; ++i) value |= uint64_t{config[8 * bank + i]} << 8 * i;
      pmp.set_config(bank, value);
      CHECK(pmp.config(bank) == value);
    }
    // Locked ones do not change, nor does the base of a locked range.
    for (unsigned i = 0; i < Pmp::kEntries; ++i) {
      const bool base = i + 1 < Pmp::kEntries && (config[i + 1] & 0x98) == 0x88;
      if ((config[i] & 0x80) || base) pmp.set_address(i, 1);
      CHECK(pmp.address(i) == address[i]);
    }
    unsigned wrong = 0;
    for (unsigned k = 0; k < 300; ++k) {
      const unsigned size = 1u << random() % 4;
      const uint64_t at = (0x80000000 + random() % 0x2800) & ~uint64_t{size - 1};
      const auto access = static_cast<Access>(random() % 3);
      const Privilege privilege =
          std::array{Privilege::user, Privilege::supervisor, Privilege::machine}[random() % 3];
      const bool expected = pmp_permits(config, address, at, size, access, privilege);
      wrong += (pmp.check(at, size, access, privilege) == Pmp::Verdict::allowed) != expected;
      // What is said of a page holds for each word of it.
      const uint64_t page = at & ~uint64_t{0xfff};
      const Pmp::Verdict verdict = pmp.check(page, 4096, access, privilege);
      if (verdict != Pmp::Verdict::mixed) wrong += (verdict == Pmp::Verdict::allowed) != expected;
    }
    CHECK(wrong == 0);
  }
  Pmp pmp;
  pmp.set_config(0, 0x1a);  // W without R
  CHECK(pmp.config(0) == 0x18);
  pmp.set_address(3, ~uint64_t{0});
  CHECK(pmp.address(3) == (uint64_t{1} << 54) - 1);
}
