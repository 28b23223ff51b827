"""Tests of the digits application's Python part: arithmetic, reference evaluation, data, training."""

import gzip
import io
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import arithmetic as rdu  # noqa: E402
import prepare  # noqa: E402
import reference  # noqa: E402
import train  # noqa: E402

WEIGHTS = os.path.join(HERE, "weights")
NAN = 0x7FC00000


def same_bits(got, want_bits):
    np.testing.assert_array_equal(rdu.to_bits(got), np.asarray(want_bits, dtype=np.uint32))


def f(bits):
    return rdu.from_bits(np.atleast_1d(np.asarray(bits, dtype=np.uint32)))


@pytest.fixture(scope="module")
def data():
    return prepare.load()


@pytest.fixture(scope="module")
def weights():
    return reference.load_weights(WEIGHTS)


# --- a second definition of rounding, in exact fractions, to hold the numpy one against ---------------------


def fraction_to_fp32_bits(value, zero_sign):
    """Nearest even, 24 bits, no lower exponent limit; then below 2^-126 zero and above the range infinity."""
    if value == 0:
        return zero_sign << 31
    sign, value = (1, -value) if value < 0 else (0, value)
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if Fraction(2) ** exponent > value:
        exponent -= 1
    significand = round(value / Fraction(2) ** (exponent - 23))  # Python rounds a half to even
    if significand == 1 << 24:
        significand, exponent = 1 << 23, exponent + 1
    if exponent < -126:
        return sign << 31
    if exponent > 127:
        return sign << 31 | 0x7F800000
    return sign << 31 | (exponent + 127) << 23 | (significand - (1 << 23))


def fraction_fma_bits(a, b, c):
    a, b, c = (float(x) for x in (a, b, c))
    negative = np.signbit(a) != np.signbit(b)
    zero_sign = int(negative and np.signbit(c))
    return fraction_to_fp32_bits(Fraction(a) * Fraction(b) + Fraction(c), zero_sign)


# --- BF16 ---------------------------------------------------------------------------------------------------


def test_bf16_rounding():
    cases = {
        0x3F800000: 0x3F80,
        0x3F808000: 0x3F80,  # half, even below
        0x3F818000: 0x3F82,  # half, even above
        0x3F807FFF: 0x3F80,
        0x3F808001: 0x3F81,
        0xBF818000: 0xBF82,
        0x3FFFFFFF: 0x4000,  # carries into the exponent
        0x7F7F7FFF: 0x7F7F,
        0x7F7F8000: 0x7F80,  # the largest finite values round to infinity
        0xFF7FFFFF: 0xFF80,
        0x7F800000: 0x7F80,
        0xFF800000: 0xFF80,
        0x7F800001: 0x7FC0,  # a signalling NaN must not become infinity
        0xFFFFFFFF: 0x7FC0,
        0x00000000: 0x0000,
        0x80000000: 0x8000,
        0x00000001: 0x0000,
        0x007FFFFF: 0x0000,  # a subnormal reads as zero before anything is rounded
        0x807FFFFF: 0x8000,
        0x00800000: 0x0080,
    }
    got = rdu.to_bf16(f(list(cases)))
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, list(cases.values()))


def test_every_bf16_value_survives_the_round_trip():
    bits = np.arange(1 << 16, dtype=np.uint16)
    nan = bits & 0x7FFF > 0x7F80
    subnormal = bits & 0x7F80 == 0
    want = np.where(nan, 0x7FC0, np.where(subnormal, bits & 0x8000, bits))
    np.testing.assert_array_equal(rdu.to_bf16(rdu.from_bf16(bits)), want)


# --- FP32 ---------------------------------------------------------------------------------------------------


