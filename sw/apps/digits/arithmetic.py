"""The chip's BF16 and FP32 arithmetic, written out in numpy from its definition alone.

Nothing here is shared with the C++ model, and nothing calls a BLAS: where the two agree bit for bit, they
agree because both follow the definition (README.md of this folder). Every function takes and returns float32
arrays (BF16 values are uint16 bit patterns) and rounds each operation separately.
"""

import functools
import os

import numpy as np
import yaml

SIGN = np.uint32(0x80000000)
EXPONENT = np.uint32(0x7F800000)
CANONICAL_NAN = np.uint32(0x7FC00000)
CANONICAL_NAN_BF16 = np.uint16(0x7FC0)
TINY_BELOW = 2.0**-126 - 2.0**-151
REDUCTION_LANES = 32


def from_bits(bits):
    """FP32 values of uint32 bit patterns (a scalar or an array)."""
    return np.asarray(bits, dtype=np.uint32).view(np.float32)


def to_bits(x):
    """uint32 bit patterns of FP32 values."""
    return np.ascontiguousarray(x, dtype=np.float32).view(np.uint32).reshape(np.shape(x))


def flush(x):
    """Subnormals become zero of the same sign; on bit patterns, whatever the host's flush modes."""
    bits = to_bits(x)
    return from_bits(np.where(bits & EXPONENT == 0, bits & SIGN, bits))


def _result(x):
    """A rounded FP32 result as the chip delivers it: subnormal flushed, every NaN the canonical one."""
    bits = to_bits(flush(x))
    return from_bits(np.where(bits & ~SIGN > EXPONENT, CANONICAL_NAN, bits))


def _round(exact):
    """FP32 of a float64 that is exact or rounded to odd: nearest even, flushed when tiny after rounding.

    Tiny is judged as IEEE 754 does after rounding and as the flush-to-zero mode of x86 does: round to 24 bits
    with no lower limit to the exponent, then compare with 2^-126. What rounds up to 2^-126 is exactly what
    reaches 2^-126 - 2^-151.
    """
    tiny = np.abs(exact) < TINY_BELOW
    with _quiet():
        return _result(np.where(tiny, np.copysign(0.0, exact), exact).astype(np.float32))


def _quiet():
    return np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore")


def add(x, y):
    with _quiet():
        return _result(flush(x) + flush(y))


def sub(x, y):
    with _quiet():
        return _result(flush(x) - flush(y))


def mul(x, y):
    with _quiet():
        return _round(flush(x).astype(np.float64) * flush(y).astype(np.float64))  # 48 bits: exact


def maximum(x, y):
    """The larger value; +0 is larger than -0, and a NaN on either side gives the canonical NaN."""
    x, y = flush(x), flush(y)
    with _quiet():
        larger = np.where((x > y) | ((x == y) & (to_bits(x) < to_bits(y))), x, y)
        return _result(np.where(np.isnan(x) | np.isnan(y), np.float32(np.nan), larger))


def relu(x):
    return maximum(x, np.float32(0))


# --- BF16 ---------------------------------------------------------------------------------------------------


def to_bf16(x):
    """FP32 to BF16 bit patterns (uint16), nearest even; NaN is 0x7FC0, a subnormal is zero with its sign."""
    bits = to_bits(_result(x)).astype(np.uint64)  # 64 bits: the rounding carry may not wrap
    rounded = (bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) >> np.uint64(16)
    return np.where(np.isnan(x), CANONICAL_NAN_BF16, rounded.astype(np.uint16))


def from_bf16(bits):
    """FP32 values of BF16 bit patterns; exact, subnormals kept (operations flush what they read)."""
    return from_bits(np.asarray(bits, dtype=np.uint16).astype(np.uint32) << np.uint32(16))


# --- fused multiply-add -------------------------------------------------------------------------------------


def fma_bf16(a, b, acc):
    """fma(a, b, acc): a and b FP32 values that BF16 can hold, acc FP32; one rounding, of the exact a*b + acc.

    The product of two BF16 values has 16 significant bits and fits float64 over the whole exponent range. The
    sum may not; its rounding error is found exactly (Knuth's two-sum) and folded into the last bit ("round to
    odd"), after which rounding 53 bits to 24 gives what rounding the exact sum once would have given.
    """
    a, b, acc = flush(a), flush(b), flush(acc)
    with _quiet():
        product = a.astype(np.float64) * b.astype(np.float64)
        addend = acc.astype(np.float64)
        total = product + addend
        part = total - product
        error = (product - (total - part)) + (addend - part)
        inexact = np.isfinite(total) & (error != 0)
        bits = np.ascontiguousarray(total).view(np.int64).reshape(total.shape)
        toward_error = np.where((error > 0) == (total > 0), 1, -1)
        return _round(np.where(inexact & (bits & 1 == 0), bits + toward_error, bits).view(np.float64))


