"""One contender: answers the commands of `frbench bench --serve` with PyTorch or ONNX Runtime.

    contender.py default|tuned|compiled|onnx THREADS

A line in, a line out: `case JSON` sets a case up and tells facts as JSON, `step` runs one
iteration and tells its milliseconds, `rss` tells the peak of memory in MiB, `quit` ends.
"""

import json
import math
import os
import sys
import tempfile
import time

import torch
import torch.nn.functional as F
from torch import nn

import nets

WARM_UP = 2


class Training(nn.Module):
    """ArcFace over the network: from images and labels to the loss."""

    def __init__(self, net, classes, embedding, scale=64.0, margin=0.5):
        super().__init__()
        self.net, self.scale, self.margin = net, scale, margin
        self.weight = nn.Parameter(torch.randn(classes, embedding) * 0.01)

    def forward(self, x, labels):
        cos = F.linear(F.normalize(self.net(x)), F.normalize(self.weight))
        cos = cos.clamp(-1 + 1e-7, 1 - 1e-7)
        target = cos.gather(1, labels[:, None])
        sine = (1 - target * target).sqrt()
        widened = target * math.cos(self.margin) - sine * math.sin(self.margin)
        return F.cross_entropy(self.scale * cos.scatter(1, labels[:, None], widened), labels)


def training(case, net, kind, x):
    backbone = case["backbone"]
    model = Training(net, case["classes"], backbone["embedding"])
    labels = torch.randint(0, case["classes"], (case["batch"],))
    learned = [p for p in model.parameters() if p.requires_grad]
    fused = True if kind != "default" else None
    optimizer = torch.optim.SGD(learned, lr=1e-4, momentum=0.9, weight_decay=5e-4, fused=fused)
    run = torch.compile(model) if kind == "compiled" else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = run(x, labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def embedding(net, kind, x, threads):
    net.eval()
    if kind != "default":
        net = nets.fold(net)
    if kind == "onnx":
        return onnx(net, x, threads)
    run = torch.compile(net) if kind == "compiled" else net

    def step():
        with torch.inference_mode():
            run(x)

    return step


def onnx(net, x, threads):
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net.onnx")
        torch.onnx.export(net, x, path, dynamo=False, opset_version=17)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"])
    name, x = session.get_inputs()[0].name, x.numpy()
    return lambda: session.run(None, {name: x})


def set_up(case, kind, threads):
    """The facts of a case and its iteration."""
    torch.manual_seed(1)
    net = nets.build(case["backbone"], case["size"])
    facts = {"parameters": sum(p.numel() for p in net.parameters()),
             "threads": torch.get_num_threads(), "torch": torch.__version__}
    x = torch.randn(case["batch"], 3, case["size"], case["size"])
    if kind in ("tuned", "compiled"):
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    train = case["work"] == "train"
    step = training(case, net, kind, x) if train else embedding(net, kind, x, threads)
    for _ in range(WARM_UP):
        step()
    return facts, step


def peak_mib():
    try:
        with open("/proc/self/status") as status:
            peak = next(line for line in status if line.startswith("VmHWM:"))
        return f"{int(peak.split()[1]) / 1024:.1f}"
    except (OSError, StopIteration):
        return "unknown"


def main():
    kind, threads = sys.argv[1], int(sys.argv[2])
    # What libraries print goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    torch.set_num_threads(threads)
    step = None
    for line in sys.stdin:
        command, _, rest = line.strip().partition(" ")
        try:
            if command == "case":
                step = None
                facts, step = set_up(json.loads(rest), kind, threads)
                answer = json.dumps(facts)
            elif command == "step":
                started = time.perf_counter()
                step()
                answer = f"{(time.perf_counter() - started) * 1e3:.4f}"
            elif command == "rss":
                answer = peak_mib()
            else:
                answer = "bye"
        except Exception as error:  # told to the driver, which ends the comparison
            answer = f"error: {error}".replace("\n", " ")
        print(answer, file=answers, flush=True)
        if command == "quit":
            return


main()
