#include <cstring>

#include "core/error.h"
#include "pcie/host_interface.h"
#include "test/catch.h"

using namespace rdu;
using namespace rdu::pcie;

namespace {

/// Sockets want to live in a module.
struct Module : sc_core::sc_module {
  HostInterface interface;
  Module(const sc_core::sc_module_name&, HostInterface::Connections connections)
      : interface("hostctl", std::move(connections)) {}
};

/// The host's and the firmware's side of one interface, with what leaves it.
struct Fixture {
  uint32_t boot_stage = 0x00000003;
  std::vector<unsigned> vectors;
  unsigned restarts = 0;
  std::vector<std::pair<core::CommandTag, unsigned>> rung;
  std::vector<unsigned> forgotten;             ///< contexts
  std::vector<std::array<uint64_t, 3>> moves;  ///< of windows: which, memory, offset
  std::string refusal;                         ///< of the next ones
  std::vector<std::string> faults;
  Module module{sc_core::sc_gen_unique_name("module"),
                {[this] { return boot_stage; }, [] { return 3u; }, [this] { core_restarted(); },
                 [this](unsigned v) { vectors.push_back(v); },
                 [this](unsigned, core::CommandTag first, unsigned n) { rung.emplace_back(first, n); },
                 [this](unsigned context) { forgotten.push_back(context); },
                 [this](unsigned window, uint64_t memory, uint64_t offset) {
                   moves.push_back({window, memory, offset});
                   return refusal;
                 }}};
  HostInterface& interface = module.interface;

  void core_restarted() {
    ++restarts;
    interface.firmware_reset();
  }

  Fixture() {
    core::set_guest_fault_sink([this](const core::GuestFault& f) { faults.push_back(f.text); });
  }
  ~Fixture() { core::set_guest_fault_sink({}); }

