#include <vector>

#include "core/error.h"
#include "link/link_control.h"
#include "test/bus.h"
#include "test/catch.h"
#include "test/child.h"

using namespace rdu;
using link::LinkControl;
using link::LinkParams;
namespace r = regs::linkctl;
namespace status = regs::linkctl::LINK_STATUS;

namespace {

constexpr core::Time kPhase = 5 * core::kMicrosecond;

uint64_t at(unsigned n, uint64_t offset) {
  return r::kLINK_OFFSET + n * r::kLINK_STRIDE + offset;
}

struct Sink : core::InterruptSink {
  void set_interrupt(unsigned, bool level) override { high = level; }
  bool high = false;
};

struct Bench {
  explicit Bench(const LinkParams& params) : links("links", params) {
    bus.connect(links.registers.socket);
    links.interrupt.connect(sink, 0);
  }
  void train(unsigned n = 0) {
    test::write32(links.registers, at(n, r::kLINK_CONTROL_OFFSET), r::LINK_CONTROL::TRAIN.mask());
  }
  uint64_t get(core::Field field, unsigned n = 0) {
    return field.get(test::read32(links.registers, at(n, r::kLINK_STATUS_OFFSET)));
  }
  uint64_t read(uint64_t offset, unsigned n = 0) { return test::read32(links.registers, at(n, offset)); }

  test::Bus bus{"bus", 1};
  LinkControl links;
  Sink sink;
};

LinkParams loopback() {
  LinkParams p;
  p.plug = "loopback";
  return p;
}

}  // namespace

TEST_CASE("a link without a partner says so, after detection") {
  test::in_child([] {
    Bench b{LinkParams{}};
    REQUIRE(test::read32(b.links.registers, r::kCOUNT_OFFSET) == 4);
    REQUIRE(b.get(status::STATE) == status::STATE_DOWN);
    test::write32(b.links.registers, at(2, r::kLINK_IRQ_OFFSET), r::LINK_IRQ::ENABLE.mask());
    b.train(2);
    REQUIRE(b.get(status::STATE, 2) == status::STATE_DETECT);
    REQUIRE_FALSE(b.sink.high);
    test::run_past(kPhase);
    REQUIRE(b.get(status::STATE, 2) == status::STATE_NO_PARTNER);
    REQUIRE(b.sink.high);
    REQUIRE(test::read32(b.links.registers, r::kIRQ_STATUS_OFFSET) == 4);
    test::write32(b.links.registers, at(2, r::kLINK_IRQ_OFFSET), r::LINK_IRQ::DONE.mask());
    REQUIRE_FALSE(b.sink.high);
    REQUIRE_FALSE(sc_core::sc_pending_activity());
  });
}

TEST_CASE("a loopback plug trains through all states to full width and speed") {
  test::in_child([] {
    Bench b{loopback()};
    b.train();
    for (uint64_t state :
         {status::STATE_POLLING, status::STATE_CONFIGURATION, status::STATE_EQUALIZATION, status::STATE_UP}) {
      test::run_past(kPhase);
      REQUIRE(b.get(status::STATE) == state);
    }
    REQUIRE(b.get(status::WIDTH) == 16);
    REQUIRE(b.read(r::kLINK_SPEED_OFFSET) == 32000);
    REQUIRE(b.read(r::kLINK_LANES_OFFSET) == 0xffff);
    test::write32(b.links.registers, at(0, r::kLINK_CONTROL_OFFSET), r::LINK_CONTROL::DISABLE.mask());
    REQUIRE(b.get(status::STATE) == status::STATE_DOWN);
    REQUIRE(b.read(r::kLINK_SPEED_OFFSET) == 0);
  });
}

TEST_CASE("LIMIT bounds width and speed") {
  test::in_child([] {
    Bench b{loopback()};
    test::write32(b.links.registers, at(0, r::kLINK_LIMIT_OFFSET), 5 | 8000 << 8);
    b.train();
    test::run_past(4 * kPhase + 10);
    REQUIRE(b.get(status::STATE) == status::STATE_UP);
    REQUIRE(b.get(status::WIDTH) == 4);
    REQUIRE(b.read(r::kLINK_SPEED_OFFSET) == 8000);
  });
}

