#include "memory/slb.h"
#include "test/bus.h"
#include "test/catch.h"

using namespace rdu;

namespace {

constexpr uint64_t kSpan = uint64_t{1} << 44;

struct Holder : sc_core::sc_module {
  explicit Holder(const sc_core::sc_module_name& name) : sc_core::sc_module(name) {}
  memory::Slb slb{"slb"};
};

/// Writes a segment as software does.
void set_segment(memory::Slb& slb, unsigned context, unsigned index, uint64_t base, uint64_t limit,
                 uint64_t flags) {
  const uint64_t at = (context * memory::Slb::kSegments + index) * regs::slb::kSEGMENT_STRIDE;
  test::write64(slb.registers, at + regs::slb::kSEGMENT_BASE_OFFSET, base);
  test::write64(slb.registers, at + regs::slb::kSEGMENT_LIMIT_OFFSET, limit);
  test::write32(slb.registers, at + regs::slb::kSEGMENT_FLAGS_OFFSET, flags);
}

constexpr uint64_t kValid = regs::slb::SEGMENT_FLAGS::VALID.mask();
constexpr uint64_t kRead = regs::slb::SEGMENT_FLAGS::READ.mask();
constexpr uint64_t kWrite = regs::slb::SEGMENT_FLAGS::WRITE.mask();

}  // namespace

TEST_CASE("the segment table") {
  Holder holder("holder");
  memory::Slb& slb = holder.slb;
  uint64_t physical = 0;
  const auto allowed = [&](unsigned context, uint64_t address, uint64_t length, bool write) {
    physical = 0xdead;
    return slb.translate(context, address, length, write, &physical);
  };

  SECTION("nothing is valid after reset, so a null pointer faults") {
    for (unsigned context = 0; context < 8; ++context) {
      for (uint64_t index = 0; index < 4; ++index) CHECK_FALSE(allowed(context, index << 44, 1, false));
    }
  }
  SECTION("an access lies wholly inside its segment") {
    set_segment(slb, 3, 1, 0x1000000000, 0x1000, kValid | kRead | kWrite);
    CHECK(allowed(3, kSpan, 0x1000, false));
    CHECK(physical == 0x1000000000);
    CHECK(allowed(3, kSpan + 0xfff, 1, true));  // the last byte
    CHECK(physical == 0x1000000fff);
    CHECK_FALSE(allowed(3, kSpan + 0xfff, 2, true));
    CHECK_FALSE(allowed(3, kSpan + 0x1000, 1, false));
    CHECK(allowed(3, kSpan + 0x1000, 0, false));  // no bytes at all
    CHECK_FALSE(allowed(3, kSpan + 0x1001, 0, false));
    CHECK_FALSE(allowed(3, kSpan - 1, 2, false));
    CHECK_FALSE(allowed(3, kSpan, ~uint64_t{0}, false));
    CHECK_FALSE(allowed(3, 2 * kSpan, 1, false));  // the neighbour is not valid
  }
  SECTION("another context's segment is not one's own") {
    set_segment(slb, 3, 1, 0x1000000000, 0x1000, kValid | kRead);
    CHECK_FALSE(allowed(2, kSpan, 1, false));
    CHECK_FALSE(allowed(8, kSpan, 1, false));
    CHECK_FALSE(allowed(255, kSpan, 1, false));
    CHECK_FALSE(allowed(3 + 8, kSpan, 1, false));
  }
  SECTION("permissions are each their own") {
    set_segment(slb, 0, 1, 0, 16, kValid | kRead);
    set_segment(slb, 0, 2, 0, 16, kValid | kWrite);
    set_segment(slb, 0, 3, 0, 16, kRead | kWrite);
    CHECK(allowed(0, kSpan, 1, false));
    CHECK_FALSE(allowed(0, kSpan, 1, true));
    CHECK(allowed(0, 2 * kSpan, 1, true));
    CHECK_FALSE(allowed(0, 2 * kSpan, 1, false));
    CHECK_FALSE(allowed(0, 3 * kSpan, 1, false));
  }
  SECTION("addresses have 46 bits") {
    set_segment(slb, 0, 0, 0, 16, kValid | kRead);
    CHECK(allowed(0, 0, 1, false));
    CHECK_FALSE(allowed(0, 4 * kSpan, 1, false));
    CHECK_FALSE(allowed(0, uint64_t{1} << 63, 1, false));
  }
  SECTION("no limit lets an access run into the next segment") {
    set_segment(slb, 0, 1, 0, ~uint64_t{0}, kValid | kRead);
    set_segment(slb, 0, 2, 0, ~uint64_t{0}, kValid | kRead);
    CHECK(allowed(0, 2 * kSpan - 1, 1, false));
    CHECK_FALSE(allowed(0, 2 * kSpan - 1, 2, false));
  }
  SECTION("physical addresses do not wrap") {
    set_segment(slb, 0, 1, ~uint64_t{0} - 15, 64, kValid | kRead);
    CHECK(allowed(0, kSpan, 16, false));
    CHECK_FALSE(allowed(0, kSpan, 17, false));
    CHECK_FALSE(allowed(0, kSpan + 16, 1, false));
  }
  SECTION("a limit of zero allows nothing") {
    set_segment(slb, 0, 1, 0x80000000, 0, kValid | kRead | kWrite);
    CHECK_FALSE(allowed(0, kSpan, 1, false));
  }
}