  uint64_t host_read(uint64_t offset, unsigned size = 4) {
    uint64_t v = 0;
    REQUIRE(interface.host().access(false, offset, size, reinterpret_cast<uint8_t*>(&v)));
    return v;
  }
  void host_write(uint64_t offset, uint64_t v, unsigned size = 4) {
    REQUIRE(interface.host().access(true, offset, size, reinterpret_cast<uint8_t*>(&v)));
  }
  uint64_t fw(bool write, uint64_t offset, uint64_t v = 0, unsigned size = 4) {
    tlm::tlm_generic_payload p;
    p.set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    p.set_address(offset);
    p.set_data_ptr(reinterpret_cast<uint8_t*>(&v));
    p.set_data_length(size);
    p.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    sc_core::sc_time delay;
    interface.firmware().socket.get_base_export()->b_transport(p, delay);  // as a bus does it
    REQUIRE(p.get_response_status() == tlm::TLM_OK_RESPONSE);
    return v;
  }
};

namespace hostif = regs::hostif;
namespace hostctl = regs::hostctl;
constexpr uint64_t tail(unsigned q) {
  return hostif::kDOORBELL_OFFSET + q * hostif::kDOORBELL_STRIDE;
}
constexpr uint64_t size(unsigned q) {
  return hostctl::kQUEUE_OFFSET + q * hostctl::kQUEUE_STRIDE;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "enabling the controller interrupts the firmware, its status reaches the host") {
  fw(true, hostctl::kIRQ_ENABLE_OFFSET, 0xf);
  CHECK_FALSE(interface.interrupt().level());
  host_write(hostif::kASQ_OFFSET, 0x123456000, 8);
  host_write(hostif::kCC_OFFSET, 1);
  CHECK(interface.interrupt().level());
  CHECK(fw(false, hostctl::kIRQ_STATUS_OFFSET) == hostctl::IRQ_STATUS::ENABLE_CHANGED.mask());
  CHECK(fw(false, hostctl::kASQ_OFFSET, 0, 8) == 0x123456000);
  fw(true, hostctl::kIRQ_STATUS_OFFSET, hostctl::IRQ_STATUS::ENABLE_CHANGED.mask());
  CHECK_FALSE(interface.interrupt().level());
  CHECK((host_read(hostif::kCSTS_OFFSET) & 0xff) == 0);
  fw(true, hostctl::kCSTS_OFFSET, hostctl::CSTS::RDY.mask() | hostctl::CSTS::FW.mask());
  CHECK(host_read(hostif::kCSTS_OFFSET) == 0x305);
}

TEST_CASE_METHOD(Fixture, "doorbells: tags count on, wrap with the queue, and nonsense is refused") {
  host_write(tail(2), 1);
  CHECK(faults.size() == 1);  // the queue does not exist
  fw(true, size(2), 4);
  host_write(tail(2), 3);
  host_write(tail(2), 1);  // 3 -> 0 -> 1
  REQUIRE(rung.size() == 2);
  CHECK(rung[0] == std::make_pair(core::CommandTag{(2u << 16 | 0) + 1}, 3u));
  CHECK(rung[1] == std::make_pair(core::CommandTag{(2u << 16 | 3) + 1}, 2u));
  CHECK(fw(false, hostctl::kSQ_PENDING_OFFSET) == 4);
  host_write(tail(2), 4);
  CHECK(faults.size() == 2);
  CHECK(fw(false, size(2) + 4) == 1);
}

TEST_CASE_METHOD(Fixture, "mailbox: busy until answered, a second request is refused") {
  host_write(hostif::kMBOX_REQUEST_OFFSET, 0x11);
  CHECK(host_read(hostif::kMBOX_STATUS_OFFSET) == 1);
  host_write(hostif::kMBOX_REQUEST_OFFSET, 0x22);
  CHECK(faults.size() == 1);
  CHECK(fw(false, hostctl::kMBOX_REQUEST_OFFSET) == 0x11);
  fw(true, hostctl::kMBOX_RESPONSE_OFFSET, 0x33);
  CHECK(host_read(hostif::kMBOX_STATUS_OFFSET) == 0);
  CHECK(host_read(hostif::kMBOX_RESPONSE_OFFSET) == 0x33);
}

TEST_CASE_METHOD(Fixture, "a host reset hides readiness until the firmware has dropped the old state") {
  fw(true, hostctl::kCSTS_OFFSET, hostctl::CSTS::RDY.mask() | hostctl::CSTS::FW.mask());
  fw(true, size(1), 8);
  host_write(hostif::kCC_OFFSET, 1);
  interface.host_reset();
  CHECK((host_read(hostif::kCSTS_OFFSET) & 7) == 0);
  CHECK(host_read(hostif::kCC_OFFSET) == 0);
  CHECK((fw(false, hostctl::kIRQ_STATUS_OFFSET) & hostctl::IRQ_STATUS::RESET.mask()) != 0);
  host_write(tail(1), 1);
  CHECK(faults.size() == 1);
  fw(true, hostctl::kHOST_RESET_DONE_OFFSET, 1);
  CHECK((host_read(hostif::kCSTS_OFFSET) & 7) == hostif::CSTS::FW.mask());
}

TEST_CASE_METHOD(Fixture, "the recovery mailbox passes on what either side writes") {
  host_write(hostif::kRECOVERY_ADDRESS_OFFSET, 0x123456789abc, 8);
  host_write(hostif::kRECOVERY_LENGTH_OFFSET, 0x4321);
  CHECK(fw(false, hostctl::kRECOVERY_ADDRESS_OFFSET, 0, 8) == 0x123456789abc);
  CHECK(fw(false, hostctl::kRECOVERY_LENGTH_OFFSET) == 0x4321);
  host_write(hostif::kRECOVERY_COMMAND_OFFSET, 0);
  CHECK(fw(false, hostctl::kIRQ_STATUS_OFFSET) == 0);
  host_write(hostif::kRECOVERY_COMMAND_OFFSET, 1);
  CHECK(fw(false, hostctl::kIRQ_STATUS_OFFSET) == hostctl::IRQ_STATUS::RECOVERY.mask());
  fw(true, hostctl::kRECOVERY_STATUS_OFFSET, 0x00240005);
  CHECK(host_read(hostif::kRECOVERY_STATUS_OFFSET) == 0x00240105);
  fw(true, hostctl::kIRQ_STATUS_OFFSET, hostctl::IRQ_STATUS::RECOVERY.mask());
  fw(true, hostctl::kRECOVERY_PROGRESS_OFFSET, 77);
  fw(true, hostctl::kBOOT_OFFSET, 0x102);
  fw(true, hostctl::kSLOT_OFFSET + 4, 0x00260001);
  CHECK(host_read(hostif::kRECOVERY_STATUS_OFFSET) == 0x00240005);
  CHECK(host_read(hostif::kRECOVERY_PROGRESS_OFFSET) == 77);
  CHECK(host_read(hostif::kBOOT_OFFSET) == 0x102);
  CHECK(host_read(hostif::kSLOT_OFFSET) == 0);
  CHECK(host_read(hostif::kSLOT_OFFSET + 4) == 0x00260001);
}

TEST_CASE_METHOD(Fixture, "the host restarts the core, by a key") {
  fw(true, hostctl::kCSTS_OFFSET, hostctl::CSTS::FW.mask());
  host_write(hostif::kRESTART_OFFSET, 1);
  CHECK(restarts == 0);
  CHECK(faults.size() == 1);
  CHECK((host_read(hostif::kCSTS_OFFSET) & 7) == hostif::CSTS::FW.mask());
  host_write(hostif::kRESTART_OFFSET, hostif::RESTART::KEY_RESTART);
  CHECK(restarts == 1);
  CHECK((host_read(hostif::kCSTS_OFFSET) & 7) == 0);
}

TEST_CASE_METHOD(Fixture, "the firmware sends vectors") {
  fw(true, hostctl::kMSIX_TRIGGER_OFFSET, 5);
  CHECK(vectors == std::vector<unsigned>{5});
}

TEST_CASE_METHOD(Fixture,
                 "what was kept of a page table is forgotten when its root changes or the host says so") {
  constexpr uint64_t kRoot = hostctl::kHOST_TABLE_OFFSET + 3 * hostctl::kHOST_TABLE_STRIDE;
  fw(true, kRoot, 0x123456789001, 8);
  CHECK(interface.host_table(3) == 0x123456789001);
  CHECK(forgotten == std::vector<unsigned>{3});
  host_write(hostif::kHOST_TLB_INVALIDATE_OFFSET, 7);
  CHECK(forgotten == std::vector<unsigned>{3, 7});
  host_write(hostif::kHOST_TLB_INVALIDATE_OFFSET, 8);
  CHECK(faults.size() == 1);
  interface.host_reset();
  CHECK(interface.host_table(3) == 0);
}

TEST_CASE_METHOD(Fixture, "the first failure of a DMA is kept until it is cleared, the others are counted") {
  interface.record({hostif::DMA_ERROR::CODE_PAGE_TABLE, true, 5, 0x12345678, 64});
  interface.record({hostif::DMA_ERROR::CODE_UNMAPPED, false, 0, 0x1000, 64});
  CHECK(host_read(hostif::kDMA_ERROR_OFFSET) == 0x00020533);
  CHECK(host_read(hostif::kDMA_ERROR_ADDRESS_OFFSET, 8) == 0x12345678);
  host_write(hostif::kDMA_ERROR_OFFSET, 0xfffffffe);
  CHECK(host_read(hostif::kDMA_ERROR_OFFSET) == 0x00020533);
  host_write(hostif::kDMA_ERROR_OFFSET, 1);
  CHECK(host_read(hostif::kDMA_ERROR_OFFSET) == 0);
  CHECK(host_read(hostif::kDMA_ERROR_ADDRESS_OFFSET, 8) == 0);
  for (int i = 0; i < 0x10001; ++i)
    interface.record({hostif::DMA_ERROR::CODE_UNMAPPED, false, 0, 0x2000, 64});
  CHECK(host_read(hostif::kDMA_ERROR_OFFSET) == 0xffff0011);
}

TEST_CASE_METHOD(Fixture, "windows: where they go, and that a refused one reads as none") {
  constexpr uint64_t kWindow = hostif::kWINDOW_OFFSET + 2 * hostif::kWINDOW_STRIDE;
  host_write(kWindow, 0x40000001, 8);
  REQUIRE(moves.size() == 1);
  CHECK(moves[0] == std::array<uint64_t, 3>{2, hostif::WINDOW_BASE::MEMORY_HBM, 0x40000000});
  CHECK(host_read(kWindow, 8) == 0x40000001);
  refusal = "the memory is not trained";
  host_write(kWindow, 0x80000002, 8);
  CHECK(host_read(kWindow, 8) == 0x80000000);
  REQUIRE(faults.size() == 1);
  CHECK_THAT(faults[0], Catch::Contains("not trained"));
  host_write(kWindow, 3, 8);
  CHECK(moves.size() == 2);
  CHECK(faults.size() == 2);
  CHECK((host_read(kWindow, 8) & 3) == 0);
}

TEST_CASE_METHOD(Fixture, "work of a host that was reset is dropped until the firmware has done so") {
  CHECK_FALSE(interface.drops_work());
  interface.host_reset();  // nothing had been enabled: there is no work
  CHECK_FALSE(interface.drops_work());
  host_write(hostif::kCC_OFFSET, 1);
  interface.host_reset();
  CHECK(interface.drops_work());
  interface.host_reset();
  CHECK(interface.drops_work());
  fw(true, hostctl::kHOST_RESET_DONE_OFFSET, 1);
  CHECK_FALSE(interface.drops_work());
}
