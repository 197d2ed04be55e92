"""Damaged and hostile ONNX files by the thousand: each must end as a clear error, or as a network.

    python -m tests.networks.fuzz_onnx --count 10000

A worker process reads every file with the memory limit of the process that adds networks, and measures its memory.
"""

import argparse
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from c3dvis.networks.importers.from_onnx import reader
from c3dvis.networks.weights.child_process import WEIGHTS, last_message, limit_memory
from tests.networks.onnx_models import Graph

CANARY = b"not to be read"
_HUGE = (0, -1, 1, 1 << 20, 1 << 31, (1 << 31) - 1, 1 << 40, (1 << 63) - 1, -(1 << 63))
Damage = Callable[[onnx.ModelProto, random.Random, Path], bytes | None]
"""Changes a model, or gives the bytes of the file."""


def sample() -> onnx.ModelProto:
    """A small graph of many operators."""
    graph = Graph()
    value = graph.conv("input", 3, 4)
    value = graph.add("Relu", graph.add("Add", value, graph.numbers(1, 4, 1, 1, 1)))
    value = graph.add("MaxPool", value, kernel_shape=[2, 2, 2], strides=[2, 2, 2], ceil_mode=1)
    value = graph.add("Pad", value, np.array([0, 0, 1, 1, 0, 0, 0, 1, 0, 0]))
    parts = graph.add("Reshape", value, np.array([0, 2, 2, -1, 5, 4]))
    value = graph.add("Reshape", graph.add("Transpose", parts, perm=[0, 2, 1, 3, 4, 5]), graph.add("Shape", value))
    value = graph.add("Expand", value, graph.add("ConstantOfShape", np.array([5])))
    value = graph.add("Tile", value, np.array([1, 2, 1, 1, 1]))
    value = graph.add("Resize", value, None, np.array([1, 1, 1, 2, 1.5], np.float32), mode="linear")
    value = graph.add("ConvTranspose", value, graph.numbers(8, 2, 2, 2, 2), strides=[2, 1, 1])
    flat = graph.add("Flatten", graph.add("GlobalAveragePool", value))
    graph.add("Gemm", flat, graph.numbers(2, 3), graph.numbers(3))
    return graph.model()


def flip(model: onnx.ModelProto, chance: random.Random, folder: Path) -> bytes:
    data = bytearray(model.SerializeToString())
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def cut(model: onnx.ModelProto, chance: random.Random, folder: Path) -> bytes:
    data = model.SerializeToString()
    return data[: chance.randrange(len(data))]


def insert(model: onnx.ModelProto, chance: random.Random, folder: Path) -> bytes:
    data = model.SerializeToString()
    place = chance.randrange(len(data))
    return data[:place] + chance.randbytes(chance.randrange(1, 64)) + data[place:]


def dims(model: onnx.ModelProto, chance: random.Random, folder: Path) -> None:
    """Shapes of arrays or of the input that are not those of their data."""
    tensor = chance.choice(list(model.graph.initializer))
    if chance.random() < 0.7:
        tensor.dims[:] = [chance.choice((*_HUGE, 3)) for _ in range(chance.randrange(7))]
        return
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    sizes[chance.randrange(5)].dim_value = chance.choice(_HUGE)


def kinds(model: onnx.ModelProto, chance: random.Random, folder: Path) -> None:
    chance.choice(list(model.graph.initializer)).data_type = chance.choice((0, 8, 14, 17, 23, 99, -1, *range(1, 14)))


def settings(model: onnx.ModelProto, chance: random.Random, folder: Path) -> None:
    """Huge, negative or missing strides, kernels, pads, axes; or a setting of another type."""
    node = chance.choice([node for node in model.graph.node if node.attribute])
    attribute = chance.choice(list(node.attribute))
    match chance.randrange(4):
        case 0:
            node.attribute.remove(attribute)
        case 1:
            attribute.CopyFrom(
                helper.make_attribute(attribute.name, chance.choice(("x", 1.5, [0.5], 1 << 62, [1 << 62])))
            )
        case _ if attribute.ints:
            attribute.ints[chance.randrange(len(attribute.ints))] = chance.choice(_HUGE)
        case _:
            attribute.i = chance.choice(_HUGE)


