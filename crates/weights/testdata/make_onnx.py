"""Makes the ONNX models of this folder and what ONNX Runtime answers: `python make_onnx.py`.

`*.npy` is the answer to two images whose value i is ((7 i) mod 23 - 11) / 11, in the model's own
order of axes, or (7 i) mod 256 where the model scales its input."""

import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(3)


def numbers(*shape, low=-0.5, high=0.5):
    return rng.uniform(low, high, shape).astype(np.float32)


class Model:
    def __init__(self):
        self.nodes, self.initializers = [], []

    def const(self, array, name=None):
        name = name or f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def op(self, kind, *inputs, **attributes):
        out = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [out], name=f"N{len(self.nodes)}", **attributes))
        return out

    def norm(self, x, c, epsilon=1e-5):
        parts = [numbers(c, low=0.5, high=1.5), numbers(c), numbers(c), numbers(c, low=0.2, high=1.2)]
        return self.op("BatchNormalization", x, *map(self.const, parts), epsilon=epsilon)

    def conv(self, x, into, out, k=3, bias=False, group=1, stride=1, pad=None):
        pad = k // 2 if pad is None else pad
        inputs = [x, self.const(numbers(out, into // group, k, k))]
        if bias:
            inputs.append(self.const(numbers(out)))
        return self.op("Conv", *inputs, kernel_shape=[k, k], pads=[pad] * 4, strides=[stride] * 2, group=group)

    def save(self, name, image, out, shape, opset, raw):
        x = helper.make_tensor_value_info("image", TensorProto.FLOAT, image)
        y = helper.make_tensor_value_info(out, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, name, [x], [y], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="make_onnx")
        model.ir_version = 8
        onnx.checker.check_model(model)
        sides = [2, *image[1:]]
        i = np.arange(np.prod(sides))
        values = i * 7 % 256 if raw else (i * 7 % 23 - 11) / 11
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        (answer,) = session.run(None, {"image": values.reshape(sides).astype(np.float32)})
        np.save(HERE / f"{name}.npy", answer)
        return model


# As MXNet's networks are exported: the input is scaled inside, blocks begin with a batch norm.
m = Model()
x = m.op("Sub", "image", m.const(np.float32(127.5)))
x = m.op("Mul", x, m.const(np.array([1 / 128], np.float32)))
x = m.op("PRelu", m.norm(m.conv(x, 3, 8), 8, 2e-5), m.const(numbers(8, 1, 1)))
y = m.conv(m.norm(x, 8, 1e-3), 8, 8, bias=True)
y = m.op("PRelu", y, m.const(np.full([1, 1, 1], 0.2, np.float32)))
y = m.norm(m.conv(y, 8, 8, stride=2), 8)
gate = m.conv(m.op("GlobalAveragePool", y), 8, 2, k=1)
gate = m.op("Sigmoid", m.conv(m.op("Relu", gate), 2, 8, k=1))
y = m.op("Mul", gate, y)
x = m.op("Add", y, m.norm(m.conv(x, 8, 8, k=1, stride=2), 8))
x = m.op("Flatten", m.op("Identity", x))
x = m.op("Gemm", x, m.const(numbers(6, 8 * 16)), m.const(numbers(6)), transB=1)
x = m.norm(x, 6, 2e-5)
onnx.save(m.save("scaled", ["batch", 3, 8, 8], x, ["batch", 6], 13, True), HERE / "scaled.onnx")

# Channels last, shapes that are computed, embeddings of unit length.
m = Model()
x = m.op("Transpose", "image", perm=[0, 3, 1, 2])
x = m.op("Clip", m.conv(x, 3, 8, stride=2, bias=True), m.const(np.float32(0)), m.const(np.float32(6)))
x = m.op("LeakyRelu", m.conv(x, 8, 8, group=8), alpha=0.1)
x = m.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
x = m.op("Div", m.op("Add", x, m.const(numbers(1, 8, 1, 1))), m.const(np.float32(0.5)))
x = m.op("Sub", m.const(np.float32(1)), x)
x = m.op("MaxPool", x, kernel_shape=[1, 1], strides=[2, 2])
batch = m.op("Gather", m.op("Shape", x), m.const(np.int64(0)), axis=0)
batch = m.op("Unsqueeze", batch, m.const(np.array([0])))
x = m.op("Reshape", x, m.op("Concat", batch, m.const(np.array([-1])), axis=0))
x = m.op("Add", m.op("MatMul", x, m.const(numbers(32, 6))), m.const(numbers(6)))
length = m.op("ReduceL2", x, axes=[1], keepdims=1)
length = m.op("Clip", length, m.const(np.float32(1e-12)))
length = m.op("Expand", length, m.op("Shape", x))
x = m.op("Div", x, length)
onnx.save(m.save("last", ["batch", 16, 16, 3], x, ["batch", 6], 13, False), HERE / "last.onnx")

# Numbers beside the model.
m = Model()
x = m.op("ReduceMean", m.conv("image", 3, 6, bias=True), axes=[2, 3], keepdims=1)
x = m.op("Squeeze", x, m.const(np.array([2, 3]), "axes"))
model = m.save("beside", ["batch", 3, 8, 8], x, ["batch", 6], 13, False)
onnx.save(model, HERE / "beside.onnx", save_as_external_data=True, location="beside.bin", size_threshold=16)
