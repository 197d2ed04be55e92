"""Seconds per step of the engine `fast`, compared with its main part, the network's forward and backward pass.

*bare* is the network of Keras layers under TensorFlow's gradient with respect to the clip. *own* is the same pass as
plain operations (`c3dvis/networks/compute/forward.py`), which the engine uses.

    python bench/steps.py --layers conv2,conv3b,conv5b,Mixed_3c,Mixed_4d,Mixed_5b
    python bench/steps.py --layers Mixed_4d --sizes 8x112x112,16x112x112,32x112x112,16x56x56,16x160x160
    python bench/steps.py --layers Mixed_4d,Mixed_5b --counts 1,2,4
    python bench/steps.py --render conv5b

The step and both passes are compiled and measured in turns in one process; the table shows their medians. The first
call of the step, in which TensorFlow traces it and generates its kernels, is listed separately. If C3D's weights are
not installed, the script uses random ones: the arithmetic is the same. `--network` names another network. `--counts`
sets batch sizes. `--render` instead makes one whole default render of a layer, optimisation and measures, and prints
its seconds and the process's peak memory. `-o` also writes JSON.
"""

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.step_inputs import energy_of
from c3dvis.maximize import fast_engine
from c3dvis.maximize.loop import CompiledSteps
from c3dvis.maximize.optimization import parametrization_of
from c3dvis.maximize.optimizers import Adam
from c3dvis.maximize.quality import Quality
from c3dvis.maximize.schedule import Schedule
from c3dvis.maximize.volume.parametrization import Size
from c3dvis.maximize.volume.random_views import random_views
from c3dvis.networks.compute.device import configure, describe_device
from c3dvis.networks.compute.network import Network, load_network
from c3dvis.networks.graph.operations import Conv
from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.spec import RenderSpec

TURNS = 7


def network_of(layer: str, name: str | None) -> Network:
    """The network of a name; without one C3D for the names of its layers, else I3D."""
    if name:
        return load_network(name)
    info = describe("c3d-sports1m")
    if layer not in info.layers:
        return load_network("i3d-kinetics400")
    if installed_weights.present(info):
        return load_network(info.name)
    generator = np.random.default_rng(0)
    shapes = info.architecture.shapes(*info.default_size)
    weights = {}
    for op in info.architecture.ancestry(layer):
        if isinstance(op, Conv):
            inputs = shapes[op.inputs[0]][-1]
            kernel = generator.normal(0, np.sqrt(2 / (27 * inputs)), op.kernel_shape(inputs))
            weights[op.name] = (kernel.astype(np.float32), np.zeros(op.filters, np.float32))
    return Network(info, weights)


