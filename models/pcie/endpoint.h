#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>

#include "core/access_log.h"
#include "core/mappable_memory.h"
#include "core/systemc.h"
#include "core/transfer.h"
#include "pcie/bar0.h"
#include "pcie/config_space.h"
#include "pcie/dma_port.h"
#include "pcie/host_interface.h"
#include "pcie/host_port.h"
#include "pcie/paged_host.h"
#include "pcie/params.h"
#include "pcie/vfio_user/server.h"
#include "pcie/window_bar.h"

namespace rdu::pcie {

/// The PCIe function that the host sees: configuration space, BAR0, BAR2, MSI-X, and DMA into the memory that
/// the host has mapped. README.md is its data sheet. The host is behind a HostPort; the platform hands its
/// requests over one at a time (see platform/README.md on coupling).
class Endpoint : public sc_core::sc_module, public vfio_user::Device, private DmaPort::Owner {
 public:
  /// What the function needs of its socket.
  struct Connections {
    std::function<uint32_t()> boot_stage;  ///< SYSCTL.BOOT_STAGE
    std::function<void()> restart_core;    ///< what HOSTIF.RESTART does
    uint64_t serial = 0;                   ///< FUSES.SERIAL
    core::MappableMemory* hbm = nullptr;   ///< what BAR2's windows show; nullptr: there is none
    core::MappableMemory* ddr = nullptr;
  };

  Endpoint(const sc_core::sc_module_name& name, const PcieParams& params, Connections connections);
  ~Endpoint() override;

  /// Plugs the card in: `host` outlives the simulation. Without one (tests, --check, a boot) nothing answers
  /// on the link.
  void plug_in(HostPort& host) { host_ = &host; }
  HostInterface& host_interface() { return interface_; }

  /// Host memory by bus address, and through contexts' page tables: HOST and HOST_PAGED of the address map.
  core::TransferTarget& host_memory() { return dma_; }
  core::TransferTarget& paged_host_memory() { return paged_; }

  /// Takes the host's next request; it is performed in simulated time. Only when idle().
  void submit(vfio_user::Request request);
  /// The last submitted request has been answered.
  bool idle() const { return !request_; }

  /// For tests of software, as error injection of other devices is: the next read of host memory comes
  /// poisoned; the next interrupt of a vector gets lost; the link fails, until a hot reset trains it anew.
  void poison_next_dma() { dma_.poison_next(); }
  void drop_next_interrupt(unsigned vector) { dropped_.at(vector) = true; }
  /// `silently`: the client is not told of a fatal error, which ends a guest of QEMU.
  void fail_link(bool silently = false);

  struct Statistics {
    uint64_t host_reads = 0;  ///< register reads by the host
    uint64_t host_writes = 0;
    uint64_t dma_bytes_read = 0;  ///< from host memory
    uint64_t dma_bytes_written = 0;
    uint64_t interrupts = 0;   ///< that were sent
    uint64_t table_reads = 0;  ///< lines of contexts' host page tables
  };
  Statistics statistics() const;

  // vfio_user::Device
  vfio_user::DeviceInfo device_info() const override;
  vfio_user::RegionInfo region_info(uint32_t index) const override;
  vfio_user::IrqInfo irq_info(uint32_t index) const override;
  int region_read(uint32_t index, uint64_t offset, uint8_t* data, size_t size) override;
  int region_write(uint32_t index, uint64_t offset, const uint8_t* data, size_t size) override;
  void connected() override { connected_ = true; }
  void dma_mapped(uint64_t iova, uint64_t size) override;
  void dma_unmapping(uint64_t iova, uint64_t size) override;
  void irqs_changed(uint32_t index, uint32_t start, uint32_t count) override;
  int reset() override;
  void disconnected() override;

 private:
  // DmaPort::Owner
  HostPort* host() override { return host_; }
  const char* dma_barrier() const override;
  void dma_failed(const DmaFailure& failure) override;

  void arrive();
  void return_data();
  HostInterface::Connections interface_connections(Connections& connections);
  void trace_submissions(unsigned queue, core::CommandTag first, unsigned count);
  void reset_function(Reset kind);
  bool is_resetting() const { return core::now() < reset_end_; }
  void config_written();
  const char* bar_barrier() const;
  bool bar_access(bool write, uint32_t index, uint64_t offset, uint8_t* data, size_t size);
  void unsupported(bool write, uint32_t index, uint64_t offset, size_t size);
  void send(ErrorMessage message);
  void raise_vector(unsigned vector);
  void send_pending_vectors();
  void log_access(bool write, uint64_t offset, const uint8_t* data, size_t size);
  void trace_access(const vfio_user::Request& request, const uint8_t* data, core::Time begin);

  PcieParams params_;
  core::MappableMemory* hbm_;
  core::MappableMemory* ddr_;
  ConfigSpace config_;
  WindowBar windows_;
  HostInterface interface_;
  Bar0 bar0_;
  DmaPort dma_;
  PagedHost paged_;
  HostPort* host_ = nullptr;
  bool connected_ = false;  ///< a host has the device
  bool link_failed_ = false;
  core::Time reset_end_ = 0;  ///< of the last FLR
  sc_core::sc_event reset_ended_;
  std::array<bool, Msix::kVectors> dropped_{};  ///< the next interrupt gets lost
  std::optional<vfio_user::Request> request_;
  core::Time submitted_at_ = 0;
  sc_core::sc_event arrived_;   ///< the request is at the device
  sc_core::sc_event returned_;  ///< the data of a read are at the host
  std::vector<uint8_t> read_data_;
  int read_error_ = 0;
  core::TrackId host_track_;
  core::AccessLog::Place bar0_place_;
  Statistics statistics_;
};

}  // namespace rdu::pcie
