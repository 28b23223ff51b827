#pragma once

#include "native_device.h"
#include "regs/sequencer.h"
#include "regs/slb.h"
#include "regs/sysctl.h"

/// What tests of the services look at.
namespace rdu::firmware {

inline uint64_t boot_stage(FakeChip& chip) {
  return chip.reg(RDU_BASE_SYSCTL + RDU_SYSCTL_BOOT_STAGE);
}
inline uint64_t csts(FakeChip& chip) {
  return chip.reg(RDU_BASE_HOSTCTL + RDU_HOSTCTL_CSTS);
}
inline uint64_t segment(FakeChip& chip, unsigned context, unsigned n, uint64_t offset) {
  return chip.reg(RDU_BASE_SLB + RDU_SLB_SEGMENT_BASE(context * 4 + n) + offset);
}

inline constexpr uint64_t kRdy = RDU_HOSTCTL_CSTS_RDY_MASK, kCfs = RDU_HOSTCTL_CSTS_CFS_MASK,
                          kFw = RDU_HOSTCTL_CSTS_FW_MASK;

inline uint64_t hbm(uint64_t offset) {
  return RDU_VA(RDU_SEGMENT_HBM, offset);
}
inline uint64_t ddr(uint64_t offset) {
  return RDU_VA(RDU_SEGMENT_DDR, offset);
}
inline uint64_t host(uint64_t offset) {
  return RDU_VA(RDU_SEGMENT_HOST, offset);
}

}  // namespace rdu::firmware
