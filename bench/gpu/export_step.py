"""Writes one compiled step of the optimisation to a file that JAX can run on a machine without TensorFlow.

    python bench/gpu/export_step.py --layer Mixed_4d -o bench-out/step.npz

The step is the engine's own (`c3dvis/maximize/loop.py`): sampling of the volume, the network's forward and backward
pass, the energy with the spec's default weights, and the optimiser. TensorFlow lowers it to StableHLO, once for each
batch size. The file also holds the network's weights, which the step takes as arguments, in the precision of the
network's arithmetic; the arguments of a first step of a few filters; and what TensorFlow computes from them here, in
that precision and in float32. A larger batch repeats these filters. `bench/gpu/run_step.py` runs and times it.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from bench.step_inputs import energy_of
from c3dvis.maximize.loop import CompiledSteps
from c3dvis.maximize.optimization import compiled_steps
from c3dvis.maximize.quality import Quality
from c3dvis.maximize.schedule import full_views, work
from c3dvis.networks.compute.device import computes_bfloat16, configure
from c3dvis.networks.compute.network import Network, load_network
from c3dvis.spec import RenderSpec

Arrays = list[np.ndarray]


def lower(steps: CompiledSteps, arguments: Sequence[Any]) -> tuple[str, list[tf.Tensor]]:
    """A step as StableHLO text, and the tensors that it takes after its arguments: the network's weights.

    Args:
        steps: the compiled steps of a batch size.
        arguments: of `CompiledSteps.step`, as tensors or their `tf.TensorSpec`.
    """

    def step(*flat: tf.Tensor) -> Any:  # the export takes no nested arguments
        return steps.step.python_function(*tf.nest.pack_sequence_as(arguments, flat))

    function: Any = tf.function(step, autograph=False, jit_compile=True)
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tf.nest.flatten(arguments)]
    tf.random.set_seed(0)  # TensorFlow finds out the device with a random operation
    text = function.experimental_get_compiler_ir(*specs)(stage="stablehlo")
    return text, list(function.get_concrete_function(*specs).captured_inputs)


def steps_of(network: Network, spec: RenderSpec, precision: str, count: int) -> CompiledSteps:
    """The compiled steps of a spec at full size for a batch, with all terms of its energy."""
    terms = energy_of(network, spec, [0] * count).terms()
    return compiled_steps(network, spec, (spec.frames, spec.height, spec.width), precision, terms, count)


def first_arguments(network: Network, spec: RenderSpec, precision: str, filters: Sequence[int]) -> tuple[Any, ...]:
    """The arguments of the first step at full size of a batch with these filters, each with a start of its own."""
    steps = steps_of(network, spec, precision, len(filters))
    noise = Quality(network, spec.replace(filter=filters[0])).noise_scale()
    energy = energy_of(network, spec, filters, noise)
    view = steps.parametrization.prepare(full_views(spec, 1))
    return (
        tf.constant(np.stack([steps.parametrization.start(spec.seed + i) for i in range(len(filters))])),
        steps.slots(),
        energy.tensors(),
        tf.constant(0),
        tuple(tf.constant(part[0]) for part in view),
        tf.fill((len(filters),), tf.constant(spec.learning_rate, tf.float32)),
    )


def batch_axes(small: Sequence[Any], large: Sequence[Any]) -> list[int | None]:
    """The axis of each tensor that counts a batch's volumes; None of one that a batch shares.

    Args:
        small, large: the tensors of two batch sizes.
    """
    pairs = [(tuple(one.shape), tuple(other.shape)) for one, other in zip(small, large, strict=True)]
    return [next((i for i, (a, b) in enumerate(zip(*pair, strict=True)) if a != b), None) for pair in pairs]


def export(
    network: Network, spec: RenderSpec, precision: str, filters: Sequence[int], batches: Sequence[int]
) -> dict[str, np.ndarray]:
    """The arrays of the file that `run_step.py` reads.

    Args:
        network: the network.
        spec: names layer, size and weights.
        precision: of the network's arithmetic.
        filters: whose first step is computed here, two or more; a batch repeats them.
        batches: batch sizes.
    """
    arguments = first_arguments(network, spec, precision, filters)
    one = first_arguments(network, spec, precision, filters[:1])
    flat = tf.nest.flatten(arguments)
    axes = batch_axes(tf.nest.flatten(one), flat)
    expected, exact = (
        tf.nest.flatten(steps_of(network, spec, each, len(filters)).step(*arguments)) for each in (precision, "float32")
    )
    output_axes = batch_axes(tf.nest.flatten(steps_of(network, spec, precision, 1).step(*one)), expected)
    arrays: dict[str, np.ndarray] = {}
    weights: dict[int, tf.Tensor] = {}  # by identity: the batch sizes share them
    taken: dict[str, list[int]] = {}
    for count in batches:
        specs = [_specification(tensor, axis, count) for tensor, axis in zip(flat, axes, strict=True)]
        packed = tf.nest.pack_sequence_as(arguments, specs)
        text, captured = lower(steps_of(network, spec, precision, count), packed)
        arrays[f"module_{count}"] = np.frombuffer(text.encode(), np.uint8)
        weights.update({id(tensor): tensor for tensor in captured})
        taken[str(count)] = [list(weights).index(id(tensor)) for tensor in captured]
    about = {
        "network": network.name,
        "layer": spec.layer,
        "size": [spec.frames, spec.height, spec.width],
        "precision": precision,
        "filters": list(filters),
        "batches": list(batches),
        "tensorflow": tf.__version__,
        "argument_axes": axes,
        "output_axes": output_axes,
        "step_argument": len(tf.nest.flatten(arguments[:3])),
        "weights": taken,
        # A multiplication and an addition each; the gradient with respect to the clip costs as much as the response.
        "operations_per_volume": 4 * work(spec, network.info),
    }
    kinds = {"argument": flat, "output": expected, "exact": exact, "weight": weights.values()}
    for kind, tensors in kinds.items():
        arrays |= {f"{kind}_{i}": _stored(tensor.numpy()) for i, tensor in enumerate(tensors)}
    return {"about": np.array(json.dumps(about)), **arrays}


def _specification(tensor: tf.Tensor, axis: int | None, count: int) -> tf.TensorSpec:
    shape = [count if i == axis else length for i, length in enumerate(tensor.shape)]
    return tf.TensorSpec(shape, tensor.dtype)


def _stored(array: np.ndarray) -> np.ndarray:
    """bfloat16 as the bytes of uint16, which NumPy can write."""
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array


def main() -> None:
    """Lower, compute, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="i3d-kinetics400")
    parser.add_argument("--layer", default="Mixed_4d")
    parser.add_argument("--filters", default="3,40", help="two or more, with commas")
    parser.add_argument("--size", default="16x112x112", help="frames×height×width")
    parser.add_argument("--batches", default="1,8,64", help="batch sizes, with commas")
    parser.add_argument("--precision", default="bfloat16", choices=("bfloat16", "float32"))
    parser.add_argument("-o", "--output", type=Path, default=Path("bench-out/step.npz"))
    args = parser.parse_args()
    configure()
    if args.precision == "bfloat16" and not computes_bfloat16():
        parser.error("TensorFlow cannot compute bfloat16 here: choose --precision float32")
    frames, height, width = map(int, args.size.split("x"))
    spec = RenderSpec(network=args.network, layer=args.layer, frames=frames, height=height, width=width)
    filters, batches = ([int(number) for number in text.split(",")] for text in (args.filters, args.batches))
    arrays = export(load_network(args.network), spec, args.precision, filters, batches)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.output, **arrays)  # pyright: ignore[reportArgumentType]
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB, batches of {args.batches}")


if __name__ == "__main__":
    main()
