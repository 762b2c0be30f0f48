"""One contender: answers the commands of `frbench bench --serve` with PyTorch or ONNX Runtime.

    contender.py default|tuned|compiled|onnx THREADS [DEVICE]
    contender.py probe THREADS DEVICE

A line in, a line out: `case JSON` sets a case up and tells facts as JSON, `step` runs one
iteration and tells its milliseconds, `wait` and `operations` (of which there is nothing to tell),
`rss` tells the peak of memory in MiB, `quit` ends. DEVICE is `cpu`, unless said, or `cuda:N`: then
times are between CUDA events, and memory is the GPU's. `probe` says what would be used, as JSON,
or fails.
"""

import contextlib
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
    """ArcFace over the network: from images and labels to the loss. Mixed precision is the
    network's alone."""

    def __init__(self, net, classes, embedding, mixed, scale=64.0, margin=0.5):
        super().__init__()
        self.net, self.mixed, self.scale, self.margin = net, mixed, scale, margin
        self.weight = nn.Parameter(torch.randn(classes, embedding) * 0.01)

    def forward(self, x, labels):
        with self.mixed():
            features = self.net(x)
        cos = F.linear(F.normalize(features.float()), F.normalize(self.weight))
        cos = cos.clamp(-1 + 1e-7, 1 - 1e-7)
        target = cos.gather(1, labels[:, None])
        sine = (1 - target * target).sqrt()
        widened = target * math.cos(self.margin) - sine * math.sin(self.margin)
        return F.cross_entropy(self.scale * cos.scatter(1, labels[:, None], widened), labels)


def arithmetic(precision, device):
    """Sets how 32-bit floats are multiplied; gives the context that a network trains in."""
    if precision == "tf32" and device.type != "cuda":
        raise ValueError(f"{precision} on {device}")
    tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    if precision == "bf16":
        return lambda: torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext


def training(case, net, kind, x, mixed):
    backbone = case["backbone"]
    model = Training(net, case["classes"], backbone["embedding"], mixed).to(x.device)
    labels = torch.randint(0, case["classes"], (case["batch"],)).to(x.device)
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


def embedding(case, net, kind, x, threads):
    net.eval()
    if kind != "default":
        net = nets.fold(net)
    if case.get("precision") == "bf16":
        net, x = net.to(torch.bfloat16), x.to(torch.bfloat16)
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


def set_up(case, kind, threads, device):
    """The facts of a case and its iteration."""
    torch.manual_seed(1)
    mixed = arithmetic(case.get("precision", "f32"), device)
    torch.backends.cudnn.benchmark = kind != "default"
    net = nets.build(case["backbone"], case["size"])
    facts = {"parameters": sum(p.numel() for p in net.parameters()),
             "threads": torch.get_num_threads(), "torch": torch.__version__}
    x = torch.randn(case["batch"], 3, case["size"], case["size"])
    net, x = net.to(device), x.to(device)
    if kind in ("tuned", "compiled"):
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    train = case["work"] == "train"
    step = (training(case, net, kind, x, mixed) if train
            else embedding(case, net, kind, x, threads))
    for _ in range(WARM_UP):
        step()
    return facts, step


def milliseconds(step, device):
    """Of one iteration."""
    if device.type == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(device)
        start.record()
        step()
        end.record()
        end.synchronize()
        return start.elapsed_time(end)
    started = time.perf_counter()
    step()
    return (time.perf_counter() - started) * 1e3


def peak_mib(device):
    if device.type == "cuda":
        return f"{torch.cuda.max_memory_reserved(device) / 2**20:.1f}"
    try:
        with open("/proc/self/status") as status:
            peak = next(line for line in status if line.startswith("VmHWM:"))
        return f"{int(peak.split()[1]) / 1024:.1f}"
    except (OSError, StopIteration):
        return "unknown"


def probe(device):
    """What computes on a device, or an error."""
    name = "CPU"
    if device.type == "cuda":
        torch.zeros(1, device=device)
        name = torch.cuda.get_device_name(device)
    return {"torch": torch.__version__, "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(), "device": name}


def main():
    kind, threads = sys.argv[1], int(sys.argv[2])
    device = torch.device(sys.argv[3] if len(sys.argv) > 3 else "cpu")
    if kind == "probe":
        print(json.dumps(probe(device)))
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
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
                facts, step = set_up(json.loads(rest), kind, threads, device)
                answer = json.dumps(facts)
            elif command == "step":
                answer = f"{milliseconds(step, device):.4f}"
            elif command == "wait":
                answer = "0"
            elif command == "operations":
                answer = "{}"
            elif command == "rss":
                answer = peak_mib(device)
            else:
                answer = "bye"
        except Exception as error:  # told to the driver, which ends the comparison
            answer = f"error: {error}".replace("\n", " ")
        print(answer, file=answers, flush=True)
        if command == "quit":
            return


main()
