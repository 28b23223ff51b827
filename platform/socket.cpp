#include "platform/socket.h"

#include <fmt/format.h>

#include "core/access_log.h"
#include "core/error.h"
#include "fabric/program.h"
#include "mgmt/elf_image.h"
#include "regs/address_map.hpp"

namespace rdu::platform {
namespace {

namespace map = regs::map;

/// Initiator ids on the top-level network: the smaller wins at equal times. The management core goes first,
/// so that a stream of data never starves it.
enum Initiator : uint32_t {
  kHbmBridge = 0,
  kDdrBridge = 1,
  kHostBridge = 2,
  kCopyEngine = 16,
  kTile0 = 0x1000
};
constexpr uint32_t kTileInitiators = 0x1000;

constexpr const map::Entry* kSequencers[] = {&map::SEQUENCER0, &map::SEQUENCER1, &map::SEQUENCER2,
                                             &map::SEQUENCER3};
constexpr unsigned kSequencerInterrupts[] = {map::IRQ_SEQUENCER0, map::IRQ_SEQUENCER1, map::IRQ_SEQUENCER2,
                                             map::IRQ_SEQUENCER3};

mgmt::SocketInfo info(const SocketParams& p, unsigned index) {
  mgmt::SocketInfo i;
  i.socket = index;
  i.tiles = static_cast<unsigned>(p.tiles);
  i.rows = static_cast<unsigned>(p.tile.rows);
  i.columns = static_cast<unsigned>(p.tile.columns);
  return i;
}

}  // namespace

Socket::Socket(const sc_core::sc_module_name& module_name, const SocketParams& params, unsigned index,
               std::function<void(char)> transmit)
    : sc_module(module_name),
      params_(params),
      management_("mgmt", params.mgmt, info(params, index), std::move(transmit)),
      tln_("tln", params.tln),
      hbm_("hbm", params.hbm.controller()),
      ddr_("ddr", params.ddr.controller()),
      slb_(std::string(name()) + ".slb"),
      copy_engine_("copy_engine", params.copy_engine, tln_, slb_, kCopyEngine),
      links_("links", params.links),
      endpoint_(
          "pcie", params.pcie,
          {[this] {
             const auto& sysctl = management_.sysctl();
             return sysctl.boot_stage() | sysctl.boot_error() << 16;
           },
           [this] { management_.restart(mgmt::ResetReason::host); }, params.mgmt.fuses.serial, &hbm_, &ddr_}),
      hbm_bridge_("hbm_bridge", tln_, map::HBM.base, kHbmBridge),
      ddr_bridge_("ddr_bridge", tln_, map::DDR.base, kDdrBridge),
      host_bridge_("host_bridge", tln_, map::HOST.base, kHostBridge) {
  core::set_guest_fault_sink([this](const core::GuestFault& fault) { log_guest_fault(fault); });
  for (unsigned t = 0; t < params.tiles; ++t) {
    tiles_.push_back(std::make_unique<fabric::Tile>(fmt::format("tile{}", t).c_str(), params.tile, tln_, slb_,
                                                    kTile0 + t * kTileInitiators));
  }
  sensors_ = std::make_unique<mgmt::Sensors>("sensors", params.sensors, sensed_parts());
  management_.on_core_activity([this] { sensors_->notice(); });
  management_.on_restart([this] {
    endpoint_.host_interface().firmware_reset();
    if (firmware_restarted_) firmware_restarted_();
  });
  attach_blocks();
  attach_memory();
}

Socket::~Socket() {
  core::set_guest_fault_sink({});
}

/// What has a sensor, and which of its activity costs what energy.
std::vector<mgmt::Sensors::Part> Socket::sensed_parts() const {
  using Kind = mgmt::Sensors::Kind;
  const mgmt::SensorParams& p = params_.sensors;
  const auto moved = [](const memory::MemoryController& m) {
    return m.counters().bytes_read + m.counters().bytes_written;
  };
  std::vector<mgmt::Sensors::Part> parts = {
      {Kind::core, 0, p.core_static, p.core_voltage,
       [this, &p] { return management_.hart_statistics().cycles * p.core_energy; }},
      {Kind::hbm, 0, p.hbm_static, p.memory_voltage,
       [this, moved, &p] { return moved(hbm_) * p.hbm_energy; }},
      {Kind::ddr, 0, p.ddr_static, p.memory_voltage,
       [this, moved, &p] { return moved(ddr_) * p.ddr_energy; }}};
  for (unsigned t = 0; t < tiles_.size(); ++t) {
    const uint64_t cells = params_.tile.rows * params_.tile.columns;
    parts.push_back({Kind::tile, t, cells * p.cell_static, p.tile_voltage, [this, t, &p] {
                       const auto busy = tiles_[t]->statistics().busy;
                       return busy[RDU_UNIT_PCU] * p.pcu_energy + busy[RDU_UNIT_PMU] * p.pmu_energy +
                              busy[RDU_UNIT_SWITCH] * p.switch_energy + busy[RDU_UNIT_AGCU] * p.agcu_energy;
                     }});
  }
  return parts;
}

void Socket::attach_blocks() {
  const auto attach = [this](const map::Entry& entry, core::RegisterPort& port) {
    management_.attach(entry.name, entry.base, entry.size, port);
  };
  attach(map::HOSTCTL, endpoint_.host_interface().firmware());
  attach(map::COPY_ENGINE, copy_engine_.registers);
  attach(map::SLB, slb_.registers);
  attach(map::HBM_CTL, hbm_.registers);
  attach(map::DDR_CTL, ddr_.registers);
  attach(map::SENSORS, sensors_->registers);
  attach(map::LINK_CTL, links_.registers);
  auto& plic = management_.plic();
  endpoint_.host_interface().interrupt().connect(plic, map::IRQ_HOSTCTL);
  copy_engine_.interrupt.connect(plic, map::IRQ_COPY_ENGINE);
  hbm_.interrupt.connect(plic, map::IRQ_HBM_CTL);
  ddr_.interrupt.connect(plic, map::IRQ_DDR_CTL);
  sensors_->interrupt.connect(plic, map::IRQ_SENSORS);
  links_.interrupt.connect(plic, map::IRQ_LINK_CTL);
  for (unsigned t = 0; t < tiles_.size(); ++t) {
    attach(*kSequencers[t], tiles_[t]->registers());
    tiles_[t]->interrupt.connect(plic, kSequencerInterrupts[t]);
  }
}

void Socket::attach_memory() {
  tln_.attach(map::HBM.base, params_.hbm.capacity, hbm_, "hbm", params_.tln.hbm);
  tln_.attach(map::DDR.base, params_.ddr.capacity, ddr_, "ddr", params_.tln.ddr);
  tln_.attach(map::HOST.base, map::HOST.size, endpoint_.host_memory(), "host", params_.tln.host);
  tln_.attach(map::HOST_PAGED.base, map::HOST_PAGED.size, endpoint_.paged_host_memory(), "host_paged",
              params_.tln.host);
  tln_.attach(map::RAM.base, management_.ram().size(), management_.ram(), "ram", params_.tln.ram);
  auto& bus = management_.bus();
  bus.attach(map::HBM.name, map::HBM.base, map::HBM.size, hbm_bridge_.socket);
  bus.attach(map::DDR.name, map::DDR.base, map::DDR.size, ddr_bridge_.socket);
  bus.attach(map::HOST.name, map::HOST.base, map::HOST.size, host_bridge_.socket);
}

void Socket::load_rom(const std::string& file) {
  management_.load_rom(file);
}

void Socket::load_flash(const std::string& what, const std::vector<uint8_t>& contents) {
  management_.load_flash(what, contents);
}

void Socket::load_symbols(const std::string& file) {
  management_.load_symbols(file);
}

void Socket::log_guest_fault(const core::GuestFault& fault) {
  ++guest_faults_;
  fmt::print(stderr, "guest fault: {} at {}: {}\n", fault.unit, core::format_time(fault.time), fault.text);
  const core::AccessLog& accesses = core::AccessLog::get();
  for (const std::string& line : accesses.lines(accesses_shown_)) fmt::print(stderr, "  {}\n", line);
  accesses_shown_ = accesses.sequence();
}

}  // namespace rdu::platform
