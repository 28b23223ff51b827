#include "mgmt/float_unit.h"

#include <type_traits>

#include "mgmt/float/soft.h"

namespace rdu::mgmt {

using fp::Binary32;
using fp::Binary64;

namespace {

constexpr uint32_t kFlags = 0x1f;
constexpr unsigned kModeShift = 5;
constexpr uint32_t kModeMask = 7;

uint32_t mode_of(uint32_t fcsr) {
  return fcsr >> kModeShift & kModeMask;
}
bool is_valid(uint32_t mode) {
  return mode <= static_cast<uint32_t>(fp::Rounding::nearest_magnitude);
}
bool host_knows(uint32_t mode) {
  return is_valid(mode) && fp::HostEnvironment::supports(static_cast<fp::Rounding>(mode));
}

}  // namespace

// ---- the host's part

void FloatUnit::begin() {
  running_ = true;
  update();
}

void FloatUnit::end() {
  state_.fcsr = fcsr();
  running_ = false;
  state_.host_rounding = kNotReady;
}

void FloatUnit::update() {
  state_.fcsr = fcsr();
  const bool ready = running_ && state_.float_dirty() && host_knows(mode_of(state_.fcsr));
  if (ready) fp::HostEnvironment::enter(static_cast<fp::Rounding>(mode_of(state_.fcsr)));
  state_.host_rounding = ready ? kByFrm : kNotReady;
}

uint32_t FloatUnit::fcsr() const {
  return state_.host_rounding == kByFrm ? state_.fcsr | fp::HostEnvironment::flags() : state_.fcsr;
}

void FloatUnit::set_fcsr(uint32_t value) {
  state_.host_rounding = kNotReady;  // what the host has collected is overwritten
  state_.fcsr = value & (kFlags | kModeMask << kModeShift);
  state_.float_written();
  update();
}

bool FloatUnit::begin_write() {
  if (!state_.float_enabled()) return false;
  if (!state_.float_dirty()) {
    state_.float_written();
    update();
  }
  return true;
}

// ---- instructions in software

namespace {

/// The operands of an instruction in format F, and where its result goes.
template <class F>
class Operands {
 public:
  using Bits = typename F::Bits;

  Operands(HartState& state, const Decoded& d) : state_(state), d_(d) {}

  Bits a() const { return get(d_.rs1); }
  Bits b() const { return get(d_.rs2); }
  Bits c() const { return get(d_.rs3); }
  Bits raw() const { return static_cast<Bits>(state_.f[d_.rs1]); }  ///< of the register, boxed or not
  uint64_t x() const { return state_.x[d_.rs1]; }

  void set(Bits value) {
    state_.f[d_.rd] = in_register(value);
    state_.float_written();
  }
  /// A 32-bit integer is sign-extended, also an unsigned one.
  template <class Integer>
  void set_x(Integer value) {
    using Signed = std::make_signed_t<Integer>;
    state_.x[d_.rd] = static_cast<uint64_t>(static_cast<int64_t>(static_cast<Signed>(value)));
  }

 private:
  Bits get(unsigned n) const {
    if constexpr (std::is_same_v<F, Binary32>) {
      return fp::unbox(state_.f[n]);
    } else {
      return state_.f[n];
    }
  }
  static uint64_t in_register(Bits value) {
    if constexpr (std::is_same_v<F, Binary32>) {
      return fp::box(value);
    } else {
      return value;
    }
  }

