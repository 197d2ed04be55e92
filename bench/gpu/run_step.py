"""Runs and times the steps that `export_step.py` wrote, with JAX and NumPy alone.

    python bench/gpu/run_step.py step.npz

This is XLA's code for the device that JAX finds, not TensorFlow's runtime: what c3dvis does on the same card may be
slower or faster. For each batch size the script compiles the StableHLO, checks a first step, and times many steps in
one call (a loop on the device, without transfers between steps). It prints steps per second, and for the cards that it
knows two limits beside them: the operations of the network's convolutions, forward and backward, at the card's peak,
and the bytes that XLA expects to move, at the card's bandwidth.

The check compares the step with the one that TensorFlow computed in float32 on the exporting machine. A first step in
bfloat16 starts from noise near grey and is far from it on any device. So the script fails if its step is farther from
that one than `SLACK` times TensorFlow's own step in the same precision, plus `ROUNDING`. Distances are relative (L2);
the one in the table is that of the optimiser's mean gradient, with TensorFlow's own beside it. A GPU may compute
convolutions of float32 in TF32, which is farther away than that.
"""

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes  # comes with JAX
import numpy as np

jax: Any = None
"""Imported in `main`: the project does not depend on it."""

TURNS = 5

SLACK, ROUNDING = 1.5, 0.02


class Card(NamedTuple):
    """Limits of a card, from its maker's data sheet.

    Attributes:
        operations: per second, of dense bfloat16 matrix products.
        bandwidth: of its memory, in bytes per second.
    """

    operations: float
    bandwidth: float


CARDS = {"H100": Card(989e12, 3.35e12), "H200": Card(989e12, 4.8e12)}
"""By a part of the device's name. The SXM versions; a PCIe card has lower limits."""


class Export:
    """The file that `export_step.py` wrote.

    Args:
        path: of the file.

    Attributes:
        about: what was exported.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path) as file:
            self._arrays = dict(file)
        self.about: dict[str, Any] = json.loads(str(self._arrays["about"]))

    def module(self, count: int) -> str:
        """The step of a batch size as StableHLO text."""
        return self._arrays[f"module_{count}"].tobytes().decode()

    def arguments(self, count: int) -> list[np.ndarray]:
        """The arguments of the first step of a batch, in which the exported filters repeat."""
        return self._batch("argument", self.about["argument_axes"], count)

    def outputs(self, count: int, exact: bool = False) -> list[np.ndarray]:
        """What TensorFlow computed from `arguments`, in the step's precision, or in float32 if `exact`."""
        return self._batch("exact" if exact else "output", self.about["output_axes"], count)

    def weights(self, count: int) -> list[np.ndarray]:
        """The network's weights, which a batch's step takes after its arguments."""
        stored = [self._arrays[f"weight_{i}"] for i in self.about["weights"][str(count)]]
        if self.about["precision"] == "bfloat16":
            return [array.view(ml_dtypes.bfloat16) for array in stored]
        return stored

    def _batch(self, kind: str, axes: Sequence[int | None], count: int) -> list[np.ndarray]:
        arrays = [self._arrays[f"{kind}_{i}"] for i in range(len(axes))]
        return [
            array if axis is None else np.take(array, np.arange(count) % array.shape[axis], axis)
            for array, axis in zip(arrays, axes, strict=True)
        ]


def as_function(module: str, outputs: Sequence[np.ndarray]) -> Callable[..., list[Any]]:
    """A StableHLO module as a function that `jax.jit` can call.

    Args:
        module: with a function `main`.
        outputs: arrays of the shapes and types that it returns.
    """
    core: Any = importlib.import_module("jax.extend.core")
    mlir: Any = importlib.import_module("jax.interpreters.mlir")
    ir, func = _dialects()
    step = core.Primitive("exported_step")
    step.multiple_results = True
    step.def_abstract_eval(lambda *_: [jax.core.ShapedArray(array.shape, array.dtype) for array in outputs])

    def lowering(context: Any, *arguments: Any) -> Any:
        whole = context.module_context.module
        parsed = ir.Module.parse(module, context.module_context.context)
        main = next(op for op in parsed.body.operations if ir.StringAttr(op.attributes["sym_name"]).value == "main")
        results = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value).results
        name = mlir.merge_mlir_modules(whole, "exported_step", parsed)
        return func.CallOp(results, ir.FlatSymbolRefAttr.get(name), list(arguments)).results

    mlir.register_lowering(step, lowering)
    return step.bind


def _dialects() -> tuple[Any, Any]:
    """MLIR's `ir` and the dialect `func`, which older versions of JAX keep in jaxlib."""
    try:
        return importlib.import_module("jax.extend.mlir.ir"), importlib.import_module("jax.extend.mlir.dialects.func")
    except ImportError:
        return importlib.import_module("jaxlib.mlir.ir"), importlib.import_module("jaxlib.mlir.dialects.func")


def distances(found: Sequence[Any], exact: Sequence[np.ndarray], start: np.ndarray) -> dict[str, float]:
    """How far a step is from the exact one, each relative to the length of the exact (L2).

    Args:
        found, exact: the step's outputs: parameters, the optimiser's memory, and the log of objective and energy.
        start: the parameters before the step.

    Returns:
        `step`: of the parameters' change; `memory`: of the first part of the memory, in Adam's case the mean gradient;
        `log`.
    """
    pairs = {"step": (np.asarray(found[0]) - start, exact[0] - start), "memory": (found[1], exact[1])}
    pairs["log"] = found[-1], exact[-1]
    return {
        name: float(np.linalg.norm(np.asarray(one) - other) / np.linalg.norm(other))
        for name, (one, other) in pairs.items()
    }


