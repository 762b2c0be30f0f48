"""frbench's identification among distractors against NumPy's products alone, in turns.

    search.py FRBENCH [--probes 3530] [--distractors 1000000] [--rounds 5] [--folder DIR]

FRBENCH is the program. Embeddings are made: 80 people whose probes score 0.7 with each other, as a
good network has them (`good`), or as little as with anyone (`random`). NumPy multiplies in float32,
block by block, and counts nothing. Needs NumPy; DIR takes 2 KB for each distractor.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import watched

DIM, PEOPLE, BLOCK = 512, 80, 20_000


def make(folder, probes, distractors):
    rng = np.random.default_rng(1)
    people = np.arange(probes) % PEOPLE
    centres = rng.standard_normal((PEOPLE, DIM), dtype="f4")
    noise = rng.standard_normal((probes, DIM), dtype="f4")
    np.save(folder / "good.npy", centres[people] + np.float32(0.65) * noise)
    np.save(folder / "random.npy", noise)
    (folder / "people.txt").write_text("".join(f"{p}\n" for p in people))
    path = folder / "distractors.npy"
    rows = np.lib.format.open_memmap(path, "w+", "f4", (distractors, DIM))
    for i in range(0, distractors, BLOCK):
        rows[i:i + BLOCK] = rng.standard_normal(rows[i:i + BLOCK].shape, dtype="f4")
    rows.flush()


def products(folder):
    """Seconds of the products, in a process of its own; its threads are not pinned."""
    code = f"""
import numpy as np, time
p = np.load({str(folder / "good.npy")!r})
p /= np.linalg.norm(p, axis=1, keepdims=True)
rows = np.load({str(folder / "distractors.npy")!r}, mmap_mode="r")
out, spent = np.empty((len(p), {BLOCK}), "f4"), 0.0
for i in range(0, len(rows), {BLOCK}):
    block = np.array(rows[i:i + {BLOCK}])
    start = time.perf_counter()
    np.matmul(p, block.T, out=out[:, :len(block)])
    spent += time.perf_counter() - start
print(spent)
"""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "OPENBLAS_"))}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=env)
    return float(done.stdout)


def search(program, folder, kind):
    return watched.run([program, "eval", "--embeddings", folder / f"{kind}.npy",
                        "--identities", folder / "people.txt",
                        "--distractors", folder / "distractors.npy", "--json"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--probes", type=int, default=3530)
    parser.add_argument("--distractors", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        folder = Path(folder)
        make(folder, args.probes, args.distractors)
        found = {"products": [], "good": [], "random": []}
        most = 0
        for i in range(args.rounds):
            for name in list(found)[::1 if i % 2 == 0 else -1]:
                if name == "products":
                    seconds = products(folder)
                else:
                    seconds, peak = search(args.program, folder, name)
                    most = max(most, peak)
                found[name].append(seconds)
                print(f"round {i + 1}: {name} {seconds:.1f} s", flush=True)
    base = statistics.median(found["products"])
    print(f"NumPy's products: median {base:.1f} s")
    for name in ("good", "random"):
        median = statistics.median(found[name])
        print(f"frbench, {name}: median {median:.1f} s, {median / base:.2f} times the products")
    print(f"frbench's memory beside mapped files: at most {most:.0f} MiB")


main()
