#include "mgmt/float/soft.h"

#include <limits>

// Every operation goes three steps: operands are unpacked, an exact result (or one with a sticky last bit,
// which rounds the same) is computed as an Unpacked, and pack() or to_integer() rounds it.

namespace rdu::mgmt::fp {

namespace {

using Wide = unsigned __int128;

constexpr unsigned kTop = 126;  ///< where a significand's leading one stands; one bit above is for the carry
constexpr Wide kOne = Wide{1} << kTop;

/// A finite number: significand / 2^kTop * 2^exponent. The significand of zero is 0, of others at least kOne
/// and less than 2 * kOne once they are normalised.
struct Unpacked {
  bool negative = false;
  int exponent = 0;
  Wide significand = 0;
};

unsigned width(Wide v) {
  const auto high = static_cast<uint64_t>(v >> 64);
  const auto low = static_cast<uint64_t>(v);
  if (high) return 128 - static_cast<unsigned>(__builtin_clzll(high));
  return low ? 64 - static_cast<unsigned>(__builtin_clzll(low)) : 0;
}

/// Ones that are shifted out stay visible in the last bit.
Wide shift_right_sticky(Wide v, unsigned distance) {
  if (distance == 0) return v;
  if (distance > 127) return v != 0 ? 1 : 0;
  const bool lost = (v & ((Wide{1} << distance) - 1)) != 0;
  return (v >> distance) | (lost ? 1 : 0);
}

Unpacked normalised(Unpacked n) {
  const unsigned w = width(n.significand);
  if (w == 0) return n;
  const int shift = static_cast<int>(kTop) + 1 - static_cast<int>(w);
  n.significand =
      shift >= 0 ? n.significand << shift : shift_right_sticky(n.significand, static_cast<unsigned>(-shift));
  n.exponent -= shift;
  return n;
}

/// Of a number that is neither infinite nor NaN.
template <class F>
Unpacked unpack(typename F::Bits a) {
  Unpacked n{F::sign(a), static_cast<int>(F::biased_exponent(a)) - F::kBias, a & F::kFraction};
  if (F::biased_exponent(a) == 0) {
    n.exponent = F::kLeastExponent;
  } else {
    n.significand |= Wide{1} << F::kFractionBits;
  }
  n.significand <<= kTop - F::kFractionBits;
  return normalised(n);
}

/// Whether a magnitude that lies between two representable ones goes to the upper.
bool rounds_up(Rounding mode, bool negative, bool odd, Wide rest, Wide half) {
  switch (mode) {
    case Rounding::nearest_even:
      return rest > half || (rest == half && odd);
    case Rounding::nearest_magnitude:
      return rest >= half;
    case Rounding::down:
      return negative && rest != 0;
    case Rounding::up:
      return !negative && rest != 0;
    case Rounding::toward_zero:
      break;
  }
  return false;
}

/// The significand without its last `drop` bits (at least one), rounded.
Wide rounded(const Unpacked& n, unsigned drop, Rounding mode, bool* inexact) {
  if (drop > kTop + 1) {  // less than half of a step
    *inexact = n.significand != 0;
    return rounds_up(mode, n.negative, false, *inexact ? 1 : 0, 2) ? 1 : 0;
  }
  const Wide kept = n.significand >> drop;
  const Wide rest = n.significand & ((Wide{1} << drop) - 1);
  *inexact = rest != 0;
  return kept + (rounds_up(mode, n.negative, kept & 1, rest, Wide{1} << (drop - 1)) ? 1 : 0);
}

template <class F>
typename F::Bits pack(Unpacked n, Environment& e) {
  using Bits = typename F::Bits;
  const Bits sign = n.negative ? F::kSign : 0;
  if (n.significand == 0) return sign;
  n = normalised(n);
  unsigned drop = kTop - F::kFractionBits;
  const bool small = n.exponent < F::kLeastExponent;
  bool inexact = false;
  bool tiny = small;
  if (small) {
    // Tiny unless rounding with an unbounded exponent reaches the least normal number.
    if (n.exponent == F::kLeastExponent - 1) {
      tiny = rounded(n, drop, e.rounding, &inexact) >> F::kPrecision == 0;
    }
    drop += static_cast<unsigned>(F::kLeastExponent - n.exponent);
  }
  const Wide kept = rounded(n, drop, e.rounding, &inexact);
  // The leading one of a normal number adds one to the exponent's field, as does a carry out of the fraction.
  const int64_t field = small ? 0 : n.exponent + F::kBias - 1;
  const Wide magnitude = (static_cast<Wide>(field) << F::kFractionBits) + kept;
  if (magnitude >= F::kInfinity) {
    e.flags |= kOverflow | kInexact;
    const bool to_infinity = e.rounding == Rounding::nearest_even ||
                             e.rounding == Rounding::nearest_magnitude ||
                             e.rounding == (n.negative ? Rounding::down : Rounding::up);
    return sign | (to_infinity ? F::kInfinity : F::kLargest);
  }
  if (inexact) e.flags |= tiny ? kInexact | kUnderflow : kInexact;
  return sign | static_cast<Bits>(magnitude);
}

/// The sum of two normalised numbers. An exact zero has the sign that both have, else plus (minus if rounding
/// down).
Unpacked sum(Unpacked a, Unpacked b, Rounding mode) {
  if (a.significand == 0 && b.significand == 0) {
    if (a.negative != b.negative) a.negative = mode == Rounding::down;
    return a;
  }
  if (a.significand == 0) return b;
  if (b.significand == 0) return a;
  if (a.exponent < b.exponent || (a.exponent == b.exponent && a.significand < b.significand)) {
    const Unpacked t = a;
    a = b;
    b = t;
  }
  // Cancellation of more than one bit happens only if the exponents differ by at most one, and then nothing
  // is shifted out: even a product has 20 zeros at its end.
  const Wide other = shift_right_sticky(b.significand, static_cast<unsigned>(a.exponent - b.exponent));
  if (a.negative == b.negative) {
    a.significand += other;
  } else {
    a.significand -= other;
    if (a.significand == 0) a.negative = mode == Rounding::down;
  }
  return normalised(a);
}

/// Exact.
Unpacked product(const Unpacked& a, const Unpacked& b) {
  const auto high = [](const Unpacked& n) { return static_cast<uint64_t>(n.significand >> (kTop - 63)); };
  return normalised({a.negative != b.negative, a.exponent + b.exponent, Wide{high(a)} * high(b)});
}

template <class F>
typename F::Bits invalid(Environment& e) {
  e.flags |= kInvalid;
  return F::kNan;
}

/// The result of an operation with a NaN among its operands.
template <class F, class... Operands>
typename F::Bits nan(Environment& e, Operands... operands) {
  if ((F::is_signalling(operands) || ...)) e.flags |= kInvalid;
  return F::kNan;
}

template <class F>
bool is_infinite(typename F::Bits a) {
  return (a & ~F::kSign) == F::kInfinity;
}

template <class F, class Integer>
Integer to_integer(typename F::Bits a, Environment& e) {
  using Limits = std::numeric_limits<Integer>;
  const bool negative = F::sign(a) && !F::is_nan(a);
  const Integer end = negative ? Limits::min() : Limits::max();
  if ((a & ~F::kSign) >= F::kInfinity) {
    e.flags |= kInvalid;
    return end;
  }
  const Unpacked n = unpack<F>(a);
  constexpr int kBeyond = 65;  // 2^65 is outside every integer type
  if (n.significand != 0 && n.exponent >= kBeyond) {
    e.flags |= kInvalid;
    return end;
  }
  bool inexact = false;
  const Wide magnitude =
      rounded(n, static_cast<unsigned>(static_cast<int>(kTop) - n.exponent), e.rounding, &inexact);
  const Wide most = negative ? Wide{0} - static_cast<Wide>(Limits::min()) : static_cast<Wide>(Limits::max());
  if (magnitude > most) {
    e.flags |= kInvalid;
    return end;
  }
  if (inexact) e.flags |= kInexact;
  const auto low = static_cast<uint64_t>(magnitude);
  return static_cast<Integer>(negative ? 0 - low : low);
}

}  // namespace

// ---- arithmetic

template <class F>
typename F::Bits Soft<F>::add(Bits a, Bits b, Environment& e) {
  if (F::is_nan(a) || F::is_nan(b)) return nan<F>(e, a, b);
  if (is_infinite<F>(a)) return is_infinite<F>(b) && a != b ? invalid<F>(e) : a;
  if (is_infinite<F>(b)) return b;
  return pack<F>(sum(unpack<F>(a), unpack<F>(b), e.rounding), e);
}

template <class F>
typename F::Bits Soft<F>::subtract(Bits a, Bits b, Environment& e) {
  return F::is_nan(b) ? nan<F>(e, a, b) : add(a, negate(b), e);
}

template <class F>
typename F::Bits Soft<F>::multiply(Bits a, Bits b, Environment& e) {
  if (F::is_nan(a) || F::is_nan(b)) return nan<F>(e, a, b);
  const Bits sign = (a ^ b) & F::kSign;
  if (is_infinite<F>(a) || is_infinite<F>(b)) {
    return F::is_zero(a) || F::is_zero(b) ? invalid<F>(e) : sign | F::kInfinity;
  }
  return pack<F>(product(unpack<F>(a), unpack<F>(b)), e);
}

template <class F>
typename F::Bits Soft<F>::multiply_add(Bits a, Bits b, Bits c, Environment& e) {
  // Infinity times zero is invalid even if a quiet NaN is added.
  if ((is_infinite<F>(a) && F::is_zero(b)) || (F::is_zero(a) && is_infinite<F>(b))) return invalid<F>(e);
  if (F::is_nan(a) || F::is_nan(b) || F::is_nan(c)) return nan<F>(e, a, b, c);
  const Bits sign = (a ^ b) & F::kSign;
  if (is_infinite<F>(a) || is_infinite<F>(b)) {
    return is_infinite<F>(c) && (c & F::kSign) != sign ? invalid<F>(e) : sign | F::kInfinity;
  }
  if (is_infinite<F>(c)) return c;
  return pack<F>(sum(product(unpack<F>(a), unpack<F>(b)), unpack<F>(c), e.rounding), e);
}

template <class F>
typename F::Bits Soft<F>::divide(Bits a, Bits b, Environment& e) {
  if (F::is_nan(a) || F::is_nan(b)) return nan<F>(e, a, b);
  const Bits sign = (a ^ b) & F::kSign;
  if (is_infinite<F>(a)) return is_infinite<F>(b) ? invalid<F>(e) : sign | F::kInfinity;
  if (is_infinite<F>(b)) return sign;
  if (F::is_zero(b)) {
    if (F::is_zero(a)) return invalid<F>(e);
    e.flags |= kDivideByZero;
    return sign | F::kInfinity;
  }
  const Unpacked dividend = unpack<F>(a);
  const Unpacked divisor = unpack<F>(b);
  // The quotient of two 64-bit significands to 63 bits or one more, and whether anything remains.
  const Wide numerator = (dividend.significand >> (kTop - 63)) << 63;
  const Wide denominator = divisor.significand >> (kTop - 63);
  const Wide quotient = numerator / denominator;
  const bool rest = quotient * denominator != numerator;
  return pack<F>({sign != 0, dividend.exponent - divisor.exponent + static_cast<int>(kTop) - 64,
                  quotient << 1 | (rest ? 1 : 0)},
                 e);
}

template <class F>
typename F::Bits Soft<F>::square_root(Bits a, Environment& e) {
  if (F::is_nan(a)) return nan<F>(e, a);
  if (F::is_zero(a)) return a;
  if (F::sign(a)) return invalid<F>(e);
  if (is_infinite<F>(a)) return a;
  const Unpacked n = unpack<F>(a);
  // significand * 2^exponent with an even exponent; the root of a 127- or 128-bit integer has 64 bits.
  const bool odd = n.exponent % 2 != 0;
  Wide rest = odd ? n.significand << 1 : n.significand;
  const int exponent = (odd ? n.exponent - 1 : n.exponent) / 2;
  Wide root = 0;
  for (Wide bit = kOne; bit != 0; bit >>= 2) {
    if (rest >= root + bit) {
      rest -= root + bit;
      root = (root >> 1) + bit;
    } else {
      root >>= 1;
    }
  }
  // root^2 is about 2^kTop, so one is 2^(kTop / 2) there.
  return pack<F>({false, exponent + static_cast<int>(kTop / 2) - 1, root << 1 | (rest != 0 ? 1 : 0)}, e);
}

// ---- comparison

namespace {

/// Of numbers: order as signed magnitudes.
template <class F>
bool below(typename F::Bits a, typename F::Bits b) {
  if (F::is_zero(a) && F::is_zero(b)) return false;
  if (F::sign(a) != F::sign(b)) return F::sign(a);
  return F::sign(a) ? a > b : a < b;
}

}  // namespace

template <class F>
typename F::Bits Soft<F>::minimum(Bits a, Bits b, Environment& e) {
  if (F::is_signalling(a) || F::is_signalling(b)) e.flags |= kInvalid;
  if (F::is_nan(a)) return F::is_nan(b) ? F::kNan : b;
  if (F::is_nan(b)) return a;
  return below<F>(a, b) || (F::is_zero(a) && F::is_zero(b) && F::sign(a)) ? a : b;
}

template <class F>
typename F::Bits Soft<F>::maximum(Bits a, Bits b, Environment& e) {
  if (F::is_signalling(a) || F::is_signalling(b)) e.flags |= kInvalid;
  if (F::is_nan(a)) return F::is_nan(b) ? F::kNan : b;
  if (F::is_nan(b)) return a;
  return below<F>(b, a) || (F::is_zero(a) && F::is_zero(b) && !F::sign(a)) ? a : b;
}

template <class F>
bool Soft<F>::equal(Bits a, Bits b, Environment& e) {
  if (F::is_nan(a) || F::is_nan(b)) {
    nan<F>(e, a, b);
    return false;
  }
  return a == b || (F::is_zero(a) && F::is_zero(b));
}

template <class F>
bool Soft<F>::less(Bits a, Bits b, Environment& e) {
  if (F::is_nan(a) || F::is_nan(b)) {
    e.flags |= kInvalid;
    return false;
  }
  return below<F>(a, b);
}

template <class F>
bool Soft<F>::less_or_equal(Bits a, Bits b, Environment& e) {
  if (F::is_nan(a) || F::is_nan(b)) {
    e.flags |= kInvalid;
    return false;
  }
  return !below<F>(b, a);
}

template <class F>
unsigned Soft<F>::classify(Bits a) {
  if (F::is_nan(a)) return F::is_signalling(a) ? 1u << 8 : 1u << 9;
  const unsigned exponent = F::biased_exponent(a);
  const unsigned magnitude = is_infinite<F>(a) ? 3 : exponent != 0 ? 2 : F::is_zero(a) ? 0 : 1;
  return F::sign(a) ? 1u << (3 - magnitude) : 1u << (4 + magnitude);
}

// ---- conversion

template <class F>
int32_t Soft<F>::to_int32(Bits a, Environment& e) {
  return to_integer<F, int32_t>(a, e);
}
template <class F>
uint32_t Soft<F>::to_uint32(Bits a, Environment& e) {
  return to_integer<F, uint32_t>(a, e);
}
template <class F>
int64_t Soft<F>::to_int64(Bits a, Environment& e) {
  return to_integer<F, int64_t>(a, e);
}
template <class F>
uint64_t Soft<F>::to_uint64(Bits a, Environment& e) {
  return to_integer<F, uint64_t>(a, e);
}

template <class F>
typename F::Bits Soft<F>::from_signed(int64_t value, Environment& e) {
  const bool negative = value < 0;
  const auto magnitude = negative ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  return pack<F>({negative, static_cast<int>(kTop), magnitude}, e);
}

template <class F>
typename F::Bits Soft<F>::from_unsigned(uint64_t value, Environment& e) {
  return pack<F>({false, static_cast<int>(kTop), value}, e);
}

template <class F>
template <class From>
typename F::Bits Soft<F>::convert(typename From::Bits a, Environment& e) {
  if (From::is_nan(a)) {
    nan<From>(e, a);
    return F::kNan;
  }
  if (is_infinite<From>(a)) return (From::sign(a) ? F::kSign : 0) | F::kInfinity;
  return pack<F>(unpack<From>(a), e);
}

template class Soft<Binary32>;
template class Soft<Binary64>;
template uint32_t Soft<Binary32>::convert<Binary64>(uint64_t a, Environment& e);
template uint64_t Soft<Binary64>::convert<Binary32>(uint32_t a, Environment& e);

}  // namespace rdu::mgmt::fp
