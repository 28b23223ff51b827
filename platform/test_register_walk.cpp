#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "core/register.h"
#include "mgmt/finisher.h"
#include "platform/configuration.h"
#include "platform/socket.h"
#include "regs/address_map.hpp"
#include "regs/all.hpp"
#include "test/catch.h"

/// Walks every register of every block on the management core's bus, and the host's in BAR0, of a whole
/// socket: what the descriptions say about reset values and access rights must hold in the models. Registers
/// whose access acts (write_effect, read_effect) are read, if reading does not act, and left to the block's
/// own test otherwise.
using namespace rdu;

namespace {

/// A bus master that does single accesses in a process, as the core would.
class Prober : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<Prober> socket;
  std::function<void()> body;
  std::exception_ptr failure;

  SC_HAS_PROCESS(Prober);
  explicit Prober(const sc_core::sc_module_name& name) : sc_module(name), socket("socket") { SC_THREAD(run); }

  bool access(bool write, uint64_t address, unsigned length, uint64_t* value) {
    tlm::tlm_generic_payload p;
    p.set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    p.set_address(address);
    p.set_data_ptr(reinterpret_cast<uint8_t*>(value));
    p.set_data_length(length);
    p.set_streaming_width(length);
    p.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    sc_core::sc_time delay;
    socket->b_transport(p, delay);
    wait(delay);
    return p.get_response_status() == tlm::TLM_OK_RESPONSE;
  }

 private:
  void run() {
    try {
      body();
    } catch (...) {  // Catch2's failures must not cross the kernel
      failure = std::current_exception();
    }
    sc_core::sc_stop();
  }
};

using Access = std::function<bool(bool write, uint64_t offset, unsigned length, uint64_t* value)>;

struct Count {
  unsigned registers = 0;
  unsigned written = 0;
};

/// What software must see after writing `value` over `before`, by the description alone.
uint64_t expected(const core::RegisterDesc& d, uint64_t before, uint64_t value) {
  uint64_t v = (before & ~d.writable) | (value & d.writable);
  v &= ~(value & d.w1c);
  v |= value & d.w1s;
  return v & d.readable;
}

Count walk(const std::string& where, const core::RegisterFile& description, const Access& access) {
  Count count;
  for (const core::Register* reg : description.registers()) {
    const core::RegisterDesc& d = reg->desc();
    INFO(where << "." << reg->name());
    ++count.registers;
    if (d.read_effect) continue;
    const uint64_t steady = d.readable & ~d.is_volatile & ~d.read_clears;
    uint64_t value = 0;
    REQUIRE(access(false, reg->offset(), reg->bytes(), &value));
    CHECK((value & ~d.readable) == 0);
    CHECK((value & steady) == (d.reset & steady));
    if (d.write_effect) continue;
    ++count.written;
    const uint64_t all = d.width == 64 ? ~uint64_t{0} : (uint64_t{1} << d.width) - 1;
    uint64_t now = d.reset;
    for (uint64_t pattern :
         {all, uint64_t{0}, all & 0x5a5a5a5a5a5a5a5a, all & 0xa5a5a5a5a5a5a5a5, d.reset & d.writable}) {
      uint64_t written = pattern;
      REQUIRE(access(true, reg->offset(), reg->bytes(), &written));
      now = expected(d, now, pattern);
      value = 0;
      REQUIRE(access(false, reg->offset(), reg->bytes(), &value));
      CHECK((value & steady) == (now & steady));
    }
  }
  return count;
}

/// Blocks that only the `virt` machine has; here they join the socket's.
struct VirtOnly : sc_core::sc_module {
  explicit VirtOnly(const sc_core::sc_module_name& name) : sc_module(name) {}
  mgmt::Finisher finisher{std::string(name()) + ".finisher"};
};

}  // namespace

TEST_CASE("every register of every block is as described") {
  platform::PlatformParams params;
  platform::Configuration configuration;
  params.describe(configuration);
  configuration.load(RDU_CONFIG_DIR "/mini.yaml");
  platform::Socket socket("socket0", params.socket, 0, [](char) {});
  VirtOnly virt("virt");
  socket.management().bus().attach("TEST", regs::map::TEST.base, regs::map::TEST.size,
                                   virt.finisher.socket());
  Prober prober("prober");
  socket.management().bus().connect(prober.socket);

  std::set<std::string> walked;
  prober.body = [&] {
    unsigned sequencer = 0;
    for (const auto& entry : regs::map::kEntries) {
      if (!*entry.block) continue;
      if (std::string(entry.block) == "sequencer" && sequencer++ >= socket.tiles())
        continue;  // tiles that mini lacks
      const auto description = regs::make_registers(entry.block);
      REQUIRE(description);
      const Count count =
          walk(entry.name, *description, [&](bool write, uint64_t offset, unsigned length, uint64_t* value) {
            return prober.access(write, entry.base + offset, length, value);
          });
      fmt::print("{:<12} {:>3} registers, {:>3} of them written\n", entry.name, count.registers,
                 count.written);
      walked.insert(entry.block);
      // Beyond the last register nobody answers.
      uint64_t value = 0;
      CHECK_FALSE(
          prober.access(false, entry.base + description->registers().back()->offset() + 8, 4, &value));
    }
    // The host's registers, behind the endpoint. Memory space must be enabled first, as a host does.
    auto& endpoint = socket.endpoint();
    const uint8_t enable[2] = {0x6, 0};
    REQUIRE(endpoint.region_write(pcie::vfio_user::kRegionConfig, 4, enable, 2) == 0);
    const auto description = regs::make_registers("hostif");
    const Count count =
        walk("BAR0", *description, [&](bool write, uint64_t offset, unsigned length, uint64_t* value) {
          auto* data = reinterpret_cast<uint8_t*>(value);
          return (write ? endpoint.region_write(pcie::vfio_user::kRegionBar0, offset, data, length)
                        : endpoint.region_read(pcie::vfio_user::kRegionBar0, offset, data, length)) == 0;
        });
    fmt::print("{:<12} {:>3} registers, {:>3} of them written\n", "BAR0", count.registers, count.written);
    walked.insert("hostif");
  };
  // The core itself stays out of the way: its ROM is empty, so it would only trap.
  sc_core::sc_start(core::to_sc(core::kMillisecond));
  if (prober.failure) std::rethrow_exception(prober.failure);

  const std::set<std::string> configuration_words = {"pcu", "pmu", "switch", "agcu"};  // no bus registers
  for (const char* block : regs::kBlocks) {
    if (!configuration_words.count(block)) CHECK(walked.count(block) == 1);
  }
}
