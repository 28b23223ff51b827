#!/usr/bin/python3
"""Computes the segments of tables.yaml: cubic polynomials with integer coefficients.

  fit.py > tables.yaml

The numbers of tables.yaml are architecture; this is how they were found. Each segment's polynomial goes through
the function at the Chebyshev nodes; coefficients are rounded from the highest down, and what rounding one
leaves out is taken over, as well as possible, by those below. c0 comes last: it centres the error of the very
evaluation that the hardware does, truncations included.
"""

import math

import numpy as np

UNIT = 2**30  # values are integers in units of 2^-30
STEPS = 2**23  # positions in a segment


def log_ratio(x):
    return 1.0 if x == 1 else math.log1p(x - 1) / (x - 1)


def tanh_ratio(t):
    return 1.0 if t == 0 else math.tanh(t) / t


def erf_ratio(t):
    return 2 / math.sqrt(math.pi) if t == 0 else math.erf(t) / t


def by_parity(function):
    """Of 1 <= x < 4: 32 segments of the significands of even exponents, 32 of odd ones."""
    return lambda i, w: function((1 + (i % 32 + w) / 32) * (1 + i // 32))


def by_binades(ratio, complement, scales):
    """Of t: 32 segments for f(t) / t below 1, then 32 a binade for 1 - f(t), times 2^scale."""

    def value(i, w):
        if i < 32:
            return ratio((i + w) / 32)
        binade = i // 32 - 1
        return complement((1 + (i % 32 + w) / 32) * 2**binade) * 2 ** scales[binade]

    return value


SCALES = {"TANH": (0, 2, 6, 15), "ERF": (0, 4)}

# Name, number of segments, and the function of segment i at 0 <= w < 1.
TABLES = [
    ("EXP", 64, lambda i, w: 2.0 ** ((i + w) / 64)),
    ("RECIP", 64, lambda i, w: 1 / (1 + (i + w) / 64)),
    ("LOG", 64, lambda i, w: log_ratio((1 + (i + w) / 64) / (1 + i // 32))),
    ("SQRT", 64, by_parity(math.sqrt)),
    ("RSQRT", 64, by_parity(lambda x: 1 / math.sqrt(x))),
    ("TANH", 160, by_binades(tanh_ratio, lambda t: 2 / (math.exp(2 * t) + 1), SCALES["TANH"])),
    ("ERF", 96, by_binades(erf_ratio, math.erfc, SCALES["ERF"])),
]


def evaluate(c, w):
    """As the hardware does: every shift rounds down."""
    c0, c1, c2, c3 = c
    u = c2 + ((c3 * w) >> 23)
    v = c1 + ((u * w) >> 23)
    return c0 + ((v * w) >> 23)


def fit(function):
    nodes = (1 - np.cos((2 * np.arange(4) + 1) * np.pi / 8)) / 2
    a3, a2, a1, a0 = np.linalg.solve(np.vander(nodes, 4), [function(w) * UNIT for w in nodes])
    c3 = round(a3)
    rest = a3 - c3  # w^3 is about 3/2 w^2 - 9/16 w + 1/32
    a2, a1 = a2 + 3 / 2 * rest, a1 - 9 / 16 * rest
    c2 = round(a2)
    c1 = round(a1 + a2 - c2)  # w^2 is about w - 1/8
    positions = np.linspace(0, STEPS - 1, 1025).astype(np.int64)
    positions[1:-1] += np.arange(1023) * 37 % 64  # all kinds of low bits
    values = np.array([function(int(w) / STEPS) * UNIT for w in positions])
    errors = evaluate((0, c1, c2, c3), positions) - values
    return round(-(errors.max() + errors.min()) / 2), c1, c2, c3


def results(c, scale):
    """24-bit results at all positions of a segment of 1 - f(t) that an argument can have."""
    units = 30 + scale
    s = (1 << units) - evaluate(c, np.arange(0, STEPS, 32, dtype=np.int64))
    drop = units - 24
    return (s + (1 << (drop - 1)) - 1 + (s >> drop & 1)) >> drop


def monotone(c, scale):
    """Where f is flat, truncations show as steps back. Neighbours of the coefficients are tried until there is none."""
    for distance in range(40):
        for d1 in range(-min(distance, 3), min(distance, 3) + 1):
            for d0 in {distance - abs(d1), abs(d1) - distance}:
                near = (c[0] + d0 - d1 // 2, c[1] + d1, c[2], c[3])
                if near[0] >= 0 and (np.diff(results(near, scale)) >= 0).all():
                    return near
    raise SystemExit("fit.py: a segment cannot be made monotone")


def main():
    print("# The segments of the tail's functions: coefficients c0, c1, c2, c3 in units of 2^-30. README.md says how they are used;")
    print("# fit.py found them. tables.py makes a C++ header and a SystemVerilog include of them.")
    print(f"log2_e: {int(round(math.log2(math.e) * 2**37))}  # in units of 2^-37")
    print(f"ln_2: {int(round(math.log(2) * 2**40))}  # in units of 2^-40")
    print("tables:")
    for name, segments, function in TABLES:
        print(f"  {name}:")
        for i in range(segments):
            c = fit(lambda w, i=i: function(i, w))
            if name in SCALES and i >= 32:
                c = monotone(c, SCALES[name][i // 32 - 1])
            print("    - [{}, {}, {}, {}]".format(*c))


if __name__ == "__main__":
    main()
