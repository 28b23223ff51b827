#include "pcie/endpoint.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace rdu::pcie {

using vfio_user::Request;

namespace {

/// Kinds of events in the trace hash.
constexpr uint64_t kHostAccess = 0x10, kHostDma = 0x11, kInterrupt = 0x12, kHostReset = 0x13;

uint64_t fold(const uint8_t* data, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value = (value << 7 | value >> 57) ^ data[i];
  return value;
}

}  // namespace

Endpoint::Endpoint(const sc_core::sc_module_name& module_name, const PcieParams& params,
                   std::function<uint32_t()> boot_stage, std::function<void()> restart_core)
    : sc_module(module_name),
      params_(params),
      interface_(std::string(name()) + ".hostctl",
                 {std::move(boot_stage),
                  [this] { return (connected_ ? 1u : 0u) | (config_.bus_master() ? 2u : 0u); },
                  std::move(restart_core), [this](unsigned vector) { send_msix(vector); },
                  [this](unsigned queue, core::CommandTag first, unsigned count) {
                    auto& tracer = core::Tracer::get();
                    if (!tracer.enabled()) return;
                    for (unsigned i = 0; i < count; ++i) {
                      // Tags of one queue run through 16 bits.
                      const core::CommandTag tag = (queue << 16 | ((first - 1 + i) & 0xffff)) + 1;
                      tracer.begin_command(tag);
                      tracer.instant(host_track_, core::now() + i, fmt::format("doorbell {}", queue), tag);
                    }
                  }}),
      host_track_(core::Tracer::get().track(std::string(name()) + ".host")),
      bar0_(core::AccessLog::get().place(std::string(name()) + ".bar0")),
      dma_track_(core::Tracer::get().track(std::string(name()) + ".dma")) {
  SC_HAS_PROCESS(Endpoint);
  SC_THREAD(serve);
}

Endpoint::~Endpoint() = default;

void Endpoint::submit(Request request) {
  request_.emplace(std::move(request));
  submitted_.notify(sc_core::SC_ZERO_TIME);
}

void Endpoint::serve() {
  for (;;) {
    wait(submitted_);
    perform(*request_);
    request_.reset();
  }
}

void Endpoint::perform(Request& request) {
  const core::Time begin = core::now();
  const sc_core::sc_time one_way = core::to_sc(params_.latency);
  switch (request.kind()) {
    case Request::Kind::kRegionRead: {
      std::vector<uint8_t> data(request.size());
      wait(one_way);
      const int error = region_read(request.region(), request.offset(), data.data(), data.size());
      wait(one_way);
      if (request.region() == vfio_user::kRegionBar0)
        trace_access(false, request.offset(), data.data(), data.size(), begin);
      host_->answer(request, error, data.data());
      return;
    }
    case Request::Kind::kRegionWrite: {
      wait(one_way);
      const int error =
          region_write(request.region(), request.offset(), request.data().data(), request.data().size());
      if (request.region() == vfio_user::kRegionBar0) {
        trace_access(true, request.offset(), request.data().data(), request.data().size(), begin);
      }
      host_->answer(request, error);
      return;
    }
    default:
      host_->answer(request, host_->perform(request));
  }
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
  info.readable = info.writable = info.size != 0;
  return info;
}

vfio_user::IrqInfo Endpoint::irq_info(uint32_t index) const {
  vfio_user::IrqInfo info;
  if (index == vfio_user::kIrqMsix) info.count = ConfigSpace::kVectors;
  info.no_resize = info.count != 0;
  return info;
}

int Endpoint::region_read(uint32_t index, uint64_t offset, uint8_t* data, size_t size) {
  if (index == vfio_user::kRegionConfig) {
    config_.read(offset, data, size);
    return 0;
  }
  if (index != vfio_user::kRegionBar0) return EINVAL;
  ++statistics_.host_reads;
  // What nobody answers reads as all ones, as an unsupported request does on a PCIe host.
  if (!bar0_access(false, offset, data, size)) std::memset(data, 0xff, size);
  core::TraceHash::get().add(kHostAccess, core::now(), offset << 1, fold(data, size));
  log_access(false, offset, data, size);
  return 0;
}

int Endpoint::region_write(uint32_t index, uint64_t offset, const uint8_t* data, size_t size) {
  if (index == vfio_user::kRegionConfig) {
    config_.write(offset, data, size);
    return 0;
  }
  if (index != vfio_user::kRegionBar0) return EINVAL;
  ++statistics_.host_writes;
  core::TraceHash::get().add(kHostAccess, core::now(), offset << 1 | 1, fold(data, size));
  log_access(true, offset, data, size);
  std::vector<uint8_t> copy(data, data + size);
  bar0_access(true, offset, copy.data(), size);
  return 0;
}

