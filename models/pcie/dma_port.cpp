#include "pcie/dma_port.h"

#include <fmt/format.h>

#include <algorithm>

#include "pcie/trace_events.h"
#include "regs/hostif.hpp"

namespace rdu::pcie {

namespace dma_error = regs::hostif::DMA_ERROR;

DmaPort::DmaPort(const std::string& name, const PcieParams& params, Owner& owner)
    : params_(params), owner_(owner), track_(core::Tracer::get().track(name + ".dma")) {}

void DmaPort::transfer(core::Transfer& t, uint64_t address, core::Time arrive, unsigned context) {
  core::Time& link_free = t.write ? write_link_free_ : read_link_free_;
  const core::Time wire = static_cast<core::Time>(static_cast<unsigned __int128>(t.length) *
                                                  1'000'000'000'000u / params_.bandwidth);
  const core::Time start = std::max(t.write ? arrive : arrive + params_.latency, link_free);
  link_free = start + wire;
  t.done = t.write ? link_free : link_free + params_.latency;
  auto& tracer = core::Tracer::get();
  if (tracer.enabled()) {
    tracer.slice(track_, start, link_free, t.write ? "DMA write" : "DMA read", t.tag,
                 fmt::format("{:#x}, {} bytes", address, t.length));
  }

  HostPort* const host = owner_.host();
  const auto fail = [&](core::TransferStatus status, uint64_t code) {
    t.status = status;
    owner_.dma_failed({code, t.write, context, address, t.length});
  };
  if (!host || owner_.dma_barrier())
    return fail(core::TransferStatus::access_denied, dma_error::CODE_BUS_MASTER);
  const int error = t.write ? host->dma_write(arrive, address, t.data, t.length)
                            : host->dma_read(arrive, address, t.data, t.length);
  if (error) return fail(core::TransferStatus::access_denied, dma_error::CODE_UNMAPPED);
  if (!t.write && poison_next_) {
    poison_next_ = false;
    return fail(core::TransferStatus::data_error, dma_error::CODE_POISONED);
  }
  t.status = core::TransferStatus::ok;
  (t.write ? bytes_written_ : bytes_read_) += t.length;
  core::TraceHash::get().add(trace::kHostDma, arrive, address << 1 | (t.write ? 1u : 0u),
                             trace::fold(t.data, t.length));
}

bool DmaPort::debug(uint64_t address, uint8_t* data, uint64_t length, bool write) {
  HostPort* const host = owner_.host();
  if (!host) return false;
  return write ? host->poke(address, data, length) : host->peek(address, data, length);
}

}  // namespace rdu::pcie
