#include <cstring>
#include <vector>

#include "core/error.h"
#include "noc/tln.h"
#include "noc/tln_bridge.h"
#include "test/catch.h"
#include "test/child.h"

using namespace rdu;
using core::Time;
using core::Transfer;
using core::TransferStatus;

namespace {

constexpr uint64_t kBase = 0x1000000000;
constexpr uint64_t kSize = 4096;

struct FakeTarget : core::TransferTarget {
  void access(Transfer& t, uint64_t offset, Time arrive) override {
    if (refuse) {
      t.status = TransferStatus::access_denied;
    } else if (t.write) {
      std::memcpy(bytes.data() + offset, t.data, t.length);
    } else {
      std::memcpy(t.data, bytes.data() + offset, t.length);
    }
    t.done = arrive + 100'000;
  }
  bool debug(uint64_t offset, uint8_t* data, uint64_t length, bool write) override {
    std::memcpy(write ? bytes.data() + offset : data, write ? data : bytes.data() + offset, length);
    return true;
  }
  std::vector<uint8_t> bytes = std::vector<uint8_t>(kSize);
  bool refuse = false;
};

/// Software: threads that make accesses through the bridge.
struct Bench : sc_core::sc_module {
  explicit Bench(const sc_core::sc_module_name& name) : sc_core::sc_module(name) {
    tln.attach(kBase, kSize, target, "memory", params.ram);
    bus.bind(bridge.socket);
    core::set_guest_fault_sink([this](const core::GuestFault& f) { faults.push_back(f.text); });
  }
  ~Bench() override { core::set_guest_fault_sink({}); }

  tlm::tlm_response_status access(bool write, uint64_t address, void* data, unsigned length,
                                  sc_core::sc_time& delay) {
    tlm::tlm_generic_payload payload;
    payload.set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    payload.set_address(address);
    payload.set_data_ptr(static_cast<uint8_t*>(data));
    payload.set_data_length(length);
    payload.set_streaming_width(length);
    bus->b_transport(payload, delay);
    return payload.get_response_status();
  }
  tlm::tlm_response_status access(bool write, uint64_t address, void* data, unsigned length) {
    sc_core::sc_time delay;
    return access(write, address, data, length, delay);
  }

  noc::TlnParams params;
  FakeTarget target;
  noc::Tln tln{"tln", params};
  noc::TlnBridge bridge{"bridge", tln, kBase, 5};
  tlm_utils::simple_initiator_socket<Bench> bus{"bus"};
  std::vector<std::string> faults;
};

// 16 bytes at 51.2 GB/s take 312.5 ps, 24 bytes 468.75 ps.
constexpr Time kWriteTime = 12'500 + 469 + 100'000 + 313 + 12'500;
constexpr Time kReadTime = 12'500 + 313 + 100'000 + 469 + 12'500;

}  // namespace

TEST_CASE("software reads and writes through the bridge, and waits as long as it takes") {
  test::in_child([] {
    Bench b("bench");
    bool finished = false;
    sc_core::sc_spawn([&] {
      uint64_t value = 0x1122334455667788;
      sc_core::sc_time delay = core::to_sc(7000);  // the caller runs ahead of the kernel
      REQUIRE(b.access(true, 0x10, &value, 8, delay) == tlm::TLM_OK_RESPONSE);
      REQUIRE(delay == sc_core::SC_ZERO_TIME);
      REQUIRE(core::now() == 7000 + kWriteTime);
      REQUIRE(b.target.bytes[0x10] == 0x88);

      const Time before = core::now();
      uint64_t seen = 0;
      REQUIRE(b.access(false, 0x10, &seen, 8) == tlm::TLM_OK_RESPONSE);
      REQUIRE(seen == value);
      REQUIRE(core::now() == before + kReadTime);

      uint8_t byte = 0;
      REQUIRE(b.access(false, 0x17, &byte, 1) == tlm::TLM_OK_RESPONSE);
      REQUIRE(byte == 0x11);
      finished = true;
    });
    sc_core::sc_start(10, sc_core::SC_US);
    REQUIRE(finished);
  });
}

TEST_CASE("errors reach software and the log") {
  test::in_child([] {
    Bench b("bench");
    bool finished = false;
    sc_core::sc_spawn([&] {
      uint64_t value = 0;
      REQUIRE(b.access(false, kSize, &value, 8) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
      REQUIRE(b.access(true, kSize - 4, &value, 8) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
      b.target.refuse = true;
      REQUIRE(b.access(true, 0, &value, 8) == tlm::TLM_GENERIC_ERROR_RESPONSE);
      REQUIRE(b.faults.size() == 3);
      REQUIRE(b.faults[0] == "a read of 8 bytes at 0x1000001000 reaches no memory");
      REQUIRE(b.faults[2] == "a write of 8 bytes at 0x1000000000 was refused");
      REQUIRE(b.access(true, 0, &value, 0) == tlm::TLM_BURST_ERROR_RESPONSE);
      finished = true;
    });
    sc_core::sc_start(10, sc_core::SC_US);
    REQUIRE(finished);
  });
}

TEST_CASE("several threads are inside at once") {
  test::in_child([] {
    Bench b("bench");
    unsigned finished = 0;
    for (uint64_t thread = 0; thread < 4; ++thread) {
      sc_core::sc_spawn([&, thread] {
        for (uint64_t i = 0; i < 20; ++i) {
          uint64_t value = thread << 32 | i;
          REQUIRE(b.access(true, thread * 8, &value, 8) == tlm::TLM_OK_RESPONSE);
          uint64_t seen = 0;
          REQUIRE(b.access(false, thread * 8, &seen, 8) == tlm::TLM_OK_RESPONSE);
          REQUIRE(seen == value);
        }
        ++finished;
      });
    }
    sc_core::sc_start(20, sc_core::SC_US);
    REQUIRE(finished == 4);
    // 40 accesses one after another, four side by side.
    REQUIRE(core::now() == 20'000'000);
  });
}

TEST_CASE("a debugger looks through the bridge") {
  test::in_child([] {
    Bench b("bench");
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
    uint8_t data[4] = {9, 8, 7, 6};
    tlm::tlm_generic_payload payload;
    payload.set_command(tlm::TLM_WRITE_COMMAND);
    payload.set_address(100);
    payload.set_data_ptr(data);
    payload.set_data_length(4);
    REQUIRE(b.bus->transport_dbg(payload) == 4);
    REQUIRE(b.target.bytes[101] == 8);
    payload.set_address(kSize - 2);
    REQUIRE(b.bus->transport_dbg(payload) == 0);
  });
}