def test_subnormals_are_flushed_on_both_sides():
    same_bits(rdu.add(f(0x00000001), f(0x3F800000)), [0x3F800000])
    same_bits(rdu.add(f(0x007FFFFF), f(0x00800000)), [0x00800000])  # the subnormal operand reads as zero
    same_bits(rdu.add(f(0x80000001), f(0x80000001)), [0x80000000])
    same_bits(rdu.sub(f(0x00800001), f(0x00800000)), [0x00000000])  # 2^-149 is a subnormal result
    same_bits(rdu.sub(f(0x00800000), f(0x00800001)), [0x80000000])
    same_bits(rdu.mul(f(0x00800000), f(0xBF000000)), [0x80000000])
    same_bits(rdu.mul(f(0x00000001), f(0x7F800000)), [NAN])  # zero times infinity


def test_flush_comes_after_rounding_with_unlimited_exponent():
    # (1 - 2^-24) * 2^-126 has 24 bits: exact, below 2^-126, and flushed, though rounding it to a multiple
    # of 2^-149 would have reached 2^-126. (1 - 2^-25) * 2^-126 rounds up to 2^-126 and stays.
    same_bits(rdu.mul(f(0x3F7FFFFF), f(0x00800000)), [0])
    small = rdu.from_bits((127 - 75) << 23)
    smaller = rdu.from_bits((127 - 76) << 23)
    same_bits(rdu.fma_bf16(-small[None], small[None], f(0x00800000)), [0])
    same_bits(rdu.fma_bf16(-small[None], smaller[None], f(0x00800000)), [0x00800000])


def test_nan_is_canonical():
    for operation in (rdu.add, rdu.sub, rdu.mul, rdu.maximum):
        same_bits(operation(f(0xFFC12345), f(0x3F800000)), [NAN])
        same_bits(operation(f(0x3F800000), f(0x7F800001)), [NAN])
    same_bits(rdu.sub(f(0x7F800000), f(0x7F800000)), [NAN])
    same_bits(rdu.fma_bf16(f(0x7F800000), f(0), f(0)), [NAN])
    same_bits(rdu.fma_bf16(f(0x7F800000), f(0x3F800000), f(0xFF800000)), [NAN])


def test_maximum_and_relu_on_zeros():
    same_bits(rdu.maximum(f([0, 0x80000000, 0x80000000]), f([0x80000000, 0, 0x80000000])), [0, 0, 0x80000000])
    x = f([0x80000000, 0x80000001, 0xBF800000, 0x40000000, 0xFFC00001])
    same_bits(rdu.relu(x), [0, 0, 0, 0x40000000, NAN])


def test_recip():
    cases = {
        0x3F800000: 0x3F800000,
        0x40400000: 0x3EAAAAAB,
        0xC0400000: 0xBEAAAAAB,
        0x00000000: 0x7F800000,
        0x80000000: 0xFF800000,
        0x00000001: 0x7F800000,  # a subnormal reads as zero
        0x7F800000: 0x00000000,
        0xFF800000: 0x80000000,
        0x7E800000: 0x00800000,  # 1/2^126
        0x7E800001: 0x00000000,  # its quotient is subnormal
        0x00800000: 0x7E800000,
        0x7FC00001: NAN,
    }
    same_bits(rdu.recip(f(list(cases))), list(cases.values()))
    rng = np.random.RandomState(1)
    x = f(rng.randint(0x00800000, 0x7F800000, 5000, dtype=np.uint32))
    exact = np.array([fraction_to_fp32_bits(1 / Fraction(float(v)), 0) for v in x], dtype=np.int64)
    difference = np.abs(rdu.to_bits(rdu.recip(x)).astype(np.int64) - exact)
    assert difference.max() <= 1 and np.mean(difference == 0) > 0.98