def matmul(a_bf16, b_bf16):
    """FP32 C[m][n] of BF16 patterns A[m][k], B[k][n]: a chain of fused multiply-adds from +0, k ascending."""
    a, b = from_bf16(a_bf16), from_bf16(b_bf16)
    acc = np.zeros((a.shape[0], b.shape[1]), dtype=np.float32)
    for k in range(a.shape[1]):
        acc = fma_bf16(a[:, k : k + 1], b[k : k + 1, :], acc)
    return acc


# --- tail functions -----------------------------------------------------------------------------------------

# By table and polynomial, in integers; models/fabric/math/README.md has the pseudo-code, tables.yaml the numbers.
TABLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../models/fabric/math/tables.yaml")


@functools.lru_cache(maxsize=None)
def _tables():
    """The constants and, by name, the coefficients: int64 arrays of shape (segments, 4)."""
    with open(TABLES) as file:
        description = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    tables = {name: np.array(rows, dtype=np.int64) for name, rows in description["tables"].items()}
    return description["log2_e"], tables


def _interpolate(table, segment, w):
    """The cubic of a segment at w / 2^23, in units of 2^-30; every shift rounds down."""
    c = _tables()[1][table][segment]
    y = c[..., 3]
    for i in (2, 1, 0):
        y = c[..., i] + (y * w >> 23)
    return y


def _parts(x):
    """Sign (bool), exponent and fraction (int64) of FP32 values."""
    bits = to_bits(x).astype(np.int64)
    return bits >> 31 != 0, (bits >> 23 & 0xFF) - 127, bits & 0x7FFFFF


def recip(x):
    """RECIP: 1/x by table; 1/+-0 = +-inf, 1/+-inf = +-0."""
    x = np.asarray(x, dtype=np.float32)
    negative, exponent, fraction = _parts(x)
    y = _interpolate("RECIP", fraction >> 17, (fraction & 0x1FFFF) << 6)
    result = np.copysign(_round(np.ldexp(y.astype(np.float64), -exponent - 30)), x)  # ends of the range follow
    result = np.where(exponent == -127, np.copysign(np.float32(np.inf), x), result)
    result = np.where(exponent == 128, np.copysign(np.float32(0), x), result)
    return _result(np.where(np.isnan(x), np.float32(np.nan), result))


def exp(x):
    """EXP: x * log2(e) in units of 2^-29; its fraction by table, its integer into the exponent."""
    x = np.asarray(x, dtype=np.float32)
    negative, exponent, fraction = _parts(x)
    product = (fraction + 0x800000) * _tables()[0]  # 62 bits
    shift = 31 - exponent
    t = np.where(shift > 63, 0, product >> np.clip(shift, 0, 63))
    t = np.where(negative, -t, t)
    y = _interpolate("EXP", t >> 23 & 63, t & 0x7FFFFF)
    with _quiet():
        result = _round(np.ldexp(y.astype(np.float64), (t >> 29) - 30))
    result = np.where(exponent >= 7, np.where(negative, np.float32(0), np.float32(np.inf)), result)
    return _result(np.where(np.isnan(x), np.float32(np.nan), result))


def tree_sum(x):
    """Sum over the last axis (at most 32 values) as the cross-lane tree adds; the unused lanes are +0."""
    count = x.shape[-1]
    if count > REDUCTION_LANES:
        raise ValueError(f"the reduction tree has {REDUCTION_LANES} lanes, got {count} values")
    lanes = np.zeros(x.shape[:-1] + (REDUCTION_LANES,), dtype=np.float32)
    lanes[..., :count] = x
    half = REDUCTION_LANES // 2
    while half >= 1:
        lanes = add(lanes[..., :half], lanes[..., half : 2 * half])
        half //= 2
    return lanes[..., 0]


def softmax(logits):
    """FP32 softmax over the last axis: exp(x - max) times the reciprocal of the tree sum."""
    largest = logits[..., 0]
    for i in range(1, logits.shape[-1]):
        largest = maximum(largest, logits[..., i])
    y = exp(sub(logits, largest[..., np.newaxis]))
    return mul(y, recip(tree_sum(y))[..., np.newaxis])