TEST_CASE("bad lanes narrow a link, or fail it when lane 0 is among them") {
  test::in_child([] {
    LinkParams p = loopback();
    p.bad_lanes = 1u << 9;
    Bench b{p};
    b.train();
    test::run_past(4 * kPhase + 10);
    REQUIRE(b.get(status::STATE) == status::STATE_UP);
    REQUIRE(b.get(status::WIDTH) == 8);
    REQUIRE(b.read(r::kLINK_LANES_OFFSET) == 0xfdff);
  });
  test::in_child([] {
    LinkParams p = loopback();
    p.bad_lanes = 1;
    Bench b{p};
    b.train();
    test::run_past(4 * kPhase + 10);
    REQUIRE(b.get(status::STATE) == status::STATE_FAILED);
    REQUIRE(b.get(status::ERROR) == status::ERROR_LANES);
  });
}

TEST_CASE("injected failures: a hang in polling, equalization always or the first times") {
  test::in_child([] {
    LinkParams p = loopback();
    p.failure = "hang";
    Bench b{p};
    b.train();
    test::run_past(100 * kPhase);
    REQUIRE(b.get(status::STATE) == status::STATE_POLLING);
    REQUIRE_FALSE(sc_core::sc_pending_activity());
  });
  test::in_child([] {
    LinkParams p = loopback();
    p.failing_attempts = 2;
    Bench b{p};
    for (int n = 0; n < 3; ++n) {
      b.train();
      test::run_past(4 * kPhase + 10);
      REQUIRE(b.get(status::STATE) == (n < 2 ? status::STATE_FAILED : status::STATE_UP));
      REQUIRE(b.get(status::ERROR) == (n < 2 ? status::ERROR_EQUALIZATION : status::ERROR_NONE));
    }
  });
}

TEST_CASE("two sockets wait for each other, and notice when the other goes") {
  test::in_child([] {
    LinkParams p;
    p.lanes = 8;
    LinkParams q;
    q.lane_speed = 16'000;
    test::Bus bus("bus", 2);
    LinkControl a("a", p);
    LinkControl b("b", q);
    bus.connect(a.registers.socket);
    bus.connect(b.registers.socket);
    a.connect(1, b, 3);
    const auto state = [](LinkControl& of, unsigned n) {
      return status::STATE.get(test::read32(of.registers, at(n, r::kLINK_STATUS_OFFSET)));
    };
    const auto train = [](LinkControl& of, unsigned n) {
      test::write32(of.registers, at(n, r::kLINK_CONTROL_OFFSET), r::LINK_CONTROL::TRAIN.mask());
    };
    train(a, 1);
    test::run_past(50 * kPhase);
    REQUIRE(state(a, 1) == status::STATE_POLLING);  // b has not begun
    train(b, 3);
    test::run_past(5 * kPhase + 10);
    REQUIRE(state(a, 1) == status::STATE_UP);
    REQUIRE(state(b, 3) == status::STATE_UP);
    for (auto [of, n] : {std::pair{&a, 1u}, std::pair{&b, 3u}}) {
      REQUIRE(status::WIDTH.get(test::read32(of->registers, at(n, r::kLINK_STATUS_OFFSET))) == 8);
      REQUIRE(test::read32(of->registers, at(n, r::kLINK_SPEED_OFFSET)) == 16'000);
    }
    train(b, 3);
    REQUIRE(state(a, 1) == status::STATE_FAILED);
    REQUIRE(status::ERROR.get(test::read32(a.registers, at(1, r::kLINK_STATUS_OFFSET))) ==
            status::ERROR_PARTNER_LOST);
  });
}

TEST_CASE("more links than registers are refused") {
  test::in_child([] {
    LinkParams p;
    p.count = 9;
    REQUIRE_THROWS_AS(LinkControl("links", p), core::Error);
  });
}
