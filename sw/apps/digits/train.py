#!/usr/bin/python3
"""Trains the 64-128-10 network on the training digits and writes its weights; the same bits on every machine.

  train.py [OUTPUT_FOLDER]      (default: the folder weights/ beside this script)

Why the bits do not depend on the machine: sums in a matrix product are the only place where a BLAS may choose
an order, and here they are exact in any order, because both operands are first rounded to multiples of 2^-18
and the result is checked to fit float64's 53 bits. Everything else is elementwise IEEE arithmetic, the
exponential is our own, and random numbers come from RandomState, whose stream numpy never changes.
"""

import argparse
import os
import sys

import numpy as np

import arithmetic as rdu
import prepare
import reference

SEED = 64128
EPOCHS = 25
BATCH = 48
RATE = 0.2  # falls to zero along a straight line over the epochs
MOMENTUM = 0.9
DECAY = 1e-3  # of the weights, not of the biases
GRID = 2.0**18


def on_grid(x):
    return np.rint(x * GRID) / GRID


def product(a, b):
    """Matrix product of float64 operands rounded to the grid: exact, hence the same in any order of sums."""
    a, b = on_grid(a), on_grid(b)
    if a.shape[1] * np.max(np.abs(a)) * np.max(np.abs(b)) * GRID * GRID >= 2.0**53:
        raise ArithmeticError("the training left the range in which its sums are exact")
    return a @ b


EXP_LOG2E, EXP_LN2_HIGH, EXP_LN2_LOW = (np.float32(c) for c in (1.44269504, 0.693359375, -2.12194440e-4))
EXP_POLYNOMIAL = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)


def exp(x):
    """Of FP32 values from -87 to 0, every operation rounded by itself: the same on every machine."""
    n = np.rint(rdu.mul(x, EXP_LOG2E))
    r = rdu.sub(rdu.sub(x, rdu.mul(n, EXP_LN2_HIGH)), rdu.mul(n, EXP_LN2_LOW))
    p = np.float32(EXP_POLYNOMIAL[0])
    for c in EXP_POLYNOMIAL[1:]:
        p = rdu.add(rdu.mul(p, r), np.float32(c))
    p = rdu.add(rdu.add(rdu.mul(p, rdu.mul(r, r)), r), np.float32(1))
    return np.ldexp(p, n.astype(np.int32))


def softmax(logits):
    """FP32 softmax over the last axis, with sums in the order of the chip's tree."""
    y = exp(np.maximum(rdu.sub(logits, logits.max(axis=-1, keepdims=True)), np.float32(-87)))
    return rdu.mul(y, np.float32(1) / rdu.tree_sum(y)[..., np.newaxis])


def init(random):
    """Uniform in +-sqrt(6 / fan-in) for the weights (He), zero for the biases; float64."""

    def uniform(rows, columns):
        return (2 * random.random_sample((rows, columns)) - 1) * np.sqrt(6 / rows)

    return [
        uniform(reference.PIXELS, reference.HIDDEN),
        np.zeros(reference.HIDDEN),
        uniform(reference.HIDDEN, reference.CLASSES),
        np.zeros(reference.CLASSES),
    ]


def gradients(x, target, parameters):
    """Gradients of the mean cross-entropy of one batch, in the order of the parameters."""
    w1, b1, w2, b2 = parameters
    before = product(x, w1) + b1
    hidden = np.maximum(before, 0)
    logits = product(hidden, w2) + b2
    probabilities = softmax(logits.astype(np.float32)).astype(np.float64)
    delta2 = on_grid(probabilities - target)
    delta1 = on_grid(np.where(before > 0, product(delta2, w2.T), 0))
    sums = [product(x.T, delta1), delta1.sum(axis=0), product(hidden.T, delta2), delta2.sum(axis=0)]
    return [s / len(x) for s in sums]


def train(images, labels, epochs=EPOCHS):
    """Weights as the network uses them: {"w1": uint16 BF16 patterns, "b1": float32, "w2": ..., "b2": ...}."""
    random = np.random.RandomState(SEED)
    x = images.astype(np.float64) / reference.PIXEL_MAX
    target = np.eye(reference.CLASSES)[labels]
    parameters = init(random)
    velocities = [np.zeros_like(p) for p in parameters]
    for epoch in range(epochs):
        rate = RATE * (1 - epoch / epochs)
        order = random.permutation(len(x))
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            for i, gradient in enumerate(gradients(x[rows], target[rows], parameters)):
                if parameters[i].ndim == 2:
                    gradient = gradient + DECAY * parameters[i]
                velocities[i] = MOMENTUM * velocities[i] - rate * gradient
                parameters[i] = parameters[i] + velocities[i]
    w1, b1, w2, b2 = (p.astype(np.float32) for p in parameters)
    return {"w1": rdu.to_bf16(w1), "b1": rdu.flush(b1), "w2": rdu.to_bf16(w2), "b2": rdu.flush(b2)}


def main(argv=None):
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description="Train the digits network and write its weights.")
    parser.add_argument("folder", nargs="?", default=os.path.join(here, "weights"), help="output folder")
    options = parser.parse_args(argv)
    try:
        data = prepare.load()
        weights = train(data["train_images"], data["train_labels"])
        os.makedirs(options.folder, exist_ok=True)
        for name, array in weights.items():
            np.save(os.path.join(options.folder, f"{name}.npy"), array)
    except (prepare.BadInput, OSError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    for part in ("train", "test"):
        images, labels = data[f"{part}_images"], data[f"{part}_labels"]
        share = reference.accuracy(reference.evaluate(images, weights), labels)
        print(f"{part}: {100 * share:.2f} % of {len(labels)} images, weights rounded to BF16")
    return 0


if __name__ == "__main__":
    sys.exit(main())
