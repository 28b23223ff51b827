#!/usr/bin/python3
"""Writes the handwritten digits that Debian's python3-sklearn ships as .npy files, in one fixed split.

  prepare.py OUTPUT_FOLDER

train_images.npy (1437, 64) and test_images.npy (360, 64): float32, raw pixel values 0..16, row by row.
train_labels.npy (1437,) and test_labels.npy (360,): uint8, 0..9.
The split: the images in the order of RandomState(SPLIT_SEED).permutation(1797); the first 1,437 train, the
rest test.
"""

import argparse
import gzip
import importlib.util
import os
import sys
import zlib

import numpy as np

IMAGES, TRAIN, PIXELS, PIXEL_MAX, CLASSES = 1797, 1437, 64, 16, 10
SPLIT_SEED = 40  # RandomState, not Generator: numpy promises that its streams never change


class BadInput(Exception):
    """The digits are absent or not what they should be."""


def find_digits():
    """Path of digits.csv.gz in the installed scikit-learn, which is located, not imported (that is slow)."""
    spec = importlib.util.find_spec("sklearn")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = os.path.join(folder, "datasets", "data", "digits.csv.gz")
        if os.path.exists(path):
            return path
    raise BadInput("digits.csv.gz not found: install its package (apt-get install python3-sklearn)")


def read_digits(path):
    """(images (1797, 64) float32, labels (1797,) uint8): each line holds 64 pixel values and the digit."""
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            lines = file.read().splitlines()
        if len(lines) != IMAGES:
            raise BadInput(f"{path}: expected {IMAGES} lines, got {len(lines)}")
        table = np.loadtxt(lines, delimiter=",", ndmin=2)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise BadInput(f"{path}: {error}") from error
    if table.shape != (IMAGES, PIXELS + 1):
        raise BadInput(f"{path}: expected {PIXELS + 1} numbers a line, got {table.shape[1]}")
    images, labels = table[:, :PIXELS], table[:, PIXELS]
    if not (np.all((images >= 0) & (images <= PIXEL_MAX)) and np.all(images == np.rint(images))):
        raise BadInput(f"{path}: a pixel is not an integer in 0..{PIXEL_MAX}")
    if not (np.all((labels >= 0) & (labels < CLASSES)) and np.all(labels == np.rint(labels))):
        raise BadInput(f"{path}: a label is not a digit")
    return images.astype(np.float32), labels.astype(np.uint8)


def split(images, labels):
    """The fixed split: name of the file -> array."""
    order = np.random.RandomState(SPLIT_SEED).permutation(IMAGES)
    train, test = order[:TRAIN], order[TRAIN:]
    return {
        "train_images": images[train],
        "train_labels": labels[train],
        "test_images": images[test],
        "test_labels": labels[test],
    }


def load():
    """The split of the installed digits, without touching any file of ours."""
    return split(*read_digits(find_digits()))


def main(argv=None):
    parser = argparse.ArgumentParser(description="Write the digits and their fixed split as .npy files.")
    parser.add_argument("folder", help="output folder, made if absent")
    options = parser.parse_args(argv)
    try:
        arrays = load()
        os.makedirs(options.folder, exist_ok=True)
        for name, array in arrays.items():
            np.save(os.path.join(options.folder, f"{name}.npy"), array)
    except (BadInput, OSError) as error:
        print(f"prepare.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