def test_fma_is_the_exact_sum_rounded_once():
    rng = np.random.RandomState(2)
    n = 3000

    def bf16(low, high):
        exponent = rng.randint(low, high, n).astype(np.uint32)
        return (exponent << 7 | rng.randint(0, 128, n) | rng.randint(0, 2, n) << 15).astype(np.uint16)

    a, b = bf16(1, 255), bf16(1, 255)
    c = rdu.to_bits(rdu.from_bf16(bf16(1, 255))) | rng.randint(0, 1 << 16, n).astype(np.uint32)
    # A third each: anywhere; product and addend near each other; both near the smallest normal value.
    third = n // 3
    a[third:], b[third:] = bf16(100, 150)[third:], bf16(100, 150)[third:]
    near = rdu.to_bits(rdu.mul(rdu.from_bf16(a), rdu.from_bf16(b)))
    near = near ^ 0x80000000 ^ rng.randint(0, 1 << 24, n, dtype=np.uint32)
    c[third : 2 * third] = near[third : 2 * third]
    a[2 * third :] = bf16(50, 70)[2 * third :]
    b[2 * third :] = bf16(50, 70)[2 * third :]
    small = rng.randint(1, 5, n).astype(np.uint32) << 23
    c[2 * third :] = ((c & 0x807FFFFF) | small)[2 * third :]
    keep = c & 0x7F800000 != 0x7F800000
    a, b, c = rdu.from_bf16(a[keep]), rdu.from_bf16(b[keep]), rdu.flush(rdu.from_bits(c[keep]))
    same_bits(rdu.fma_bf16(a, b, c), [fraction_fma_bits(*t) for t in zip(a, b, c)])


def test_fma_differs_from_multiply_then_add_where_the_product_leaves_the_range():
    big = f(0x5F800000)  # 2^64: the product 2^128 is beyond FP32, the sum is not
    same_bits(rdu.fma_bf16(big, big, f(0xFF7F0000)), rdu.to_bits(f(0x7B800000)))
    tiny = f(0x1F800000)  # 2^-64: the product 2^-128 is below FP32, the sum is not
    same_bits(rdu.fma_bf16(tiny, tiny, f(0x00800000)), [0x00A00000])


def test_matmul_adds_in_increasing_k():
    a = rdu.to_bf16(np.array([[1, 1, 1]], dtype=np.float32))
    big = 2.0**30
    columns = np.array([[big, -big, 1], [1, big, -big], [big, 1, -big]], dtype=np.float32)
    np.testing.assert_array_equal(rdu.matmul(a, rdu.to_bf16(columns.T)), [[1, 0, 0]])  # all 1, exactly


def test_matmul_of_the_network_is_exact_products_and_rounded_sums(data, weights):
    """In the network's range no product underflows, so plain FP32 `acc + a * b` gives the same bits."""
    x = reference.pixels_to_bf16(data["test_images"][:20])
    a, b = rdu.from_bf16(x), rdu.from_bf16(weights["w1"])
    acc = np.zeros((len(a), b.shape[1]), dtype=np.float32)
    for k in range(a.shape[1]):
        acc = acc + a[:, k : k + 1] * b[k]
    same_bits(rdu.matmul(x, weights["w1"]), rdu.to_bits(acc))


# --- EXP ----------------------------------------------------------------------------------------------------


def test_exp_edges():
    cases = {
        0x00000000: 0x3F800000,
        0x80000000: 0x3F800000,
        0x007FFFFF: 0x3F800000,
        0x7F800000: 0x7F800000,
        0xFF800000: 0x00000000,
        0x7FC00001: NAN,
        0x42B17218: 0x7F800000,
        0x42B17217: 0x7F7FFF84,  # n = 128
        0xC2AEAC50: 0x00000000,
        0xC2AEAC4F: 0x00800026,  # the smallest result that is not zero
        0x3F800000: 0x402DF854,
    }
    same_bits(rdu.exp(f(list(cases))), list(cases.values()))


def test_exp_error():
    ranges = ((0, 0x42B17218), (0x80000000, 0xC2AEAC50))
    bits = np.concatenate([np.arange(first, end, 2003, dtype=np.uint32) for first, end in ranges])
    x = rdu.from_bits(bits)
    exact = np.exp(x.astype(np.float64))
    assert np.max(np.abs(rdu.exp(x).astype(np.float64) / exact - 1)) < 8e-8  # README: 7.9e-8