  HartState& state_;
  const Decoded& d_;
};

int32_t word(uint64_t x) {
  return static_cast<int32_t>(static_cast<uint32_t>(x));
}

}  // namespace

/// An operation that exists in both formats: S is the arithmetic, o the operands.
#define RDU_IN_BOTH(single, with_double, ...)      \
  case Op::single: {                               \
    using S [[maybe_unused]] = fp::Soft<Binary32>; \
    Operands<Binary32> o(state_, d);               \
    __VA_ARGS__;                                   \
    break;                                         \
  }                                                \
  case Op::with_double: {                          \
    using S [[maybe_unused]] = fp::Soft<Binary64>; \
    Operands<Binary64> o(state_, d);               \
    __VA_ARGS__;                                   \
    break;                                         \
  }

bool FloatUnit::execute(Op op, const Decoded& d) {
  if (!state_.float_enabled()) return false;
  const auto rm = static_cast<uint32_t>(d.imm);
  const uint32_t mode = rm == kByFrm ? mode_of(state_.fcsr) : rm;
  if (!is_valid(mode)) return false;
  fp::Environment e{static_cast<fp::Rounding>(mode), 0};
  switch (op) {
    RDU_IN_BOTH(fadd_s, fadd_d, o.set(S::add(o.a(), o.b(), e)))
    RDU_IN_BOTH(fsub_s, fsub_d, o.set(S::subtract(o.a(), o.b(), e)))
    RDU_IN_BOTH(fmul_s, fmul_d, o.set(S::multiply(o.a(), o.b(), e)))
    RDU_IN_BOTH(fdiv_s, fdiv_d, o.set(S::divide(o.a(), o.b(), e)))
    RDU_IN_BOTH(fsqrt_s, fsqrt_d, o.set(S::square_root(o.a(), e)))
    RDU_IN_BOTH(fmadd_s, fmadd_d, o.set(S::multiply_add(o.a(), o.b(), o.c(), e)))
    RDU_IN_BOTH(fmsub_s, fmsub_d, o.set(S::multiply_add(o.a(), o.b(), S::negate(o.c()), e)))
    RDU_IN_BOTH(fnmsub_s, fnmsub_d, o.set(S::multiply_add(S::negate(o.a()), o.b(), o.c(), e)))
    RDU_IN_BOTH(fnmadd_s, fnmadd_d, o.set(S::multiply_add(S::negate(o.a()), o.b(), S::negate(o.c()), e)))
    RDU_IN_BOTH(fsgnj_s, fsgnj_d, o.set(S::with_sign_of(o.a(), o.b())))
    RDU_IN_BOTH(fsgnjn_s, fsgnjn_d, o.set(S::with_opposite_sign(o.a(), o.b())))
    RDU_IN_BOTH(fsgnjx_s, fsgnjx_d, o.set(S::with_xor_sign(o.a(), o.b())))
    RDU_IN_BOTH(fmin_s, fmin_d, o.set(S::minimum(o.a(), o.b(), e)))
    RDU_IN_BOTH(fmax_s, fmax_d, o.set(S::maximum(o.a(), o.b(), e)))
    RDU_IN_BOTH(feq_s, feq_d, o.set_x(S::equal(o.a(), o.b(), e) ? 1 : 0))
    RDU_IN_BOTH(flt_s, flt_d, o.set_x(S::less(o.a(), o.b(), e) ? 1 : 0))
    RDU_IN_BOTH(fle_s, fle_d, o.set_x(S::less_or_equal(o.a(), o.b(), e) ? 1 : 0))
    RDU_IN_BOTH(fclass_s, fclass_d, o.set_x(S::classify(o.a())))
    RDU_IN_BOTH(fmv_x_w, fmv_x_d, o.set_x(o.raw()))
    RDU_IN_BOTH(fmv_w_x, fmv_d_x, o.set(static_cast<S::Bits>(o.x())))
    RDU_IN_BOTH(fcvt_w_s, fcvt_w_d, o.set_x(S::to_int32(o.a(), e)))
    RDU_IN_BOTH(fcvt_wu_s, fcvt_wu_d, o.set_x(S::to_uint32(o.a(), e)))
    RDU_IN_BOTH(fcvt_l_s, fcvt_l_d, o.set_x(S::to_int64(o.a(), e)))
    RDU_IN_BOTH(fcvt_lu_s, fcvt_lu_d, o.set_x(S::to_uint64(o.a(), e)))
    RDU_IN_BOTH(fcvt_s_w, fcvt_d_w, o.set(S::from_signed(word(o.x()), e)))
    RDU_IN_BOTH(fcvt_s_wu, fcvt_d_wu, o.set(S::from_unsigned(static_cast<uint32_t>(o.x()), e)))
    RDU_IN_BOTH(fcvt_s_l, fcvt_d_l, o.set(S::from_signed(static_cast<int64_t>(o.x()), e)))
    RDU_IN_BOTH(fcvt_s_lu, fcvt_d_lu, o.set(S::from_unsigned(o.x(), e)))
    case Op::fcvt_s_d:
      Operands<Binary32>(state_, d).set(
          fp::Soft<Binary32>::convert<Binary64>(Operands<Binary64>(state_, d).a(), e));
      break;
    case Op::fcvt_d_s:
      Operands<Binary64>(state_, d).set(
          fp::Soft<Binary64>::convert<Binary32>(Operands<Binary32>(state_, d).a(), e));
      break;
    default:
      return false;
  }
  if (e.flags != 0) {
    state_.fcsr |= e.flags;
    state_.float_written();
  }
  if (state_.host_rounding != kByFrm) update();  // FS may have become dirty
  return true;
}

}  // namespace rdu::mgmt
