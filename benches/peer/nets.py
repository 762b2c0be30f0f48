"""The networks of frbench's crates/methods/src/backbone in PyTorch, layer by layer."""

from torch import nn


def scaled(channels, width):
    """Channels under a width multiplier, at least 8."""
    return max(8, int(channels * width + 0.5))


class Residual(nn.Module):
    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body = nn.Sequential(*body)
        self.shortcut = nn.Sequential(*shortcut) if shortcut else nn.Identity()

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


def unit(ci, co, kernel, stride=1, groups=1, pad=None, act=None):
    """Convolution, batch norm and an activation."""
    pad = kernel // 2 if pad is None else pad
    layers = [nn.Conv2d(ci, co, kernel, stride, pad, groups=groups, bias=False), nn.BatchNorm2d(co)]
    return layers + ([act(co)] if act else [])


def iresnet(blocks, size, embedding, width=1.0):
    """insightface's arcface_torch/backbones/iresnet.py without dropout."""
    ci = scaled(64, width)
    layers = unit(3, ci, 3, act=nn.PReLU)
    for stage, count in enumerate(blocks):
        co = scaled(64 << stage, width)
        for i in range(count):
            stride = 2 if i == 0 else 1
            body = [nn.BatchNorm2d(ci)] + unit(ci, co, 3, act=nn.PReLU) + unit(co, co, 3, stride)
            layers.append(Residual(body, unit(ci, co, 1, stride) if stride == 2 else None))
            ci = co
    features = nn.BatchNorm1d(embedding)
    features.weight.requires_grad_(False)
    end = nn.Linear(ci * (size // 16) ** 2, embedding)
    return nn.Sequential(*layers, nn.BatchNorm2d(ci), nn.Flatten(), end, features)


def mobilefacenet(size, embedding, width=1.0):
    """MobileFaceNet at its original width (Chen et al. 2018, table 1)."""
    c = lambda channels: scaled(channels, width)

    def bottleneck(ci, co, middle, stride):
        expand = unit(ci, middle, 1, act=nn.PReLU)
        return expand + unit(middle, middle, 3, stride, middle, act=nn.PReLU) + unit(middle, co, 1)

    layers = unit(3, c(64), 3, 2, act=nn.PReLU) + unit(c(64), c(64), 3, 1, c(64), act=nn.PReLU)
    ci = c(64)
    for co, first, count, middle in [(64, 128, 4, 128), (128, 256, 6, 256), (128, 512, 2, 256)]:
        layers += bottleneck(ci, c(co), c(first), 2)
        ci = c(co)
        layers += [Residual(bottleneck(ci, ci, c(middle), 1)) for _ in range(count)]
    last = c(512)
    layers += unit(ci, last, 1, act=nn.PReLU) + unit(last, last, size // 16, groups=last, pad=0)
    end = nn.Linear(last, embedding, bias=False)
    return nn.Sequential(*layers, nn.Flatten(), end, nn.BatchNorm1d(embedding))


def mobilenetv2(size, embedding, stem_stride, width=1.0):
    """torchvision's body; a depthwise layer over the whole map at the end."""
    relu6 = lambda _: nn.ReLU6()
    ci = scaled(32, width)
    layers = unit(3, ci, 3, stem_stride, act=relu6)
    table = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
             (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    side = size // stem_stride
    for expand, out, repeats, first in table:
        co = scaled(out, width)
        side //= first
        for i in range(repeats):
            stride, middle = (first if i == 0 else 1), ci * expand
            body = unit(ci, middle, 1, act=relu6) if expand > 1 else []
            body += unit(middle, middle, 3, stride, middle, act=relu6) + unit(middle, co, 1)
            layers += [Residual(body)] if stride == 1 and ci == co else body
            ci = co
    wide = scaled(1280, max(width, 1.0))
    layers += unit(ci, wide, 1, act=relu6) + unit(wide, wide, side, groups=wide, pad=0)
    end = nn.Linear(wide, embedding, bias=False)
    return nn.Sequential(*layers, nn.Flatten(), end, nn.BatchNorm1d(embedding))


def build(backbone, size):
    """The network of a case: `{"name", "embedding", "params"}`."""
    name, embedding, params = backbone["name"], backbone["embedding"], backbone["params"]
    blocks = {"iresnet18": [2, 2, 2, 2], "iresnet34": [3, 4, 6, 3],
              "iresnet50": [3, 4, 14, 3], "iresnet100": [3, 13, 30, 3]}
    if name in blocks:
        return iresnet(blocks[name], size, embedding, **params)
    return {"mobilefacenet": mobilefacenet, "mobilenetv2": mobilenetv2}[name](
        size, embedding, **params)


def fold(net):
    """Batch norms merged into the layer before them, for evaluation."""
    merge = {(nn.Conv2d, nn.BatchNorm2d): nn.utils.fusion.fuse_conv_bn_eval,
             (nn.Linear, nn.BatchNorm1d): nn.utils.fusion.fuse_linear_bn_eval}
    if isinstance(net, Residual):
        net.body, net.shortcut = fold(net.body), fold(net.shortcut)
    if not isinstance(net, nn.Sequential):
        return net
    layers = []
    for layer in net:
        join = merge.get((type(layers[-1]), type(layer))) if layers else None
        if join:
            layers[-1] = join(layers[-1], layer)
        else:
            layers.append(fold(layer))
    return nn.Sequential(*layers).eval()
