#!/usr/bin/python3
"""Runs Verilator and arranges what it writes for a build that wants to know its files beforehand.

    verilate.py --prefix VNAME --out DIR --parts N [--depfile FILE] -- VERILATOR-ARGUMENT...
        DIR/VNAME_fast0.cpp .. and DIR/VNAME_slow.cpp include all that Verilator wrote for VNAME. The names of Verilator's own
        files depend on its release and on the design; these do not.
    verilate.py --runtime --out DIR -- VERILATOR-ARGUMENT...
        Prints what a program with such a model links, as two CMake lists: Verilator's own source files|libraries ("-lz").

What Verilator says goes to stderr. Files that did not change keep their time.
"""
import argparse
import glob
import hashlib
import os
import re
import subprocess
import sys


def verilate(prefix, out, arguments):
    os.makedirs(out, exist_ok=True)
    command = ["verilator", "--cc", "--prefix", prefix, "-Mdir", out, *arguments]
    done = subprocess.run(command, stdout=sys.stderr)
    if done.returncode:
        print("failed: " + " ".join(command), file=sys.stderr)
        sys.exit(done.returncode)
    with open(os.path.join(out, f"{prefix}_classes.mk"), encoding="utf-8") as handle:
        lists = handle.read().replace("\\\n", " ")
    return lambda name: re.search(rf"^{name} \+=(.*)$", lists, re.M).group(1).split()


def write(path, text):
    if os.path.exists(path):
        with open(path, encoding="utf-8") as handle:
            if handle.read() == text:
                return
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(text)


def unit(out, name, sources):
    """A file that includes `sources`; it changes whenever they or their headers do, so that a build sees it."""
    digest = hashlib.sha1()
    for path in sorted(glob.glob(os.path.join(out, "*.h"))) + [os.path.join(out, f"{s}.cpp") for s in sources]:
        with open(path, "rb") as handle:
            digest.update(handle.read())
    write(os.path.join(out, f"{name}.cpp"), f"// {digest.hexdigest()}\n" + "".join(f'#include "{s}.cpp"\n' for s in sources))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefix", default="Vruntime")
    parser.add_argument("--out", required=True)
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--depfile")
    parser.add_argument("--runtime", action="store_true")
    parser.add_argument("arguments", nargs="*")
    args = parser.parse_args()

    if args.runtime:
        os.makedirs(args.out, exist_ok=True)
        empty = os.path.join(args.out, "nothing.sv")
        write(empty, "module nothing(input logic clk, output logic q); assign q = clk; endmodule\n")
        listed = verilate("Vruntime", args.out, [*args.arguments, empty])
        with open(os.path.join(args.out, "Vruntime.mk"), encoding="utf-8") as handle:
            libraries = re.search(r"^VM_USER_LDLIBS = (.*)$", handle.read().replace("\\\n", " "), re.M).group(1).split()
        names = [f"{name}.cpp" for name in listed("VM_GLOBAL_FAST") + listed("VM_GLOBAL_SLOW")]
        print(";".join(names) + "|" + ";".join(libraries))
        return

    listed = verilate(args.prefix, args.out, args.arguments)
    # The largest first, each to the part that has least: parts take the compiler about equally long.
    size = lambda name: os.path.getsize(os.path.join(args.out, f"{name}.cpp"))
    parts = [[] for _ in range(args.parts)]
    for name in sorted(listed("VM_CLASSES_FAST") + listed("VM_SUPPORT_FAST"), key=lambda n: (-size(n), n)):
        min(parts, key=lambda part: sum(map(size, part))).append(name)
    for i, part in enumerate(parts):
        unit(args.out, f"{args.prefix}_fast{i}", part)
    unit(args.out, f"{args.prefix}_slow", listed("VM_CLASSES_SLOW") + listed("VM_SUPPORT_SLOW"))
    if args.depfile:
        with open(os.path.join(args.out, f"{args.prefix}__ver.d"), encoding="utf-8") as handle:
            inputs = handle.read().split(" : ", 1)[1].split()
        write(args.depfile, f"{args.out}/{args.prefix}_slow.cpp: {' '.join(os.path.abspath(i) for i in inputs)}\n")
        os.utime(args.depfile)


if __name__ == "__main__":
    main()