def numbers(model: onnx.ModelProto, chance: random.Random, folder: Path) -> None:
    """Constants that are shapes, pads and counts: huge, negative, not finite."""
    tensor = chance.choice([each for each in model.graph.initializer if len(each.dims) == 1])
    values = np.array(numpy_helper.to_array(tensor))
    choices = _HUGE if values.dtype == np.int64 else (np.nan, np.inf, 1e30, -1.0, 0.0)
    values[chance.randrange(len(values))] = chance.choice(choices)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def wiring(model: onnx.ModelProto, chance: random.Random, folder: Path) -> None:
    """Cycles, names that do not exist, nodes in another order, operators in place of others."""
    nodes = list(model.graph.node)
    node, other = chance.choice(nodes), chance.choice(nodes)
    match chance.randrange(4):
        case 0:
            node.input[chance.randrange(len(node.input))] = chance.choice([*other.output, *other.input, "nowhere"])
        case 1:
            node.op_type = chance.choice([other.op_type, "Loop", "If", "Einsum", "", "\0", "x" * 100_000])
        case 2:
            node.output[0] = other.output[0]
        case 3:
            chance.shuffle(nodes)
            del model.graph.node[:]
            model.graph.node.extend(nodes)


def outside(model: onnx.ModelProto, chance: random.Random, folder: Path) -> None:
    """Data in files outside of the model's folder, in devices, or with lengths that are not there."""
    tensor = chance.choice(list(model.graph.initializer))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    places = ("../canary", "/dev/zero", "/dev/urandom", "/proc/self/mem", "link", "..", "", "data", "a/../../canary")
    entries = {"location": chance.choice(places), "offset": chance.choice(("0", "-1", "x", str(1 << 62), "8")),
               "length": chance.choice(("14", "-1", "x", str(1 << 62)))}  # fmt: skip
    for key, value in entries.items():
        if chance.random() < 0.8:
            tensor.external_data.add(key=key, value=value)


def _grown(model: onnx.ModelProto, *nodes: onnx.NodeProto, **arrays: np.ndarray) -> None:
    """Nodes behind the others, the last of which is added to the first one's output."""
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    model.graph.node.extend(nodes)
    model.graph.node.append(helper.make_node("Add", [model.graph.node[0].output[0], nodes[-1].output[0]], ["grown"]))


def doubling(model: onnx.ModelProto, chance: random.Random, folder: Path) -> None:
    """Constants that double with every node."""
    names = ["seed", *(f"double{index}" for index in range(40))]
    nodes = [helper.make_node("Concat", [a, a], [b], axis=0) for a, b in pairwise(names)]
    _grown(model, *nodes, seed=np.ones(1 << 12, np.float32))


def table(model: onnx.ModelProto, chance: random.Random, folder: Path) -> None:
    """A column and a row of constants."""
    column = np.ones((1 << 16, 1), np.float32)
    _grown(model, helper.make_node("Add", ["column", "row"], ["table"]), column=column, row=column.T)


def shape_of_ones(model: onnx.ModelProto, chance: random.Random, folder: Path) -> None:
    kind = chance.choice(("ConstantOfShape", "Range"))
    sizes = np.array([1 << 18] * 3)
    start, end, step = np.array(0), np.array(1 << 62), np.array(1)
    inputs = ["sizes"] if kind == "ConstantOfShape" else ["start", "end", "step"]
    _grown(model, helper.make_node(kind, inputs, ["ones"]), sizes=sizes, start=start, end=end, step=step)


def tiles(model: onnx.ModelProto, chance: random.Random, folder: Path) -> None:
    """Channels and positions without end."""
    value = model.graph.node[0].output[0]
    counts = np.array([1, chance.choice((1 << 30, 1 << 8)), 1 << 10, 1 << 10, 1 << 10])
    _grown(model, helper.make_node("Tile", [value, "counts"], ["tiled"]), counts=counts)


def many_nodes(model: onnx.ModelProto, chance: random.Random, folder: Path) -> None:
    value, count = model.graph.node[0].output[0], chance.choice((60_000, 20_000))
    _grown(model, *(helper.make_node("Relu", [value], [f"relu{index}"]) for index in range(count)))


