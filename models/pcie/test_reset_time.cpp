// What takes simulated time; a program of its own, for SystemC elaborates once in a process.
#include "pcie/test_bench.h"

using namespace rdu;
using namespace rdu::pcie;

TEST_CASE("a function-level reset takes its time") {
  Bench bench;
  bench.enable();
  bench.write(kConfig, 0x68, 0xa9ff, 2);
  CHECK(bench.read(kConfig, 0) == 0xffffffff);  // retries meanwhile
  bench.write(kConfig, 0x04, 0x6, 2);
  CHECK(bench.faults.empty());
  CHECK(bench.read(kBar0, 0) == 0xffffffff);  // software should have waited
  CHECK(bench.faults.size() == 1);
  sc_core::sc_start(core::to_sc(bench.params.flr_time - 1));
  CHECK(bench.read(kConfig, 0) == 0xffffffff);  // still not
  CHECK(sc_core::sc_pending_activity());        // the device has not settled
  rdu::test::run_past(1);
  CHECK(bench.read(kConfig, 0) == 0x40a11234);           // it answers again
  CHECK(bench.read(kConfig, 0x04, 2) == 0);              // what was written meanwhile is lost
  CHECK((bench.read(kConfig, 0x68, 2) & 0xe0) == 0xe0);  // the payload size belongs to the link
}
