#include <string>
#include <vector>

#include "core/error.h"
#include "platform/pacer.h"
#include "platform/serial/tcp_backend.h"
#include "platform/virt/device_tree.h"
#include "platform/virt/images.h"

#include "test/catch.h"

using namespace rdu;
using namespace rdu::platform;
using Catch::Matchers::Contains;

namespace {

Pacer::Clock::time_point g_now;

Pacer::Clock::time_point host_now() {
  return g_now;
}

constexpr core::Time kMs = core::kMillisecond;

}  // namespace

TEST_CASE("pacer: idle time takes as long on the host") {
  using std::chrono::milliseconds;
  Pacer pacer(&host_now);
  pacer.begin(0);
  CHECK(pacer.left(10 * kMs) == milliseconds(10));
  g_now += milliseconds(4);
  CHECK(pacer.left(10 * kMs) == milliseconds(6));
  CHECK(pacer.reached() == 4 * kMs);
  CHECK(pacer.left(core::kNever) > std::chrono::hours(23));
  g_now += milliseconds(6);
  CHECK(pacer.left(10 * kMs) == milliseconds(0));

  // The harts worked 10 ms, which took the host 50 ms: the next idle time makes up for it.
  g_now += milliseconds(50);
  pacer.begin(20 * kMs);
  CHECK(pacer.left(30 * kMs) == milliseconds(-30));
  CHECK(pacer.left(100 * kMs) == milliseconds(40));
  CHECK(pacer.reached() == 60 * kMs);

  // A long delay is not made up for wholly.
  g_now += std::chrono::seconds(60);
  pacer.begin(100 * kMs);
  CHECK(pacer.left(1100 * kMs) == milliseconds(900));

  // What was no time at all is not made up for.
  g_now += milliseconds(50);
  pacer.forget(1100 * kMs);
  CHECK(pacer.left(1110 * kMs) == milliseconds(10));
  CHECK(pacer.reached() == 1100 * kMs);

  // Harts that are faster than real ones do not make idle time longer.
  pacer.begin(5000 * kMs);
  CHECK(pacer.left(5010 * kMs) == milliseconds(10));
  CHECK(pacer.reached() == 5000 * kMs);
}

TEST_CASE("TCP addresses as QEMU writes them") {
  const auto parse = serial::TcpAddress::parse;
  auto a = parse("localhost:4444");
  CHECK((a.host == "localhost" && a.port == "4444" && !a.server));
  a = parse(":4444,server,nowait");
  CHECK((a.host.empty() && a.server && !a.wait));
  a = parse("[::1]:0,server=on,wait=off");
  CHECK((a.host == "::1" && a.port == "0" && a.server && !a.wait));
  a = parse("h:1,server");
  CHECK((a.server && a.wait));
  for (const char* bad : {"", "4444", "h:", "h:x", "h:65536", "h:1,sever", "h:1,nowait", "h:1,"})
    CHECK_THROWS_AS(parse(bad), core::Error);
}

TEST_CASE("images must lie in RAM and apart from each other") {
  virt::Images images(0x80000000, 1 << 20);
  images.add("one", 0x80000000, {1, 2, 3}, 0x1000);
  images.add("two", 0x80001000, std::vector<uint8_t>(16), 0);
  CHECK_THROWS_WITH(images.add("three", 0x80000fff, {1}, 0), Contains("three") && Contains("overlaps one"));
  CHECK_THROWS_WITH(images.add("low", 0x7fffffff, {1, 2}, 0), Contains("do not lie in RAM"));
  CHECK_THROWS_WITH(images.add("high", 0x800fffff, {1}, 2), Contains("do not lie in RAM"));
  CHECK_THROWS_WITH(images.add("huge", 0x80002000, {1}, ~uint64_t{0}), Contains("do not lie in RAM"));
  images.add("last", 0x800fffff, {1}, 1);
}

TEST_CASE("device trees: damage is told, additions stay") {
  virt::Machine machine;
  machine.harts = 8;
  machine.ram_size = 128 << 20;
  machine.timebase = 10'000'000;
  const std::vector<uint8_t> tree = virt::make_device_tree(machine);
  const std::string text(500, 'x');
  const std::vector<uint8_t> more = virt::with_chosen(tree, "tree", {text, 0x84000000, 0x84001000});
  CHECK(more.size() > tree.size() + 500);
  CHECK(virt::with_chosen(more, "tree", {}) == more);
  CHECK_THROWS_WITH(virt::with_chosen({}, "tree", {}), Contains("tree: no flattened device tree"));
  CHECK_THROWS_WITH(virt::with_chosen({tree.begin(), tree.end() - 1}, "tree", {}), Contains("tree"));
  for (size_t i = 0; i < tree.size(); i += 3) {  // must never do harm
    std::vector<uint8_t> bad = tree;
    bad[i] ^= 0xff;
    try {
      virt::with_chosen(bad, "tree", {text, 1, 2});
    } catch (const core::Error& e) {
      CHECK(e.kind() == core::ErrorKind::bad_input);
    }
  }
}
