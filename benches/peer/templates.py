"""frbench's template verification on as much as IJB-C has: seconds and memory.

    templates.py FRBENCH [--folder DIR]

FRBENCH is the program. Made are 469,375 embeddings of 512 columns in 23,124 templates of 3,531 people,
and 15,658,489 pairs of templates, 19,557 of them genuine. Needs NumPy; DIR takes 1.3 GB.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

import watched

DIM, IMAGES, TEMPLATES, PEOPLE, PAIRS, GENUINE = 512, 469_375, 23_124, 3_531, 15_658_489, 19_557


def make(folder):
    rng = np.random.default_rng(1)
    person = np.concatenate([np.arange(PEOPLE), rng.integers(0, PEOPLE, TEMPLATES - PEOPLE)])
    template = np.concatenate([np.arange(TEMPLATES), rng.integers(0, TEMPLATES, IMAGES - TEMPLATES)])
    template.sort()
    centres = rng.standard_normal((PEOPLE, DIM), dtype="f4")
    rows = np.lib.format.open_memmap(folder / "images.npy", "w+", "f4", (IMAGES, DIM))
    for i in range(0, IMAGES, 20_000):
        of = centres[person[template[i:i + 20_000]]]
        rows[i:i + 20_000] = of + 2 * rng.standard_normal(of.shape, dtype="f4")
    rows.flush()
    # Four images are a medium.
    media = (f"{i}.jpg {t + 1} {i // 4 + 1}\n" for i, t in enumerate(template))
    (folder / "media.txt").write_text("".join(media))
    first = rng.integers(0, TEMPLATES, 2 * PAIRS)
    second = rng.integers(0, TEMPLATES, 2 * PAIRS)
    other = person[first] != person[second]
    first, second = first[other][:PAIRS - GENUINE], second[other][:PAIRS - GENUINE]
    by_person = [np.flatnonzero(person == p) for p in range(PEOPLE)]
    mates = [(a, b) for own in by_person for k, a in enumerate(own) for b in own[k + 1:]]
    mates = rng.permutation(np.array(mates))[:GENUINE]
    assert len(first) + len(mates) == PAIRS
    with open(folder / "pairs.txt", "w") as file:
        file.writelines(f"{a + 1} {b + 1} 1\n" for a, b in mates)
        file.writelines(f"{a + 1} {b + 1} 0\n" for a, b in zip(first.tolist(), second.tolist()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        folder = Path(folder)
        make(folder)
        command = [args.program, "eval", "--embeddings", folder / "images.npy", "--templates",
                   folder / "media.txt", "--template-pairs", folder / "pairs.txt", "--json"]
        out = folder / "out.json"
        with open(out, "w") as stdout:
            seconds, peak = watched.run(command, stdout)
        print(f"{seconds:.1f} s, {peak:.0f} MiB beside mapped files")
        print(json.dumps(json.loads(out.read_text()), indent=1)[:2000])


main()