def functions(model: onnx.ModelProto, chance: random.Random, folder: Path) -> None:
    """Functions that call the next one twice, or themselves."""
    calls = [f"f{index}" for index in range(25)]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for name, inner in zip(calls, [*calls[1:], chance.choice(("Relu", "f0"))], strict=True):
        domain = "" if inner == "Relu" else "own"
        nodes = [helper.make_node(inner, [a], [b], domain=domain) for a, b in pairwise("xyz")]
        model.functions.append(helper.make_function("own", name, ["x"], ["z"], nodes, imports))
    model.opset_import.append(helper.make_opsetid("own", 1))
    _grown(model, helper.make_node("f0", [model.graph.node[0].output[0]], ["called"], domain="own"))


def nested(model: onnx.ModelProto, chance: random.Random, folder: Path) -> None:
    """Graphs within graphs."""
    inner = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], [])
    for _ in range(chance.choice((5, 15, 25))):
        inner = helper.make_graph([helper.make_node("Loop", ["x"], ["y"], body=inner)], "g", [], [])
    _grown(model, helper.make_node("Loop", [model.graph.node[0].output[0]], ["looped"], body=inner))


DAMAGES: tuple[Damage, ...] = (
    flip, flip, flip, cut, insert, dims, kinds, settings, numbers, wiring, outside, doubling, table, shape_of_ones,
    tiles, many_nodes, functions, nested,
)  # fmt: skip


def damaged(seed: int, folder: Path) -> tuple[Path, str]:
    """A damaged file and the name of its damage."""
    chance = random.Random(seed)
    model, damage = sample(), chance.choice(DAMAGES)
    try:
        content = damage(model, chance, folder) or model.SerializeToString()
    except (ValueError, TypeError, OverflowError):  # the damage cannot be written
        content = model.SerializeToString()[:-1]
    path = folder / "model" / f"{seed}.onnx"
    path.write_bytes(content)
    return path, damage.__name__


def prepare(folder: Path) -> None:
    """The folder of the models, with what must not be read beside it."""
    (folder / "model").mkdir()
    (folder / "canary").write_bytes(CANARY)
    (folder / "model" / "link").symlink_to(folder / "canary")
    (folder / "model" / "data").write_bytes(bytes(100))


def read(path: Path) -> dict[str, Any]:
    """How reading one file ended, in the worker."""
    started = time.monotonic()

    def answer(request: dict[str, Any], send: Any) -> dict[str, Any]:
        imported = reader.read(request["path"])
        arrays = [part for make in imported.weights.values() for part in make()]
        assert not any(CANARY in part.tobytes() for part in arrays)
        return {"left_out": imported.left_out}

    try:
        message = last_message(answer, {"path": path}, path, lambda _: None)
    except Exception:  # any that is not one of c3dvis's own
        message = {"traceback": traceback.format_exc()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {**message, "seconds": time.monotonic() - started, "peak": peak}


def _start() -> None:
    limit_memory(WEIGHTS.memory)
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115


def run(first: int, count: int, say: Callable[[str], None] = lambda _: None) -> Counter[str]:
    """Read damaged files; how they ended.

    Raises:
        AssertionError: one ended with a traceback, killed its process, or took too much memory or time.
    """
    ended = Counter[str]()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        with ProcessPoolExecutor(1, mp_context=context, initializer=_start) as pool:
            baseline = pool.submit(read, damaged(0, folder)[0]).result()["peak"]
            for seed in range(first, first + count):
                path, damage = damaged(seed, folder)
                try:
                    result = pool.submit(read, path).result(timeout=120)
                except BrokenProcessPool:
                    raise AssertionError(f"{seed} ({damage}) killed the process that read it") from None
                assert "traceback" not in result, f"{seed} ({damage}): {result['traceback']}"
                assert result["peak"] < baseline + WEIGHTS.memory, f"{seed} ({damage}) took {result['peak']:,} bytes"
                assert result["seconds"] < 60, f"{seed} ({damage}) took {result['seconds']:.0f} s"
                ended["refused" if "error" in result else "left out" if result["report"]["left_out"] else "whole"] += 1
                path.unlink()
                if (seed + 1) % 500 == 0:
                    say(
                        f"{seed + 1}: {dict(ended)}, at most {(result['peak'] - baseline) / 1e6:.0f} MB above the start"
                    )
    return ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    started = time.monotonic()
    ended = run(options.first, options.count, lambda line: print(line, flush=True))  # noqa: T201
    print(f"{dict(ended)} in {time.monotonic() - started:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