# --- softmax ------------------------------------------------------------------------------------------------


def test_tree_sum_order():
    x = np.array([2.0**24, 1, 0, 0, 0, 0, 0, 0, 1, 1], dtype=np.float32)
    # Lanes 8 apart meet first: (2^24 + 1) rounds to 2^24, (1 + 1) is 2, and the sum is 2^24 + 2.
    same_bits(rdu.tree_sum(x), rdu.to_bits(np.float32(2**24 + 2)))
    in_sequence = np.float32(0)
    for v in x:
        in_sequence = rdu.add(in_sequence, v)
    assert in_sequence == 2**24
    same_bits(rdu.tree_sum(f([0x80000000] * 10)), 0)  # the unused lanes are +0
    with pytest.raises(ValueError, match="32 lanes"):
        rdu.tree_sum(np.zeros(33, dtype=np.float32))


def test_softmax():
    logits = np.array([[0] * 10, [1000] + [0] * 9, [-1000] * 10, [np.nan] + [0] * 9], dtype=np.float32)
    p = rdu.softmax(logits)
    same_bits(p[0], [0x3DCCCCCD] * 10)
    np.testing.assert_array_equal(p[1], [1] + [0] * 9)
    same_bits(p[2], [0x3DCCCCCD] * 10)
    same_bits(p[3], [NAN] * 10)


# --- the network --------------------------------------------------------------------------------------------


def test_accuracy(data, weights):
    p = reference.evaluate(data["test_images"], weights)
    assert p.shape == (360, 10) and p.dtype == np.float32
    assert reference.accuracy(p, data["test_labels"]) > 0.97  # README: 98.06 %
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)


def test_close_to_float64(data, weights):
    """The same network in float64, its hidden layer not rounded to BF16, gives nearly the same."""
    w1, w2 = (rdu.from_bf16(weights[w]).astype(np.float64) for w in ("w1", "w2"))
    hidden = np.maximum(data["test_images"].astype(np.float64) / 16 @ w1 + weights["b1"], 0)
    logits = hidden @ w2 + weights["b2"]
    y = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = reference.evaluate(data["test_images"], weights)
    np.testing.assert_allclose(p, y / y.sum(axis=1, keepdims=True), atol=0.02)


def test_result_does_not_depend_on_shape_type_or_block(data, weights, monkeypatch):
    images = data["test_images"][:50]
    want = rdu.to_bits(reference.evaluate(images, weights))
    for dtype in (np.uint8, np.int64, np.float16, np.float64, ">f4", ">i2"):
        same_bits(reference.evaluate(images.reshape(-1, 8, 8).astype(dtype), weights), want)
    same_bits(reference.evaluate(np.asfortranarray(images), weights), want)
    monkeypatch.setattr(reference, "BLOCK", 7)
    same_bits(reference.evaluate(images, weights), want)


@pytest.mark.parametrize(
    "images, message",
    [
        (np.zeros((8, 8)), r"shape \(n, 64\) or \(n, 8, 8\), got \(8, 8\)"),
        (np.zeros(64), r"got \(64,\)"),
        (np.zeros((2, 8, 8, 1)), r"got \(2, 8, 8, 1\)"),
        (np.zeros((2, 63)), r"got \(2, 63\)"),
        (np.zeros((0, 64)), "holds no image"),
        (np.zeros(()), r"got \(\)"),
        (np.full((2, 64), 255, np.uint8), "pixel 0 of image 0 is 255, outside 0..16"),
        (np.full((2, 64), -1), "is -1, outside"),
        (np.full((2, 8, 8), np.nan), "is nan, outside"),
        (np.zeros((2, 64), complex), "got complex128"),
        (np.full((2, 64), "a"), "expected integer or floating"),
    ],
)
def test_bad_images(images, message, weights):
    with pytest.raises(reference.BadInput, match=message):
        reference.evaluate(images, weights)