def agrees(ours: dict[str, float], theirs: dict[str, float]) -> bool:
    """Whether a step with these `distances` from the exact one is as near to it as TensorFlow's, but for rounding."""
    return all(ours[name] <= SLACK * theirs[name] + ROUNDING for name in ours)


def measure(export: Export, count: int, steps: int) -> dict[str, Any]:
    """Compile, check and time the step of a batch size.

    Args:
        export: the file.
        count: batch size.
        steps: in one timed call.
    """
    arguments, expected, exact = export.arguments(count), export.outputs(count), export.outputs(count, exact=True)
    step = as_function(export.module(count), expected)
    place, state = export.about["step_argument"], len(expected) - 1  # the log is not an argument

    def loop(steps: Any, *given: Any) -> Any:
        def body(i: Any, carried: Any) -> Any:
            return tuple(step(*carried[:state], *given[state:place], given[place] + i, *given[place + 1 :]))

        log = jax.numpy.zeros(expected[-1].shape, expected[-1].dtype)
        return jax.lax.fori_loop(jax.numpy.int32(0), steps, body, (*given[:state], log))

    given = [jax.device_put(array) for array in (*arguments, *export.weights(count))]
    one, many = jax.numpy.int32(1), jax.numpy.int32(steps)
    began = time.perf_counter()
    compiled = jax.jit(loop).lower(one, *given).compile()
    compiled_in = time.perf_counter() - began
    first = jax.block_until_ready(compiled(one, *given))
    ours, theirs = (distances(outputs, exact, arguments[0]) for outputs in (first, expected))
    last = jax.block_until_ready(compiled(many, *given))
    times = []
    for _ in range(TURNS):
        began = time.perf_counter()
        jax.block_until_ready(compiled(many, *given))
        times.append(time.perf_counter() - began)
    costs = compiled.cost_analysis()  # of one turn of the loop, whose number is not known when it is compiled
    costs = costs[0] if isinstance(costs, list) else costs or {}
    return {
        "batch": count,
        "compile_seconds": compiled_in,
        "steps_per_second": steps / statistics.median(times),
        "fastest_steps_per_second": steps / min(times),
        "operations": count * export.about["operations_per_volume"],
        "bytes_by_xla": costs.get("bytes accessed"),
        "distance": ours,
        "distance_of_tensorflow": theirs,
        "agrees": agrees(ours, theirs),
        "objective_first": np.asarray(first[-1])[0].tolist(),
        "objective_last": np.asarray(last[-1])[0].tolist(),
    }


def limits(row: dict[str, Any], card: Card | None) -> dict[str, float]:
    """Steps per second that a card's operations and its bandwidth allow, and the share of its operations in use."""
    if card is None:
        return {}
    bound = {
        "limit_by_operations": card.operations / row["operations"],
        "share_of_operations": row["steps_per_second"] * row["operations"] / card.operations,
    }
    if row["bytes_by_xla"]:
        bound["limit_by_bandwidth"] = card.bandwidth / row["bytes_by_xla"]
    return bound


def main() -> None:
    """Run, check, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path, help="file from export_step.py")
    parser.add_argument("--batches", help="some of the file's batch sizes, with commas (default: all)")
    parser.add_argument("--steps", type=int, default=64, help="in one timed call")
    parser.add_argument("-o", "--output", type=Path, help="also write JSON")
    args = parser.parse_args()
    global jax
    jax = importlib.import_module("jax")
    export, device = Export(args.export), jax.devices()[0]
    about = export.about
    batches = [int(text) for text in args.batches.split(",")] if args.batches else about["batches"]
    card = next((card for name, card in CARDS.items() if name in device.device_kind), None)
    if about["precision"] != "bfloat16":
        card = None  # the limits are those of bfloat16
    print(f"{device.device_kind} ({device.platform}), JAX {jax.__version__}: XLA's kernels, not TensorFlow's runtime")
    print(f"{about['layer']} of {about['network']}, {'×'.join(map(str, about['size']))}, {about['precision']}")
    print("batch  compile s   steps/s  volume steps/s  TFLOP/s  of peak  limit by peak, by bandwidth  distance (TF's)")
    rows = []
    for count in batches:
        row = measure(export, count, args.steps)
        row |= limits(row, card)
        rows.append(row)
        rate = row["steps_per_second"]
        bounds = [f"{row.get(name, 0):.0f}" if card else "–" for name in ("limit_by_operations", "limit_by_bandwidth")]
        share = f"{row['share_of_operations']:.1%}" if card else "–"
        print(
            f"{count:5d} {row['compile_seconds']:10.1f} {rate:9.2f} {rate * count:15.2f} "
            f"{rate * row['operations'] / 1e12:8.2f} {share:>8s} {bounds[0]:>14s} {bounds[1]:>13s} "
            f"{row['distance']['memory']:15.4f} ({row['distance_of_tensorflow']['memory']:.4f})",
            flush=True,
        )
    if args.output:
        described = {"device": device.device_kind, "platform": device.platform, "jax": jax.__version__, **about}
        del described["weights"]
        args.output.write_text(json.dumps({**described, "steps": args.steps, "rows": rows}, indent=1))
    if wrong := [row["batch"] for row in rows if not row["agrees"]]:
        raise SystemExit(f"The step of batches {wrong} is too far from TensorFlow's: " + json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
