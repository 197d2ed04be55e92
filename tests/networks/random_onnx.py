"""Random ONNX graphs of all operators that are translated: each must come in whole and agree with onnxruntime.

python -m tests.networks.random_onnx --count 500
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from tests.networks.onnx_models import Graph, assert_proved

_OPSETS = (12, 13, 17)
_FUNCTIONS: dict[str, dict[str, Any]] = {
    "Relu": {}, "LeakyRelu": {"alpha": 0.2}, "Elu": {"alpha": 0.8}, "Selu": {}, "Sigmoid": {}, "Tanh": {},
    "Softplus": {}, "Softsign": {}, "HardSigmoid": {"alpha": 0.25}, "Celu": {"alpha": 1.2}, "Abs": {}, "Neg": {},
    "Softmax": {"axis": 1}, "Identity": {}, "Dropout": {},
}  # fmt: skip


class RandomGraph:
    """A random graph; the same seed gives the same one."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        frames, (height, width) = self.random.integers(3, 7), self.random.integers(6, 12, 2)
        self.size = int(frames), int(height), int(width)
        channels = int(self.random.choice([1, 2, 3, 3, 4]))
        self.graph = Graph((1, channels, *self.size), self.pick(_OPSETS))
        self.graph.random = self.random
        self.shapes: dict[str, tuple[int, ...]] = {"input": (1, channels, *self.size)}

    def build(self, path: Path) -> Path:
        """Write the model."""
        values = [self.conv("input")]
        steps: list[Callable[[str], str]] = [
            self.conv, self.conv, self.conv, self.transposed, self.pool, self.pool, self.function, self.function,
            self.clip, self.batch_norm, self.instance_norm, self.group_norm, self.prelu, self.constant, self.constant,
            self.gate, self.attention, self.shuffled, self.last_axis, self.pad, self.slice, self.resize, self.split,
        ]  # fmt: skip
        for _ in range(int(self.random.integers(4, 13))):
            if self.random.random() < 0.3:
                values.append(self.join(values))
            else:
                source = values[-1] if self.random.random() < 0.7 else self.pick(values)
                values.append(self.pick(steps)(source))
            if max(self.shapes[values[-1]]) > 40:  # kept small
                values.append(self.add("MaxPool", values[-1], kernel_shape=[1, 2, 2], strides=[1, 2, 2], ceil_mode=1))
        end = self.conv(values[-1])
        if self.random.random() < 0.4:
            end = self.head(end)
        return self.graph.save(path, end)

    def pick(self, choices: Any) -> Any:
        return choices[int(self.random.integers(len(choices)))]

    def add(self, kind: str, *inputs: Any, outputs: int = 1, **settings: Any) -> Any:
        """A node whose output's shape onnxruntime tells."""
        made = self.graph.add(kind, *inputs, outputs=outputs, **settings)
        self._run([made] if outputs == 1 else made)
        return made

    def _run(self, names: list[str]) -> None:
        """Shapes of new values."""
        model = self.graph.model(*names).SerializeToString()
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        results = session.run(names, {"input": np.ones(self.shapes["input"], np.float32)})
        self.shapes |= {name: result.shape for name, result in zip(names, results, strict=True)}

    def channels(self, value: str) -> int:
        return self.shapes[value][1]

    def numbers(self, *shape: int) -> np.ndarray:
        return self.random.uniform(-1, 1, shape).astype(np.float32)

    def windows(self, value: str, most: int = 3) -> tuple[list[int], list[int], list[int]]:
        """A kernel, pads smaller than it, and strides, that leave something."""
        sizes = self.shapes[value][2:]
        kernel = [int(self.random.integers(1, min(most, size) + 1)) for size in sizes]
        pads = [int(self.random.integers(0, taps)) for taps in kernel * 2]
        return kernel, pads, [int(self.random.choice([1, 1, 2])) for _ in sizes]

    def conv(self, value: str) -> str:
        kernel, pads, strides = self.windows(value)
        channels = self.channels(value)
        groups = self.pick([number for number in (1, 1, 2, channels) if channels % number == 0])
        filters = groups * int(self.random.integers(1, max(2, 7 // groups)))
        dilations = [1 if taps == 1 or sum(pads[n::3]) < 2 else int(self.random.integers(1, 3))
                     for n, taps in enumerate(kernel)]  # fmt: skip
        reach = [(taps - 1) * gap + 1 for taps, gap in zip(kernel, dilations, strict=True)]
        sizes = self.shapes[value][2:]
        if any(size + sum(pads[n::3]) < reach[n] for n, size in enumerate(sizes)):
            dilations = [1, 1, 1]
        if max(dilations) > 1:
            strides = [1, 1, 1]
        settings = {"pads": pads, "strides": strides, "group": groups, "dilations": dilations}
        made = self.graph.conv(value, channels, filters, kernel, **settings)
        self._run([made])
        return made

    def transposed(self, value: str) -> str:
        kernel, _, strides = self.windows(value)
        sizes = self.shapes[value][2:]
        more = [int(self.random.integers(0, step)) for step in strides]
        most = [min(taps - 1, (size - 1) * step // 2) for taps, size, step in zip(kernel, sizes, strides, strict=True)]
        pads = [int(self.random.integers(0, each + 1)) for each in most * 2]
        filters = int(self.random.integers(1, 5))
        weights, bias = self.numbers(self.channels(value), filters, *kernel), self.numbers(filters)
        return self.add("ConvTranspose", value, weights, bias, strides=strides, pads=pads, output_padding=more)

    def pool(self, value: str) -> str:
        kernel, pads, strides = self.windows(value)
        settings = {"kernel_shape": kernel, "strides": strides, "ceil_mode": int(self.random.integers(2))}
        pads = [min(pad, taps // 2) for pad, taps in zip(pads, kernel * 2, strict=True)]
        if self.random.random() < 0.5:
            return self.add("MaxPool", value, pads=pads, **settings)
        if settings["ceil_mode"]:  # with pads beside it, onnxruntime's versions differ in what they divide by
            pads = [0] * 6
        return self.add("AveragePool", value, pads=pads, count_include_pad=int(self.random.integers(2)), **settings)

    def function(self, value: str) -> str:
        kind = self.pick(list(_FUNCTIONS))
        if kind == "Softmax" and (self.graph.opset < 13 or self.channels(value) == 1):
            kind = "Tanh"
        return self.add(kind, value, **_FUNCTIONS[kind])

    def clip(self, value: str) -> str:
        low, high = sorted(np.float32(each) for each in self.random.uniform(-1, 1, 2))
        return self.add("Clip", value, low if self.random.random() < 0.7 else None, high)

    def batch_norm(self, value: str) -> str:
        count = self.channels(value)
        variance = np.abs(self.numbers(count)) + np.float32(0.5)
        return self.add("BatchNormalization", value, *(self.numbers(count) for _ in range(3)), variance)

    def instance_norm(self, value: str) -> str:
        count = self.channels(value)
        return self.add("InstanceNormalization", value, self.numbers(count), self.numbers(count), epsilon=0.1)

    def group_norm(self, value: str) -> str:
        groups = self.pick([number for number in (1, 2, 3) if self.channels(value) % number == 0])
        flat = self.add("Reshape", value, np.array([0, groups, -1]))
        ones = np.ones(groups, np.float32)
        normal = self.add("InstanceNormalization", flat, ones, ones - 1, epsilon=0.1)
        return self.add("Reshape", normal, np.array(self.shapes[value]))

    def prelu(self, value: str) -> str:
        return self.add("PRelu", value, self.numbers(self.channels(value), 1, 1, 1))

    def constant(self, value: str) -> str:
        """Arithmetic with a number, or one for each channel, on either side."""
        kind = self.pick(["Add", "Sub", "Mul", "Div", "Max", "Min"])
        count = 1 if kind in ("Max", "Min") else self.pick([1, self.channels(value)])
        numbers = self.numbers(1, count, 1, 1, 1)
        if kind == "Div":
            return self.add(kind, value, np.abs(numbers) + np.float32(0.5))
        return self.add(kind, *([numbers, value] if self.random.random() < 0.4 else [value, numbers]))

    def gate(self, value: str) -> str:
        """Squeeze and excitation, or SiLU."""
        if self.random.random() < 0.3:
            return self.add("Mul", value, self.add("Sigmoid", value))
        mean = self.add("GlobalAveragePool", value)
        weights = self.numbers(self.channels(value), self.channels(value), 1, 1, 1)
        return self.add("Mul", self.add("Sigmoid", self.add("Conv", mean, weights)), value)

    def attention(self, value: str) -> str:
        """A number for each position or frame."""
        axes = self.pick([[1], [3, 4], [2], [1, 3, 4]])
        kind = self.pick(["ReduceMean", "ReduceMax", "ReduceL2"])
        return self.add("Add", value, self.add(kind, value, axes=axes, keepdims=1))

    def shuffled(self, value: str) -> str:
        batch, channels, *sizes = self.shapes[value]
        groups = self.pick([number for number in (1, 2, 3) if channels % number == 0])
        parts = self.add("Reshape", value, np.array([batch, groups, channels // groups, *sizes]))
        turned = self.add("Transpose", parts, perm=[0, 2, 1, 3, 4, 5])
        return self.add("Reshape", turned, np.array([batch, channels, *sizes]))

    def last_axis(self, value: str) -> str:
        """Something with the channels last."""
        turned = self.add("Transpose", value, perm=[0, 2, 3, 4, 1])
        filters = int(self.random.integers(1, 6))
        made = self.add("MatMul", turned, self.numbers(self.channels(value), filters))
        made = self.add("Add", made, self.numbers(filters))
        return self.add("Transpose", made, perm=[0, 4, 1, 2, 3])

    def pad(self, value: str) -> str:
        sizes = self.shapes[value][2:]
        pads = [0, 0, *(int(self.random.integers(0, min(3, size))) for size in sizes)]
        pads += [0, 0, *(int(self.random.integers(0, min(3, size))) for size in sizes)]
        mode = self.pick(["constant", "edge", "reflect"])
        return self.add("Pad", value, np.array(pads), np.float32(0.3) if mode == "constant" else None, mode=mode)

    def slice(self, value: str) -> str:
        axis = int(self.random.integers(1, 5))
        size = self.shapes[value][axis]
        start = int(self.random.integers(0, size))
        end = int(self.random.integers(start + 1, size + 1))
        end = self.pick([end, 2**62])
        step = int(self.random.integers(1, 3))
        return self.add("Slice", value, *(np.array([each]) for each in (start, end, axis, step)))

    def resize(self, value: str) -> str:
        sizes = [max(1, int(size * self.pick([0.5, 1, 1, 1.5, 2]))) for size in self.shapes[value][2:]]
        mode = self.pick(["nearest", "linear"])
        positions = self.pick(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
        if mode == "nearest" and positions != "asymmetric":
            positions = "half_pixel"
        whole = np.array([*self.shapes[value][:2], *sizes])
        empty = np.array([], np.float32)
        return self.add("Resize", value, empty, empty, whole, mode=mode, coordinate_transformation_mode=positions)

    def split(self, value: str) -> str:
        count = self.channels(value)
        if count < 2:
            return self.function(value)
        first = int(self.random.integers(1, count))
        sizes = [first, count - first]
        if self.graph.opset < 13:
            parts = self.add("Split", value, outputs=2, axis=1, split=sizes)
        else:
            parts = self.add("Split", value, np.array(sizes), outputs=2, axis=1)
        return self.add("Concat", parts[1], value, parts[0], axis=1)

    def join(self, values: list[str]) -> str:
        first = self.pick(values)
        shape = self.shapes[first]
        others = [value for value in values if self.shapes[value] == shape]
        beside = [value for value in values if self.shapes[value][2:] == shape[2:]]
        if self.random.random() < 0.4:
            return self.add("Concat", first, self.pick(beside), axis=1)
        kind = self.pick(["Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean"])
        return self.add(kind, first, self.pick(others))

    def head(self, value: str) -> str:
        kind = int(self.random.integers(3))
        if kind == 0:
            value = self.add("GlobalAveragePool", value)
        elif kind == 1:
            value = self.add("GlobalMaxPool", value)
        flat = self.add("Flatten", value) if kind < 2 else self.add("Reshape", value, np.array([0, -1]))
        size = self.shapes[flat][1]
        return self.add("Gemm", flat, self.numbers(3, size) / np.float32(size**0.5), self.numbers(3), transB=1)


def check(seed: int, folder: Path) -> None:
    """Import one random graph.

    Raises:
        AssertionError, C3dvisError, CannotRun: it does not come in whole, or differs from onnxruntime.
    """
    graph = RandomGraph(seed)
    assert_proved(graph.build(folder / "model.onnx"), graph.size)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    ended, started = Counter[str](), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.first, options.first + options.count):
            try:
                check(seed, Path(folder))
                ended["proved"] += 1
            except Exception:  # any is what this looks for
                ended["failed"] += 1
                _say(f"{seed}: {traceback.format_exc()}")
            if seed % 20 == 19:
                _say(f"{seed + 1 - options.first} in {time.monotonic() - started:.0f} s: {dict(ended)}")
    _say(f"{dict(ended)} in {time.monotonic() - started:.0f} s")
    return int(ended["failed"] > 0)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
