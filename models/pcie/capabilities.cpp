#include "pcie/capabilities.h"

namespace rdu::pcie {
namespace {

constexpr uint32_t kBar64 = 0x4, kBarPrefetchable = 0x8;

BitRights rw(uint32_t mask) {
  BitRights rights;
  rights.rw = mask;
  return rights;
}
BitRights w1c(uint32_t mask) {
  BitRights rights;
  rights.w1c = mask;
  return rights;
}
/// Kept by an FLR although software may write it.
BitRights rw_of_link(uint32_t mask, uint32_t of_link) {
  BitRights rights;
  rights.rw = mask;
  rights.flr_keeps = of_link;
  return rights;
}
BitRights rw_sticky(uint32_t mask) {
  BitRights rights;
  rights.rw = rights.sticky = mask;
  return rights;
}

constexpr uint32_t low(uint64_t word) {
  return static_cast<uint32_t>(word);
}
constexpr uint32_t high(uint64_t word) {
  return static_cast<uint32_t>(word >> 32);
}

}  // namespace

Header::Header(const Identity& id, uint64_t bar0_size, uint64_t bar2_size)
    : ConfigRegisters(kSize),
      vendor_id(*this, 0x00, 2, id.vendor),
      device_id(*this, 0x02, 2, id.device),
      command(*this, 0x04, 2, 0, rw(kMemory | kBusMaster | kParityResponse | kSerr | kNoIntx)),
      status(*this, 0x06, 2, kCapabilities,
             w1c(kMasterDataParityError | kSignaledTargetAbort | kReceivedTargetAbort | kReceivedMasterAbort |
                 kSignaledSystemError | kDetectedParityError)),
      revision_id(*this, 0x08, 1, id.revision),
      class_code(*this, 0x09, 3, id.class_code),
      cache_line_size(*this, 0x0c, 1, 0, rw(0xff)),
      bar0(*this, 0x10, 4, kBar64, rw(low(~(bar0_size - 1)))),
      bar0_high(*this, 0x14, 4, 0, rw(high(~(bar0_size - 1)))),
      bar2(*this, 0x18, 4, kBar64 | kBarPrefetchable, rw(low(~(bar2_size - 1)))),
      bar2_high(*this, 0x1c, 4, 0, rw(high(~(bar2_size - 1)))),
      subsystem_vendor_id(*this, 0x2c, 2, id.subsystem_vendor),
      subsystem_id(*this, 0x2e, 2, id.subsystem),
      capabilities_pointer(*this, 0x34, 1, id.capabilities),
      interrupt_line(*this, 0x3c, 1, 0, rw(0xff)) {
  reset(Reset::power_on);
}

uint64_t Header::bar_address(unsigned n) const {
  const Register& lower = n == 0 ? bar0 : bar2;
  const Register& upper = n == 0 ? bar0_high : bar2_high;
  return (uint64_t{upper.value()} << 32 | lower.value()) & ~uint64_t{0xf};
}

PowerManagement::PowerManagement(uint8_t next)
    : ConfigRegisters(kSize),
      header(*this, 0x0, 2, capability_header(0x01, next)),
      capabilities(*this, 0x2, 2, 0x0003),  // version 3; neither D1, D2 nor PME
      control_status(*this, 0x4, 2, kNoSoftReset, rw(kStateMask)) {
  reset(Reset::power_on);
}

void PowerManagement::written() {
  const uint32_t state = control_status.value() & kStateMask;
  if (state == kD0 || state == kD3hot) {
    state_ = state;
  } else {  // a state that the function does not have: the write is discarded (7.5.2.2)
    control_status.set_value((control_status.value() & ~kStateMask) | state_);
  }
}

Express::Express(uint8_t next)
    : ConfigRegisters(kSize),
      header(*this, 0x00, 2, capability_header(0x10, next)),
      capabilities(*this, 0x02, 2, 0x0002),  // version 2, endpoint
      // 256-byte payloads, 8-bit tags, L0s and L1 latencies without limit, role-based error reporting, FLR
      device_capabilities(*this, 0x04, 4, 0x1 | 1u << 5 | 7u << 6 | 7u << 9 | 1u << 15 | 1u << 28),
      // Error reporting, relaxed ordering, payload size, 8-bit tags, no snoop, read request size. Relaxed
      // ordering, tags, no snoop and a read request size of 512 bytes are the defaults; FLR reads as zero.
      device_control(*this, 0x08, 2, 0x2910, rw_of_link(0xf9ff, 0x00e0)),
      device_status(*this, 0x0a, 2, 0, w1c(0xf)),
      // 16 GT/s, 16 lanes, no ASPM (but its optionality is understood), port 0
      link_capabilities(*this, 0x0c, 4, 0x4 | 16u << 4 | 1u << 22),
      link_control(*this, 0x10, 2, 0, rw_of_link(0x00cb, 0x00cb)),
      link_status(*this, 0x12, 2, 0x4 | 16u << 4 | 1u << 12),  // as it can, slot clock
      device_capabilities2(*this, 0x24, 4, 1u << 4),           // completion time-out can be disabled
      device_control2(*this, 0x28, 2, 0, rw(1u << 4)),
      link_capabilities2(*this, 0x2c, 4, 0x1e),  // 2.5, 5, 8 and 16 GT/s
      link_control2(*this, 0x30, 2, 0x4, rw_sticky(0xffbf)),
      link_status2(*this, 0x32, 2, 0x1e) {  // equalisation complete, all its phases successful
  reset(Reset::power_on);
}

void Express::written() {
  if (!device_control.any(kInitiateFlr)) return;
  device_control.clear(kInitiateFlr);  // always reads as zero
  flr_requested_ = true;
}

bool Express::take_flr_request() {
  const bool requested = flr_requested_;
  flr_requested_ = false;
  return requested;
}

SerialNumber::SerialNumber(uint64_t serial, uint16_t next)
    : ConfigRegisters(kSize),
      header(*this, 0x0, 4, extended_header(0x0003, 1, next)),
      low(*this, 0x4, 4, static_cast<uint32_t>(serial)),
      high(*this, 0x8, 4, static_cast<uint32_t>(serial >> 32)) {
  reset(Reset::power_on);
}

}  // namespace rdu::pcie
