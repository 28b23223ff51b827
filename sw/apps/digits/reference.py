#!/usr/bin/python3
"""Evaluates the digits network in numpy, in the chip's arithmetic, independently of the simulator.

  reference.py --weights weights --images test_images.npy --out probabilities.npy [--labels test_labels.npy]

Images: (n, 64) or (n, 8, 8), any integer or floating dtype, pixel values 0..16.
Output: (n, 10) float32 probabilities. Ends with status 1 and one line on standard error when an input is bad.
"""

import argparse
import os
import sys

import numpy as np

import arithmetic as rdu

PIXELS, HIDDEN, CLASSES = 64, 128, 10
PIXEL_MAX = 16
BLOCK = 1024  # images evaluated at a time; bounds the memory, never the result
WEIGHTS = {
    "w1": ((PIXELS, HIDDEN), np.uint16),
    "b1": ((HIDDEN,), np.float32),
    "w2": ((HIDDEN, CLASSES), np.uint16),
    "b2": ((CLASSES,), np.float32),
}


class BadInput(Exception):
    """A file is missing, unreadable or does not hold what it should; the text says which and why."""


def load_npy(path):
    try:
        with open(path, "rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
            if file.read(1):
                raise BadInput(f"{path}: data after the end of the array")
            return array
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise BadInput(f"{path}: not a readable .npy file ({error})") from error


def load_weights(folder):
    """The four arrays by name; w1, w2 are BF16 bit patterns (uint16), b1, b2 float32."""
    weights = {}
    for name, (shape, dtype) in WEIGHTS.items():
        path = os.path.join(folder, f"{name}.npy")
        array = load_npy(path)
        if array.shape != shape or array.dtype != dtype:
            raise BadInput(
                f"{path}: expected {np.dtype(dtype).name} of shape {shape},"
                f" got {array.dtype} of shape {array.shape}"
            )
        weights[name] = array
    return weights


def pixels_to_bf16(images, source="images"):
    """BF16 bit patterns (n, 64) of pixel/16, from (n, 64) or (n, 8, 8) pixel values 0..16."""
    if images.dtype.kind not in "uif":
        raise BadInput(f"{source}: expected integer or floating pixel values, got {images.dtype}")
    if images.ndim < 2 or images.shape[1:] not in ((PIXELS,), (8, 8)):
        raise BadInput(f"{source}: expected shape (n, 64) or (n, 8, 8), got {images.shape}")
    if images.shape[0] == 0:
        raise BadInput(f"{source}: holds no image (shape {images.shape})")
    flat = images.reshape(images.shape[0], PIXELS)
    bad = np.argwhere(~((flat >= 0) & (flat <= PIXEL_MAX)))
    if len(bad):
        image, pixel = bad[0]
        raise BadInput(
            f"{source}: pixel {pixel} of image {image} is {flat[image, pixel]}, outside 0..{PIXEL_MAX}"
            f" ({len(bad)} such pixels): scale the images to 0..{PIXEL_MAX}"
        )
    return rdu.to_bf16(rdu.mul(flat.astype(np.float32), np.float32(1 / PIXEL_MAX)))


def evaluate_bf16(x, weights):
    """(n, 10) float32 probabilities of (n, 64) BF16 inputs."""
    hidden = rdu.to_bf16(rdu.relu(rdu.add(rdu.matmul(x, weights["w1"]), weights["b1"])))
    return rdu.softmax(rdu.add(rdu.matmul(hidden, weights["w2"]), weights["b2"]))


def evaluate(images, weights, source="images"):
    """(n, 10) float32 probabilities of pixel images; raises BadInput when they are not images."""
    x = pixels_to_bf16(images, source)
    return np.concatenate([evaluate_bf16(x[i : i + BLOCK], weights) for i in range(0, len(x), BLOCK)])


def accuracy(probabilities, labels):
    """Share of rows whose first largest probability is at the label."""
    return float(np.mean(np.argmax(probabilities, axis=1) == labels))


def main(argv=None):
    parser = argparse.ArgumentParser(description="Evaluate the digits network in numpy, as the chip does.")
    parser.add_argument("--weights", required=True, metavar="DIR", help="folder of w1, b1, w2 and b2.npy")
    parser.add_argument("--images", required=True, metavar="X.npy", help="(n, 64) or (n, 8, 8), values 0..16")
    parser.add_argument("--out", required=True, metavar="Y.npy", help="written: (n, 10) float32")
    parser.add_argument("--labels", metavar="L.npy", help="(n,) digits 0..9: also print the accuracy")
    options = parser.parse_args(argv)
    try:
        weights = load_weights(options.weights)
        images = load_npy(options.images)
        labels = load_npy(options.labels) if options.labels else None
        probabilities = evaluate(images, weights, options.images)
        if labels is not None and (labels.dtype.kind not in "ui" or labels.shape != (len(probabilities),)):
            raise BadInput(
                f"{options.labels}: expected {len(probabilities)} integer labels of shape"
                f" ({len(probabilities)},), got {labels.dtype} of shape {labels.shape}"
            )
        try:
            with open(options.out, "wb") as file:
                np.save(file, probabilities)
        except OSError as error:
            raise BadInput(f"{options.out}: {error.strerror or error}") from error
        if labels is not None:
            right = int(np.sum(np.argmax(probabilities, axis=1) == labels))
            print(f"accuracy {100 * accuracy(probabilities, labels):.2f} % ({right} of {len(labels)})")
    except BadInput as error:
        print(f"reference.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
