#include <fmt/format.h>

#include "core/access_log.h"
#include "test/catch.h"

using namespace rdu::core;

namespace {

AccessLog::Access access(AccessLog::Sort sort, AccessLog::Place place, uint64_t address, Time when) {
  AccessLog::Access a;
  a.sort = sort;
  a.place = place;
  a.length = 4;
  a.address = address;
  a.value = 7;
  a.when = when;
  return a;
}

}  // namespace

TEST_CASE("the last accesses read like sentences, in order, with the names of place and register") {
  AccessLog log;
  const auto block = log.place("socket0.mgmt.sysctl");
  CHECK(log.place("socket0.mgmt.sysctl") == block);
  const auto network = log.place("socket0.tln.hbm");
  auto write = access(AccessLog::Sort::registers, block, 0x20, 1500);
  write.name = "BOOT_STAGE";
  write.write = true;
  log.add(write);
  auto transfer = access(AccessLog::Sort::transfers, network, 0x40, 2 * kMicrosecond);
  transfer.value = 0x1001;
  log.add(transfer);
  log.add(access(AccessLog::Sort::host, block, 0x44, 3 * kMillisecond));
  CHECK(log.lines() ==
        std::vector<std::string>{"1.500 ns  core writes socket0.mgmt.sysctl BOOT_STAGE (0x20), 4 bytes: 0x7",
                                 "2.000 us  initiator 0x1001 reads socket0.tln.hbm 0x40, 4 bytes",
                                 "3.000 ms  host reads socket0.mgmt.sysctl 0x44, 4 bytes: 0x7"});
}

TEST_CASE("a stream of transfers does not push out what the core and the host did") {
  AccessLog log;
  const auto place = log.place("p");
  log.add(access(AccessLog::Sort::registers, place, 0x10, 1));
  for (unsigned i = 0; i < 100; ++i) log.add(access(AccessLog::Sort::transfers, place, i, 2 + i));
  const auto lines = log.lines();
  REQUIRE(lines.size() == 1 + AccessLog::kKept);
  CHECK(lines.front().find("0x10") != std::string::npos);
  CHECK(lines.back().find(fmt::format("{:#x}", 99)) != std::string::npos);

  const uint64_t seen = log.sequence();
  CHECK(log.lines(seen).empty());
  log.add(access(AccessLog::Sort::host, place, 0x20, 200));
  CHECK(log.lines(seen).size() == 1);
}