def seconds(call: Callable[[], Any]) -> float:
    """Wall-clock seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def measure(network: Network, layer: str, size: Size, precision: str, count: int) -> dict[str, float]:
    """Medians of the two passes and of a step, and the step's first call, in seconds for the whole batch."""
    forward = partial(network.forward, layer=layer)
    clips = tf.random.stateless_uniform((count, *size, network.architecture.channels), (0, 1), -1, 1)

    @tf.function(autograph=False)
    def bare(clips: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(clips)
            _, after = network.model(layer, size, precision)(tf.cast(clips, precision))
            value = tf.reduce_mean(tf.cast(after, tf.float32)[:, :, :, :, 0])
        return tape.gradient(value, clips)

    @tf.function(autograph=False)
    def own(clips: tf.Tensor) -> Any:
        response = forward(tf.cast(clips, precision))
        with tf.GradientTape() as tape:
            tape.watch(response.after)
            value = tf.reduce_mean(tf.cast(response.after, tf.float32)[:, :, :, :, 0])
        upstream: Any = tape.gradient(value, response.after)
        return tf.cast(response.backward(None, upstream), tf.float32)

    frames, height, width = size
    spec = RenderSpec(network=network.name, layer=layer, frames=frames, height=height, width=width)
    energy = energy_of(network, spec, [0] * count)
    volume = parametrization_of(network, spec, size)
    adam = Adam(volume.lengths)
    compiled = CompiledSteps(forward, network.input_domain, volume, adam, precision, energy.terms(), count)
    parameters = tf.constant(np.stack([volume.start(seed) for seed in range(count)]))
    tensors, steps = energy.tensors(), 4
    chosen = random_views(steps, spec.jitter_pixels, spec.jitter_frames, spec.seed)
    views = tuple(map(tf.constant, volume.prepare(chosen)))

    def step() -> None:
        rates = tf.fill((steps, count), spec.learning_rate)
        compiled.advance(parameters, compiled.slots(), tensors, tf.constant(0), views, rates)[2].numpy()

    calls = [lambda: bare(clips).numpy(), lambda: own(clips).numpy(), step]
    *_, first = map(seconds, calls)
    turns = [[seconds(call) for call in calls] for _ in range(TURNS)]
    return {
        "bare_seconds": statistics.median(bare for bare, _, _ in turns),
        "own_seconds": statistics.median(own for _, own, _ in turns),
        "step_seconds": statistics.median(step / steps for _, _, step in turns),
        "ratio": statistics.median(step / steps / bare for bare, _, step in turns),
        "ratio_to_own": statistics.median(step / steps / own for _, own, step in turns),
        "first_call_seconds": first,
    }


def whole_render(network: Network, layer: str) -> dict[str, float]:
    """Seconds of a default render with nothing compiled before, and the process's peak memory in MiB."""
    spec = RenderSpec(network=network.name, layer=layer, filter=3)
    began = time.perf_counter()
    quality = Quality(network, spec, network.precision(spec.precision))
    found = fast_engine.maximize(network, spec, quality, None, began)
    searched = time.perf_counter() - began
    metrics = quality.measure(found.clip, Schedule.of(spec, network.info).canvas)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "search_seconds": searched,
        "seconds": seconds,
        "share_of_measures": (seconds - searched) / seconds,
        "peak_memory_MiB": peak,
        "gain": float(metrics["gain"] or 0),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", default="conv1,conv2,conv3b,conv4b,conv5b,Conv3d_2c_3x3,Mixed_3c,Mixed_4d,Mixed_5b")
    parser.add_argument("--network", metavar="NAME", help="of the layers, if it is neither C3D nor I3D")
    parser.add_argument("--sizes", default="16x112x112", help="frames×height×width, several with commas")
    parser.add_argument("--precisions", default="bfloat16,float32")
    parser.add_argument("--counts", default="1", help="batch sizes, several with commas")
    parser.add_argument("--render", metavar="LAYER", help="one whole default render of this layer instead")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    configure()
    if args.render:
        print(json.dumps(whole_render(network_of(args.render, args.network), args.render), indent=1))
        return
    rows = []
    print(describe_device()["device"])
    print(
        f"{'layer':16s} {'size':>12s} {'precision':>9s} {'batch':>7s}   bare s    own s   step s  "
        "ratio to own  first s  s a volume"
    )
    for layer in args.layers.split(","):
        network = network_of(layer, args.network)
        for size_text in args.sizes.split(","):
            frames, height, width = map(int, size_text.split("x"))
            for precision in args.precisions.split(","):
                for count in map(int, args.counts.split(",")):
                    figures = measure(network, layer, (frames, height, width), precision, count)
                    rows.append({"layer": layer, "size": size_text, "precision": precision, "count": count, **figures})
                    print(
                        f"{layer:16s} {size_text:>12s} {precision:>9s} {count:7d} {figures['bare_seconds']:8.4f} "
                        f"{figures['own_seconds']:8.4f} {figures['step_seconds']:8.4f} {figures['ratio']:6.2f} "
                        f"{figures['ratio_to_own']:6.2f} {figures['first_call_seconds']:8.2f} "
                        f"{figures['step_seconds'] / count:11.4f}",
                        flush=True,
                    )
    if args.output:
        args.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
