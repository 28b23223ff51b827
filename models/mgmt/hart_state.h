#pragma once

#include <cstdint>

namespace rdu::mgmt {

/// Privilege modes, with their encoding in MPP.
enum class Privilege : uint8_t { user = 0, supervisor = 1, machine = 3 };

/// What an access is for: decides which permission it needs and which exception it raises. LR is a load, SC
/// and AMO are stores.
enum class Access : uint8_t { fetch, load, store };

/// Causes of exceptions (mcause).
enum class Cause : uint64_t {
  fetch_misaligned = 0,  ///< never raised: there are 16-bit instructions
  fetch_access = 1,
  illegal = 2,
  breakpoint = 3,
  load_misaligned = 4,
  load_access = 5,
  store_misaligned = 6,
  store_access = 7,
  ecall_user = 8,
  ecall_supervisor = 9,
  ecall_machine = 11,
  fetch_page = 12,
  load_page = 13,
  store_page = 15,
};

const char* to_string(Cause cause);

/// The access fault and the page fault of an access.
inline Cause access_fault(Access access) {
  return access == Access::fetch  ? Cause::fetch_access
         : access == Access::load ? Cause::load_access
                                  : Cause::store_access;
}
inline Cause page_fault(Access access) {
  return access == Access::fetch  ? Cause::fetch_page
         : access == Access::load ? Cause::load_page
                                  : Cause::store_page;
}

struct Trap {
  Cause cause;
  uint64_t value;  ///< mtval or stval
};

/// Fields of mstatus; sstatus shows some of them.
namespace mstatus {
inline constexpr uint64_t kSie = 1u << 1;
inline constexpr uint64_t kMie = 1u << 3;
inline constexpr uint64_t kSpie = 1u << 5;
inline constexpr uint64_t kMpie = 1u << 7;
inline constexpr uint64_t kSpp = 1u << 8;
inline constexpr uint64_t kMpp = 3u << 11;
inline constexpr unsigned kMppShift = 11;
inline constexpr uint64_t kFs = 3u << 13;
inline constexpr uint64_t kMprv = 1u << 17;
inline constexpr uint64_t kSum = 1u << 18;
inline constexpr uint64_t kMxr = 1u << 19;
inline constexpr uint64_t kTvm = 1u << 20;
inline constexpr uint64_t kTw = 1u << 21;
inline constexpr uint64_t kTsr = 1u << 22;
}  // namespace mstatus

/// Which tables of pages hold good. Modes that see memory in different ways have tables of their own, so that
/// going from one to the other drops nothing.
enum class Regime : uint8_t {
  machine,
  supervisor,      ///< mstatus.SUM = 0
  supervisor_sum,  ///< mstatus.SUM = 1: user pages too
  user,
};
inline constexpr unsigned kRegimes = 4;

/// What a program sees in registers, and those CSRs that decide how instructions execute. CsrFile writes the
/// latter.
struct HartState {
  static constexpr unsigned kSink = 32;  ///< takes writes to x0

  uint64_t x[33] = {};
  uint64_t pc = 0;
  uint64_t f[32] = {};  ///< floating-point registers, a binary32 NaN-boxed
  uint32_t fcsr = 0;    ///< flags and rounding mode

  Privilege privilege = Privilege::machine;
  uint64_t mstatus = 0;  ///< the fields above; SD and the fixed fields are added when it is read
  uint64_t satp = 0;
  bool update_ad = false;  ///< menvcfg.ADUE: the walk sets the A and D bits of page tables

  /// Floating-point instructions are illegal while mstatus.FS is off.
  bool float_enabled() const { return (mstatus & mstatus::kFs) != 0; }
  /// mstatus.FS = dirty: f or fcsr has been written.
  void float_written() { mstatus |= mstatus::kFs; }
  bool float_dirty() const { return (mstatus & mstatus::kFs) == mstatus::kFs; }
  /// The rm field that the host can execute now, see FloatUnit.
  uint32_t host_rounding = 0;

  /// Of loads and stores: mstatus.MPRV lends machine mode another one's.
  Privilege data_privilege() const {
    if (privilege != Privilege::machine || (mstatus & mstatus::kMprv) == 0) return privilege;
    return static_cast<Privilege>((mstatus & mstatus::kMpp) >> mstatus::kMppShift);
  }
  Regime data_regime() const {
    switch (data_privilege()) {
      case Privilege::machine:
        return Regime::machine;
      case Privilege::supervisor:
        return (mstatus & mstatus::kSum) ? Regime::supervisor_sum : Regime::supervisor;
      case Privilege::user:
        break;
    }
    return Regime::user;
  }
  Regime fetch_regime() const {
    return privilege == Privilege::machine      ? Regime::machine
           : privilege == Privilege::supervisor ? Regime::supervisor
                                                : Regime::user;
  }

  /// Of LR. It does not outlive a moment in which anybody else could have stored: the hart drops it before it
  /// lets the kernel's time go on, and with each trap and return.
  struct Reservation {
    bool valid = false;
    uint64_t address = 0;
    uint64_t value = 0;
    unsigned size = 0;
  } reservation;

  uint64_t retired = 0;  ///< instructions since the start of simulation
};

}  // namespace rdu::mgmt
