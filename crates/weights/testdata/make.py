"""Makes the files of this folder with PyTorch: `python make.py`.

One state dictionary of a convolution, a batch norm and a linear layer, in each container and form.
`expected.json` has the shape, and the sum of i * value_i over the flat values, of each tensor."""

import collections
import json
import pathlib

import torch

HERE = pathlib.Path(__file__).parent


def numbers(*shape, scale=0.25):
    """Numbers that every type holds exactly: multiples of a quarter."""
    count = 1
    for side in shape:
        count *= side
    return ((torch.arange(count) * 7 % 23 - 11) * scale).reshape(shape).float()


def state():
    return collections.OrderedDict(
        [
            ("conv1.weight", numbers(4, 3, 3, 3)),
            ("bn1.weight", numbers(4) + 3),
            ("bn1.running_mean", numbers(4)),
            ("bn1.num_batches_tracked", torch.tensor(12)),
            ("fc.weight", numbers(6, 8)),
            ("fc.bias", numbers(6)),
        ]
    )


def save(name, value, legacy=False):
    torch.save(value, HERE / name, _use_new_zipfile_serialization=not legacy)


def views():
    """Column-major, transposed, sliced and shared."""
    all = state()
    base = numbers(5, 8)
    all["conv1.weight"] = all["conv1.weight"].permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    all["fc.weight"] = base.t()[:6, 1:4]
    all["fc.tied"] = base
    all["bn1.weight"] = base[2, 1:5]
    all["again"] = base
    return all


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(2, 2)


torch.manual_seed(0)
for legacy in (False, True):
    end = ".legacy.pt" if legacy else ".pt"
    save("plain" + end, state(), legacy)
    save("views" + end, views(), legacy)
    save("half" + end, {k: v.half() if v.is_floating_point() else v for k, v in state().items()}, legacy)
    save("bfloat16" + end, {k: v.bfloat16() if v.is_floating_point() else v for k, v in state().items()}, legacy)
    save("double" + end, {k: v.double() if v.is_floating_point() else v for k, v in state().items()}, legacy)
    wrapped = {
        "epoch": 3,
        "lr": 0.1,
        "arch": "tiny",
        "state_dict": {"module." + k: v for k, v in state().items()},
        "best": None,
        "optimizer": {"state": {0: {"momentum_buffer": numbers(4)}}, "param_groups": [{"lr": 0.1, "params": [0, 1]}]},
    }
    save("wrapped" + end, wrapped, legacy)
    parameters = {k: torch.nn.Parameter(v) if v.is_floating_point() else v for k, v in state().items()}
    save("parameters" + end, parameters, legacy)
    if not legacy:  # which would hold the source of PyTorch's own classes
        save("module" + end, Net())


def sums(value, path=""):
    found = {}
    if isinstance(value, torch.Tensor):
        flat = value.detach().double().flatten()
        found[path] = [list(value.shape), float((flat * torch.arange(flat.numel())).sum())]
    elif isinstance(value, dict):
        for key, inner in value.items():
            found.update(sums(inner, f"{path}.{key}" if path else str(key)))
    return found


expected = {}
for file in sorted(HERE.glob("*.pt")):
    if not file.name.startswith("module"):
        expected[file.name] = sums(torch.load(file, weights_only=False))
(HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
