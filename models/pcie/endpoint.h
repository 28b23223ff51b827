#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/access_log.h"
#include "core/parameter.h"
#include "core/systemc.h"
#include "core/transfer.h"
#include "pcie/config_space.h"
#include "pcie/host_interface.h"
#include "pcie/host_port.h"
#include "pcie/vfio_user/server.h"

namespace rdu::pcie {

struct PcieParams {
  uint64_t bandwidth = 32'000'000'000;  ///< bytes/s, each direction
  uint64_t latency = 400'000;           ///< ps, one way

  template <class Visitor>
  void describe(Visitor& v) {
    using core::Parameter;
    using core::Unit;
    v(bandwidth, Parameter{"bandwidth", Unit::bandwidth, "Data rate of the host link, each direction",
                           "as the SN10/SN30's PCIe Gen4 x16; not public for the SN40L", 1'000'000});
    v(latency,
      Parameter{"latency", Unit::time, "One way through the link, root complex included", "ours", 1});
  }
};

/// The PCIe function that the host sees: configuration space, BAR0, MSI-X, and DMA into the memory that the
/// host has mapped. The host is behind a HostPort; the platform hands its requests over one at a time (see
/// platform/README.md on coupling).
class Endpoint : public sc_core::sc_module, public vfio_user::Device, public core::TransferTarget {
 public:
  /// `name` as all modules. The last two: SYSCTL.BOOT_STAGE, and what HOSTIF.RESTART does.
  Endpoint(const sc_core::sc_module_name& name, const PcieParams& params,
           std::function<uint32_t()> boot_stage, std::function<void()> restart_core);
  ~Endpoint() override;

  /// Plugs the card in: `host` outlives the simulation. Without one (tests, --check, a boot) nothing answers
  /// on the link.
  void plug_in(HostPort& host) { host_ = &host; }
  HostInterface& host_interface() { return interface_; }

  /// Takes the host's next request; it is performed in simulated time. Only when idle().
  void submit(vfio_user::Request request);
  /// The last submitted request has been answered.
  bool idle() const { return !request_; }

  struct Statistics {
    uint64_t host_reads = 0;  ///< register reads by the host
    uint64_t host_writes = 0;
    uint64_t dma_bytes_read = 0;  ///< from host memory
    uint64_t dma_bytes_written = 0;
    uint64_t interrupts = 0;
  };
  const Statistics& statistics() const { return statistics_; }

  // core::TransferTarget: host memory by bus address.
  void access(core::Transfer& t, uint64_t offset, core::Time arrive) override;
  bool debug(uint64_t offset, uint8_t* data, uint64_t length, bool write) override;

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
  void serve();
  void perform(vfio_user::Request& request);
  bool bar0_access(bool write, uint64_t offset, uint8_t* data, size_t size);
  void send_msix(unsigned vector);
  void log_access(bool write, uint64_t offset, const uint8_t* data, size_t size);
  void trace_access(bool write, uint64_t offset, const uint8_t* data, size_t size, core::Time begin);

  PcieParams params_;
  ConfigSpace config_;
  HostInterface interface_;
  std::array<uint8_t, ConfigSpace::kVectors * 16> msix_table_{};
  HostPort* host_ = nullptr;
  bool connected_ = false;  ///< a host has the device
  std::optional<vfio_user::Request> request_;
  sc_core::sc_event submitted_;
  core::Time read_link_free_ = 0;   ///< the link's direction that carries DMA read data
  core::Time write_link_free_ = 0;  ///< and the one that carries DMA write data
  core::TrackId host_track_;
  core::AccessLog::Place bar0_;
  core::TrackId dma_track_;
  Statistics statistics_;
};

}  // namespace rdu::pcie
