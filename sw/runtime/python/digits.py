#!/usr/bin/python3
"""The handwritten digits on the chip, from Python: what sw/apps/digits does, in a page.

  PYTHONPATH=build/python sw/runtime/python/digits.py --images test_images.npy --out probabilities.npy

Images: (n, 64), values 0 to 16. Output: (n, 10) float32. The program is a container that the compiler made
(build/programs/digits_fused.rdu), made for the device's tiles.
"""

import argparse
import pathlib

import numpy as np

import rdu

ROOT = pathlib.Path(__file__).resolve().parents[3]


def bf16(values):
    """BF16 bit patterns of numbers that it holds exactly, as sixteenths are."""
    return (np.asarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="", help="an address (default: as librdu finds one)")
    parser.add_argument("--weights", type=pathlib.Path, default=ROOT / "sw/apps/digits/weights")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/programs/digits_fused.rdu")
    parser.add_argument("--images", required=True)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()

    images = np.load(options.images).reshape(-1, 64)
    with rdu.Device(options.device) as device:
        print(f"device: {device.info['model']}, {device.info['firmware']}")
        context = device.context(hbm=64 << 20)
        queue = context.queue()
        program = queue.program(options.program)
        rows_argument = next(each for each in program.arguments if each["name"] == "rows")
        multiple = max(rows_argument["multiple"], 1)
        rows = -(-max(len(images), rows_argument["minimum"]) // multiple) * multiple

        inputs = {"x": bf16(np.pad(images / 16, ((0, rows - len(images)), (0, 0))))}
        for name in ("w1", "b1", "w2", "b2"):
            inputs[name] = np.ascontiguousarray(np.load(options.weights / f"{name}.npy"))
        memory = {name: context.memory(rdu.HBM, array.nbytes) for name, array in inputs.items()}
        for name, array in inputs.items():
            queue.upload(memory[name], array)
        probabilities = np.empty((rows, 10), np.float32)
        memory["probabilities"] = context.memory(rdu.HBM, probabilities.nbytes)

        queue.load(program)
        run = queue.launch(program, **memory, rows=rows)
        queue.download(probabilities, memory["probabilities"]).wait()
        print(f"{len(images)} images in {run.info['cycles']} cycles of the fabric")
        np.save(options.out, probabilities[: len(images)])


if __name__ == "__main__":
    main()
