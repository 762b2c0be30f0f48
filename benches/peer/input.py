"""frbench's data loader against PyTorch's, in turns, on one record file.

    input.py BENCH [--rounds 5] [--workers N] [--seconds 5]

BENCH is the program that `cargo bench --bench input --no-run` names. PyTorch reads the same records
with the same output (mirrored at random, float32 in [-1, 1], RGB, planes), decoded by OpenCV and by
Pillow, with `--workers` processes: as many as there are cores, all of which frbench takes. Needs
requirements.txt, opencv-python-headless and pillow.
"""

import argparse
import io
import os
import statistics
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

MAGIC = 0xCED7230A
BATCH = 256


def records(path):
    """Offsets and lengths of the payloads of a RecordIO file."""
    data, at = np.memmap(path, np.uint8, "r"), 0
    while at + 8 <= len(data):
        magic, length = struct.unpack("<II", data[at:at + 8].tobytes())
        if magic != MAGIC or length >> 29:
            raise ValueError(f"{path}: no plain record at byte {at}")
        yield at + 8, length
        at += 8 + (length + 3) // 4 * 4


class Faces(Dataset):
    def __init__(self, path, decoder):
        self.path, self.decoder = path, decoder
        self.places = list(records(path))
        self.order = np.random.default_rng(1).integers(0, len(self.places), 100_000)
        self.file = None

    def __len__(self):
        return len(self.order)

    def __getitem__(self, i):
        if self.file is None:
            self.file = open(self.path, "rb")
        start, length = self.places[self.order[i]]
        self.file.seek(start)
        # A header of 24 bytes: flag, label, two ids.
        jpeg = self.file.read(length)[24:]
        if self.decoder == "cv2":
            x = cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR),
                             cv2.COLOR_BGR2RGB)
        else:
            x = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
        if np.random.rand() < 0.5:
            x = x[:, ::-1]
        x = torch.from_numpy(np.ascontiguousarray(x)).permute(2, 0, 1)
        return x.float().div_(127.5).sub_(1)


def rate(loader, seconds):
    """Images per second, after the first batches."""
    done, started = 0, None
    for i, batch in enumerate(loader):
        if i == 3:
            started = time.perf_counter()
        elif i > 3:
            done += len(batch)
            if time.perf_counter() - started > seconds:
                break
    return done / (time.perf_counter() - started)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=5)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    path = Path(tempfile.gettempdir()) / "frbench-input.rec"

    def own():
        command = [args.bench, str(path), str(args.seconds)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def torch_with(decoder):
        loader = DataLoader(Faces(path, decoder), BATCH, num_workers=args.workers)
        return rate(loader, args.seconds)

    own()  # makes the file
    contenders = {"frbench": own, "cv2": lambda: torch_with("cv2"),
                  "pillow": lambda: torch_with("pillow")}
    found = {name: [] for name in contenders}
    for i in range(args.rounds):
        for name in list(contenders)[::1 if i % 2 == 0 else -1]:
            found[name].append(contenders[name]())
            print(f"round {i + 1}: {name} {found[name][-1]:.0f} images/s", flush=True)
    for name, rates in found.items():
        print(f"{name}: median {statistics.median(rates):.0f} images/s")
    best = max(statistics.median(found[name]) for name in ("cv2", "pillow"))
    print(f"frbench over the faster one: {statistics.median(found['frbench']) / best:.2f}")


main()
