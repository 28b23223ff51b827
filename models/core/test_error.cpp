#include "core/error.h"
#include "test/catch.h"

using namespace rdu::core;

TEST_CASE("an error names category, unit and time") {
  const Error e(ErrorKind::unimplemented, "socket0.hart0", "CSR 0x7c0");
  CHECK(std::string(e.what()) == "unimplemented: socket0.hart0 at 0.000 ns: CSR 0x7c0");
  CHECK(exit_status(e.kind()) == 3);
  CHECK_THROWS_WITH(bad_input("x.yaml:3: no"), "bad input: x.yaml:3: no");
}

TEST_CASE("guest faults reach the sink") {
  std::string seen;
  set_guest_fault_sink([&](const GuestFault& f) { seen = f.unit + ": " + f.text; });
  report_guest_fault("ce", "no memory at 0x10");
  set_guest_fault_sink({});
  CHECK(seen == "ce: no memory at 0x10");
}