def run(script, *arguments):
    command = [sys.executable, os.path.join(HERE, script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_line(tmp_path, data, weights):
    assert run("prepare.py", tmp_path / "data").returncode == 0
    for name, array in data.items():
        np.testing.assert_array_equal(np.load(tmp_path / "data" / f"{name}.npy"), array)
    images, labels = tmp_path / "data" / "test_images.npy", tmp_path / "data" / "test_labels.npy"
    out = tmp_path / "probabilities"  # no suffix: the name is taken as it is
    done = run("reference.py", "--weights", WEIGHTS, "--images", images, "--labels", labels, "--out", out)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("accuracy 9")
    same_bits(np.load(out), rdu.to_bits(reference.evaluate(data["test_images"], weights)))

    bad = tmp_path / "bad.npy"
    for content, message in (
        (b"not an array", "not a readable .npy file"),
        (images.read_bytes()[:-1], "not a readable .npy file"),
        (images.read_bytes() + b"x", "data after the end"),
        (npy_bytes(np.array([None])), "not a readable .npy file"),
        (npy_bytes(np.zeros((4, 4))), "expected shape (n, 64) or (n, 8, 8), got (4, 4)"),
    ):
        bad.write_bytes(content)
        failed = run("reference.py", "--weights", WEIGHTS, "--images", bad, "--out", tmp_path / "none.npy")
        assert failed.returncode == 1 and message in failed.stderr and str(bad) in failed.stderr
        assert not (tmp_path / "none.npy").exists()


def npy_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_bad_weights(tmp_path, weights):
    with pytest.raises(reference.BadInput, match="w1.npy: No such file"):
        reference.load_weights(tmp_path)
    for name, array in weights.items():
        np.save(tmp_path / f"{name}.npy", array)
    np.save(tmp_path / "w2.npy", weights["w2"].T)
    with pytest.raises(reference.BadInput, match=r"w2.npy: expected uint16 of shape \(128, 10\)"):
        reference.load_weights(tmp_path)


# --- data and training --------------------------------------------------------------------------------------


def test_split(data):
    shapes = {name: (array.shape, array.dtype) for name, array in data.items()}
    assert shapes == {
        "train_images": ((1437, 64), np.float32),
        "train_labels": ((1437,), np.uint8),
        "test_images": ((360, 64), np.float32),
        "test_labels": ((360,), np.uint8),
    }
    images, labels = prepare.read_digits(prepare.find_digits())

    def rows(images, labels):  # each digit of the file is in exactly one part, with its label
        return sorted(np.column_stack([images, labels]).tolist())

    parts = [np.concatenate([data[f"train_{what}"], data[f"test_{what}"]]) for what in ("images", "labels")]
    assert rows(*parts) == rows(images, labels)


def test_digits_absent_or_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(prepare.BadInput, match="apt-get install python3-sklearn"):
        prepare.find_digits()
    damaged = tmp_path / "digits.csv.gz"
    for content, message in ((b"", "got 0"), (b"1,2\n", "got 1"), (b"x\n" * 1797, "x")):
        damaged.write_bytes(gzip.compress(content))
        with pytest.raises(prepare.BadInput, match=message):
            prepare.read_digits(damaged)
    damaged.write_bytes(b"not gzip")
    with pytest.raises(prepare.BadInput, match="digits.csv.gz"):
        prepare.read_digits(damaged)


def test_retraining_gives_the_same_weights(data, weights):
    again = train.train(data["train_images"], data["train_labels"])
    for name, array in weights.items():
        assert again[name].dtype == array.dtype
        assert again[name].tobytes() == array.tobytes(), name


def test_training_leaving_the_exact_range_is_an_error():
    with pytest.raises(ArithmeticError, match="exact"):
        train.product(np.full((1, 64), 1e6), np.full((64, 1), 1e6))