bool Endpoint::bar0_access(bool write, uint64_t offset, uint8_t* data, size_t size) {
  const char* why = "no register answers";
  if (!config_.memory_enabled()) {
    why = "memory space is not enabled in the PCI command register";
  } else if (offset >= ConfigSpace::kMsixTable &&
             offset + size <= ConfigSpace::kMsixTable + msix_table_.size()) {
    uint8_t* entry = msix_table_.data() + (offset - ConfigSpace::kMsixTable);
    std::memcpy(write ? entry : data, write ? data : entry, size);
    return true;
  } else if (offset >= ConfigSpace::kMsixPending && offset + size <= ConfigSpace::kMsixPending + 8) {
    if (write) return true;  // read-only by specification
    uint64_t pending = 0;
    for (unsigned v = 0; v < ConfigSpace::kVectors; ++v) {
      if (host_ && host_->pending(vfio_user::kIrqMsix, v)) pending |= uint64_t{1} << v;
    }
    std::memcpy(data, reinterpret_cast<uint8_t*>(&pending) + (offset - ConfigSpace::kMsixPending), size);
    return true;
  } else if (size <= 8 && interface_.host().access(write, offset, static_cast<unsigned>(size), data)) {
    return true;
  }
  core::report_guest_fault(name(), fmt::format("host {} of {} bytes at BAR0 offset {:#x}: {}",
                                               write ? "write" : "read", size, offset, why));
  return false;
}

void Endpoint::dma_mapped(uint64_t, uint64_t) {}
void Endpoint::dma_unmapping(uint64_t, uint64_t) {}
void Endpoint::irqs_changed(uint32_t, uint32_t, uint32_t) {}

int Endpoint::reset() {
  core::TraceHash::get().add(kHostReset, core::now(), 0, 0);
  core::Tracer::get().instant(host_track_, core::now(), "function reset");
  config_.reset();
  msix_table_.fill(0);
  interface_.host_reset();
  return 0;
}

void Endpoint::disconnected() {
  connected_ = false;
  reset();
}

void Endpoint::send_msix(unsigned vector) {
  auto& tracer = core::Tracer::get();
  if (tracer.enabled()) tracer.instant(host_track_, core::now(), fmt::format("MSI-X {}", vector));
  core::TraceHash::get().add(kInterrupt, core::now(), vector, 0);
  ++statistics_.interrupts;
  if (!host_ || vector >= ConfigSpace::kVectors || !config_.bus_master()) {
    core::report_guest_fault(
        name(), fmt::format("MSI-X vector {} cannot be sent: {}", vector,
                            vector >= ConfigSpace::kVectors ? "there is no such vector"
                                                            : "the host does not allow bus mastering"));
    return;
  }
  host_->interrupt(vfio_user::kIrqMsix, vector);
}

void Endpoint::log_access(bool write, uint64_t offset, const uint8_t* data, size_t size) {
  core::AccessLog::Access access;
  access.sort = core::AccessLog::Sort::host;
  access.write = write;
  access.length = static_cast<uint32_t>(size);
  access.place = bar0_;
  access.address = offset;
  std::memcpy(&access.value, data, std::min(size, sizeof access.value));
  access.when = core::now();
  if (const core::Register* reg = interface_.host().find(offset)) access.name = reg->desc().name;
  core::AccessLog::get().add(access);
}

void Endpoint::trace_access(bool write, uint64_t offset, const uint8_t* data, size_t size, core::Time begin) {
  auto& tracer = core::Tracer::get();
  if (!tracer.enabled()) return;
  const core::Register* reg = interface_.host().find(offset);
  uint64_t value = 0;
  std::memcpy(&value, data, std::min<size_t>(size, sizeof value));
  tracer.slice(
      host_track_, begin, core::now(),
      fmt::format("{} {}", write ? "write" : "read", reg ? reg->name() : fmt::format("BAR0+{:#x}", offset)),
      core::kNoCommand, fmt::format("{:#x}", value));
}

// --- what the device sees of the host
// --------------------------------------------------------------------------------

void Endpoint::access(core::Transfer& t, uint64_t offset, core::Time arrive) {
  // A read sends its request out and gets its data back; a write is posted: done when its last byte is on its
  // way.
  core::Time& link_free = t.write ? write_link_free_ : read_link_free_;
  const core::Time wire = static_cast<core::Time>(static_cast<unsigned __int128>(t.length) *
                                                  1'000'000'000'000u / params_.bandwidth);
  const core::Time start = std::max(t.write ? arrive : arrive + params_.latency, link_free);
  link_free = start + wire;
  t.done = t.write ? link_free : link_free + params_.latency;

  int error = EFAULT;
  if (config_.bus_master() && host_) {
    error = t.write ? host_->dma_write(arrive, offset, t.data, t.length)
                    : host_->dma_read(arrive, offset, t.data, t.length);
  }
  auto& tracer = core::Tracer::get();
  if (tracer.enabled()) {
    tracer.slice(dma_track_, start, link_free, t.write ? "DMA write" : "DMA read", t.tag,
                 fmt::format("{:#x}, {} bytes", offset, t.length));
  }
  if (error) {
    t.status = core::TransferStatus::access_denied;
    core::report_guest_fault(name(), fmt::format("DMA {} of {} bytes at host address {:#x}: {}",
                                                 t.write ? "write" : "read", t.length, offset,
                                                 config_.bus_master() ? "the host has not mapped it for this"
                                                                      : "bus mastering is off"));
    return;
  }
  (t.write ? statistics_.dma_bytes_written : statistics_.dma_bytes_read) += t.length;
  core::TraceHash::get().add(kHostDma, arrive, offset << 1 | (t.write ? 1u : 0u), fold(t.data, t.length));
}

bool Endpoint::debug(uint64_t offset, uint8_t* data, uint64_t length, bool write) {
  if (!host_) return false;
  return write ? host_->poke(offset, data, length) : host_->peek(offset, data, length);
}

}  // namespace rdu::pcie
