#include "pcie/endpoint.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "pcie/trace_events.h"

namespace rdu::pcie {

using vfio_user::Request;

namespace {

/// Headers of TLPs (2.2), for the header log.
constexpr uint32_t kMemoryRead = 0x00000000, kMemoryWrite = 0x40000000, kAddress64 = 0x20000000,
                   kCompletionWithData = 0x4a000000, kPoison = 1u << 14;

/// A memory request of the root complex. Its length and byte enables tell the dwords that are covered.
ErrorReporting::Tlp memory_request(bool write, uint64_t address, uint64_t size) {
  const uint64_t first = address % 4, end = first + size;
  const uint64_t dwords = (end + 3) / 4;
  uint32_t first_enables = 0xf & (0xfu << first), last_enables = 0xf >> (-end % 4);
  if (dwords == 1) {
    first_enables &= last_enables;
    last_enables = 0;
  }
  const uint32_t dw0 = (write ? kMemoryWrite : kMemoryRead) | (dwords & 0x3ff);
  const uint32_t dw1 = last_enables << 4 | first_enables;
  const auto low = static_cast<uint32_t>(address & ~uint64_t{3});
  if (address >> 32 == 0) return {dw0, dw1, low, 0};
  return {dw0 | kAddress64, dw1, static_cast<uint32_t>(address >> 32), low};
}

/// A completion that carries poisoned data.
ErrorReporting::Tlp poisoned_completion(uint64_t address, uint64_t size) {
  const uint64_t dwords = (address % 4 + size + 3) / 4;
  return {kCompletionWithData | kPoison | static_cast<uint32_t>(dwords & 0x3ff),
          static_cast<uint32_t>(size & 0xfff), static_cast<uint32_t>(address & 0x7f), 0};
}

}  // namespace

Endpoint::Endpoint(const sc_core::sc_module_name& module_name, const PcieParams& params,
                   Connections connections)
    : sc_module(module_name),
      params_(params),
      hbm_(connections.hbm),
      ddr_(connections.ddr),
      config_(connections.serial),
      windows_(std::string(name()) + ".bar2"),
      interface_(std::string(name()) + ".hostctl", interface_connections(connections)),
      bar0_(interface_.host(), config_.msix, ConfigSpace::kMsixTable, ConfigSpace::kMsixPending,
            [this] {
              uint64_t pending = config_.msix.pending();
              for (unsigned v = 0; v < Msix::kVectors; ++v)
                if (host_ && host_->pending(vfio_user::kIrqMsix, v)) pending |= uint64_t{1} << v;
              return pending;
            }),
      dma_(name(), params_, *this),
      paged_(
          dma_, params.table_cache_lines, [this](unsigned context) { return interface_.host_table(context); },
          [this](const DmaFailure& failure) { dma_failed(failure); }),
      host_track_(core::Tracer::get().track(std::string(name()) + ".host")),
      bar0_place_(core::AccessLog::get().place(std::string(name()) + ".bar0")) {
  SC_HAS_PROCESS(Endpoint);
  SC_METHOD(arrive);
  sensitive << arrived_;
  dont_initialize();
  SC_METHOD(return_data);
  sensitive << returned_;
  dont_initialize();
}

Endpoint::~Endpoint() = default;

HostInterface::Connections Endpoint::interface_connections(Connections& connections) {
  HostInterface::Connections c;
  c.boot_stage = std::move(connections.boot_stage);
  c.pci_status = [this] {
    namespace status = regs::hostctl::PCI_STATUS;
    uint64_t word = status::CONNECTED.set(0, connected_);
    word = status::BUS_MASTER.set(word, config_.bus_master());
    return static_cast<uint32_t>(status::D3.set(word, config_.power.in_d3hot()));
  };
  c.restart_core = std::move(connections.restart_core);
  c.send_msix = [this](unsigned vector) { raise_vector(vector); };
  c.rung = [this](unsigned queue, core::CommandTag first, unsigned count) {
    trace_submissions(queue, first, count);
  };
  c.forget_table = [this](unsigned context) { paged_.forget(context); };
  c.move_window = [this](unsigned window, uint64_t memory, uint64_t offset) -> std::string {
    namespace base = regs::hostif::WINDOW_BASE;
    core::MappableMemory* const shown = memory == base::MEMORY_HBM   ? hbm_
                                        : memory == base::MEMORY_DDR ? ddr_
                                                                     : nullptr;
    if (!shown && memory != base::MEMORY_NONE) return "there is no such memory";
    return windows_.move(window, shown, offset);
  };
  return c;
}

void Endpoint::trace_submissions(unsigned queue, core::CommandTag first, unsigned count) {
  auto& tracer = core::Tracer::get();
  if (!tracer.enabled()) return;
  for (unsigned i = 0; i < count; ++i) {
    // Tags of one queue run through 16 bits.
    const core::CommandTag tag = (queue << 16 | ((first - 1 + i) & 0xffff)) + 1;
    tracer.begin_command(tag);
    tracer.instant(host_track_, core::now() + i, fmt::format("doorbell {}", queue), tag);
  }
}

// A request is on its way for one latency if it is an access; the others take no time.
void Endpoint::submit(Request request) {
  request_.emplace(std::move(request));
  submitted_at_ = core::now();
  const bool is_access =
      request_->kind() == Request::Kind::kRegionRead || request_->kind() == Request::Kind::kRegionWrite;
  arrived_.notify(is_access ? core::to_sc(params_.latency) : sc_core::SC_ZERO_TIME);
}

void Endpoint::arrive() {
  Request& request = *request_;
  int error = 0;
  if (request.kind() == Request::Kind::kRegionRead) {
    read_data_.resize(request.size());
    read_error_ = region_read(request.region(), request.offset(), read_data_.data(), read_data_.size());
    returned_.notify(core::to_sc(params_.latency));
    return;
  }
  if (request.kind() == Request::Kind::kRegionWrite) {
    const std::vector<uint8_t>& data = request.data();
    error = region_write(request.region(), request.offset(), data.data(), data.size());
    trace_access(request, data.data(), submitted_at_);
  } else {
    error = host_->perform(request);
  }
  host_->answer(request, error);
  request_.reset();
}

void Endpoint::return_data() {
  trace_access(*request_, read_data_.data(), submitted_at_);
  host_->answer(*request_, read_error_, read_data_.data());
  request_.reset();
}

// --- what the host sees
// ----------------------------------------------------------------------------------------------

vfio_user::DeviceInfo Endpoint::device_info() const {
  return {};
}

vfio_user::RegionInfo Endpoint::region_info(uint32_t index) const {
  vfio_user::RegionInfo info;
  if (index == vfio_user::kRegionBar0) info.size = ConfigSpace::kBar0Size;
  if (index == vfio_user::kRegionConfig) info.size = ConfigSpace::kSize;
  if (index == vfio_user::kRegionBar2) {
    info.size = ConfigSpace::kBar2Size;
    if (params_.map_windows) {
      info.fd = windows_.fd();
      info.areas = {{0, info.size}};  // some clients map only what such a list names
    }
  }
  info.readable = info.writable = info.size != 0;
  return info;
}

vfio_user::IrqInfo Endpoint::irq_info(uint32_t index) const {
  vfio_user::IrqInfo info;
  if (index == vfio_user::kIrqMsix) info.count = Msix::kVectors;
  if (index == vfio_user::kIrqError) info.count = 1;
  info.no_resize = info.count != 0;
  return info;
}

int Endpoint::region_read(uint32_t index, uint64_t offset, uint8_t* data, size_t size) {
  if (index == vfio_user::kRegionConfig) {
    config_.read(offset, data, size);
    // Until a reset is over, the function answers with retries, which reach software as all ones.
    if (is_resetting()) std::memset(data, 0xff, size);
    return 0;
  }
  if (index != vfio_user::kRegionBar0 && index != vfio_user::kRegionBar2) return EINVAL;
  // What nobody answers reads as all ones, as an unsupported request does on a PCIe host.
  if (!bar_access(false, index, offset, data, size)) unsupported(false, index, offset, size);
  core::TraceHash::get().add(trace::kHostAccess, core::now(), uint64_t{index} << 32 | offset << 1,
                             trace::fold(data, size));
  if (index == vfio_user::kRegionBar0) {
    ++statistics_.host_reads;
    log_access(false, offset, data, size);
  }
  return 0;
}

int Endpoint::region_write(uint32_t index, uint64_t offset, const uint8_t* data, size_t size) {
  if (index == vfio_user::kRegionConfig) {
    if (is_resetting()) return 0;
    config_.write(offset, data, size);
    config_written();
    return 0;
  }
  if (index != vfio_user::kRegionBar0 && index != vfio_user::kRegionBar2) return EINVAL;
  core::TraceHash::get().add(trace::kHostAccess, core::now(), uint64_t{index} << 32 | offset << 1 | 1,
                             trace::fold(data, size));
  if (index == vfio_user::kRegionBar0) {
    ++statistics_.host_writes;
    log_access(true, offset, data, size);
  }
  std::vector<uint8_t> copy(data, data + size);
  if (!bar_access(true, index, offset, copy.data(), size)) unsupported(true, index, offset, size);
  return 0;
}

/// Why the BARs do not answer now, in words, or nullptr.
const char* Endpoint::bar_barrier() const {
  if (link_failed_) return "the link is down";
  if (is_resetting()) return "the function is being reset";
  if (config_.power.in_d3hot()) return "the function is in D3hot";
  if (!config_.memory_enabled()) return "memory space is not enabled in the PCI command register";
  return nullptr;
}

/// False if it reached nobody, or not all of it did. A read then has all ones there.
bool Endpoint::bar_access(bool write, uint32_t index, uint64_t offset, uint8_t* data, size_t size) {
  const char* why = bar_barrier();
  if (why) {
    if (!write) std::memset(data, 0xff, size);
  } else if (index == vfio_user::kRegionBar2) {
    if (write) {
      windows_.write(offset, data, size);
    } else {
      windows_.read(offset, data, size);
    }
    return true;
  } else if (write ? bar0_.write(offset, data, size) : bar0_.read(offset, data, size)) {
    if (write) send_pending_vectors();  // an entry of the MSI-X table may have been opened
    return true;
  } else {
    why = write && (offset | size) % 4 != 0 ? "registers are written in whole aligned dwords"
                                            : "no register answers";
  }
  core::report_guest_fault(name(), fmt::format("host {} of {} bytes at BAR{} offset {:#x}: {}",
                                               write ? "write" : "read", size, index, offset, why));
  return false;
}

/// A read is answered by an error completion, so that its requester knows: an advisory error (6.2.3.2.4.1).
void Endpoint::unsupported(bool write, uint32_t index, uint64_t offset, size_t size) {
  if (link_failed_ || is_resetting()) return;  // it has not reached the function
  send(config_.errors.uncorrectable(Aer::kUnsupportedRequest,
                                    memory_request(write, config_.header.bar_address(index) + offset, size),
                                    !write));
}

/// Error messages go to the root complex, which a vfio-user client has for itself. What there is to tell it
/// is that a device is lost.
void Endpoint::send(ErrorMessage message) {
  if (message == ErrorMessage::fatal && host_) host_->interrupt(vfio_user::kIrqError, 0);
}

void Endpoint::config_written() {
  if (config_.express.take_flr_request()) {
    reset_function(Reset::function);
    reset_end_ = core::now() + params_.flr_time;
    reset_ended_.notify(core::to_sc(params_.flr_time));  // so that the device has not settled before
  }
  send_pending_vectors();
}

void Endpoint::dma_mapped(uint64_t, uint64_t) {}
void Endpoint::dma_unmapping(uint64_t, uint64_t) {}

void Endpoint::irqs_changed(uint32_t, uint32_t, uint32_t) {
  send_pending_vectors();
}

void Endpoint::reset_function(Reset kind) {
  core::TraceHash::get().add(trace::kHostReset, core::now(), static_cast<uint64_t>(kind), 0);
  core::Tracer::get().instant(host_track_, core::now(),
                              kind == Reset::function ? "function-level reset" : "reset");
  config_.reset(kind);
  windows_.move_all_away();
  interface_.host_reset();
  paged_.forget_all();
  if (kind == Reset::function) return;
  link_failed_ = false;
  reset_end_ = 0;
}

int Endpoint::reset() {
  reset_function(Reset::conventional);
  return 0;
}

void Endpoint::disconnected() {
  connected_ = false;
  reset_function(Reset::power_on);
  windows_.renew();
}

void Endpoint::fail_link(bool silently) {
  core::Tracer::get().instant(host_track_, core::now(), "link failed");
  link_failed_ = true;
  const ErrorMessage message = config_.errors.uncorrectable(Aer::kDataLinkProtocol, {});
  if (!silently) send(message);
}

// --- interrupts
// ------------------------------------------------------------------------------------------------------

void Endpoint::raise_vector(unsigned vector) {
  auto& tracer = core::Tracer::get();
  if (tracer.enabled()) tracer.instant(host_track_, core::now(), fmt::format("MSI-X {}", vector));
  core::TraceHash::get().add(trace::kInterrupt, core::now(), vector, 0);
  if (vector >= Msix::kVectors) {
    core::report_guest_fault(name(),
                             fmt::format("MSI-X vector {} cannot be sent: there is no such vector", vector));
    return;
  }
  if (dropped_[vector]) {
    dropped_[vector] = false;
    return;
  }
  if (!config_.msix.enabled()) return;  // the host polls
  config_.msix.set_pending(vector);
  send_pending_vectors();
}

void Endpoint::send_pending_vectors() {
  if (config_.msix.pending() == 0 || !host_ || dma_barrier()) return;
  for (unsigned v = 0; v < Msix::kVectors; ++v) {
    if (!(config_.msix.pending() >> v & 1) || !config_.msix.open(v)) continue;
    if (!host_->interrupt(vfio_user::kIrqMsix, v)) {
      // Masked by the client, which then keeps the pending bit; or it has no use for it yet.
      if (!host_->pending(vfio_user::kIrqMsix, v)) continue;
    } else {
      ++statistics_.interrupts;
    }
    config_.msix.clear_pending(v);
  }
}

// --- DMA
// -------------------------------------------------------------------------------------------------------------

const char* Endpoint::dma_barrier() const {
  if (link_failed_) return "the link is down";
  if (is_resetting()) return "the function is being reset";
  if (interface_.drops_work()) return "the host has reset the function under it";
  if (config_.power.in_d3hot()) return "the function is in D3hot";
  if (!config_.bus_master()) return "bus mastering is off";
  return nullptr;
}

void Endpoint::dma_failed(const DmaFailure& failure) {
  namespace code = regs::hostif::DMA_ERROR;
  // What is left of work that a reset has ended is nobody's error.
  if (!host_ || link_failed_ || is_resetting() || interface_.drops_work()) return;
  interface_.record(failure);
  std::string why;
  switch (failure.code) {
    case code::CODE_POISONED:
      why = "its data came poisoned";
      if (config_.header.command.any(Header::kParityResponse))
        config_.header.status.set(Header::kMasterDataParityError);
      // The transfer ends with an error and nothing else is harmed: an advisory error (6.2.3.2.4.3).
      send(config_.errors.uncorrectable(Aer::kPoisoned, poisoned_completion(failure.address, failure.length),
                                        true));
      break;
    case code::CODE_UNMAPPED:
      why = "the host has not mapped it for this";
      if (!failure.write) config_.header.status.set(Header::kReceivedMasterAbort);
      send(config_.errors.uncorrectable(Aer::kInternal,
                                        memory_request(failure.write, failure.address, failure.length)));
      break;
    case code::CODE_PAGE_TABLE:
      why = failure.write ? "no valid entry of its page table lets it write"
                          : "its page table has no valid entry";
      break;
    default:
      why = dma_barrier();
  }
  core::report_guest_fault(
      name(),
      fmt::format("DMA {} of {} bytes at host {} {:#x} of context {}: {}", failure.write ? "write" : "read",
                  failure.length, failure.code == code::CODE_PAGE_TABLE ? "segment offset" : "address",
                  failure.address, failure.context, why));
}

// --- what is told of it
// ----------------------------------------------------------------------------------------------

Endpoint::Statistics Endpoint::statistics() const {
  Statistics all = statistics_;
  all.dma_bytes_read = dma_.bytes_read();
  all.dma_bytes_written = dma_.bytes_written();
  all.table_reads = paged_.table_reads();
  return all;
}

void Endpoint::log_access(bool write, uint64_t offset, const uint8_t* data, size_t size) {
  core::AccessLog::Access access;
  access.sort = core::AccessLog::Sort::host;
  access.write = write;
  access.length = static_cast<uint32_t>(size);
  access.place = bar0_place_;
  access.address = offset;
  std::memcpy(&access.value, data, std::min(size, sizeof access.value));
  access.when = core::now();
  if (const core::Register* reg = interface_.host().find(offset)) access.name = reg->desc().name;
  core::AccessLog::get().add(access);
}

void Endpoint::trace_access(const Request& request, const uint8_t* data, core::Time begin) {
  auto& tracer = core::Tracer::get();
  if (!tracer.enabled() || request.region() == vfio_user::kRegionConfig) return;
  const bool is_bar0 = request.region() == vfio_user::kRegionBar0;
  const core::Register* reg = is_bar0 ? interface_.host().find(request.offset()) : nullptr;
  uint64_t value = 0;
  std::memcpy(&value, data, std::min<size_t>(request.size(), sizeof value));
  tracer.slice(
      host_track_, begin, core::now(),
      fmt::format("{} {}", request.kind() == Request::Kind::kRegionWrite ? "write" : "read",
                  reg ? reg->name() : fmt::format("BAR{}+{:#x}", request.region(), request.offset())),
      core::kNoCommand, fmt::format("{:#x}", value));
}

}  // namespace rdu::pcie
