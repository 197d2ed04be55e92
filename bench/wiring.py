"""Whether the inputs that the wiring lists first matter: switches them off, and three random ones instead.

    python bench/wiring.py --count 100
    python bench/wiring.py --count 15 --iterations 48 -o wiring.json
    python bench/wiring.py --layers Mixed_4d/Branch_1/Conv3d_0b_3x3 --filters 3,40

For each filter the script takes its clip from the store, or renders it. The response is the mean over all positions of
the clip, after the activation function. Switched off means that the layer reads 0 from an input everywhere. The
filters are drawn at random from all convolutions that read other filters, as many from each layer as from any other;
a dead filter is left out. The script also compares the response that it computes from the listed weights alone with
the network's.
"""

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from c3dvis.maximize.render import render
from c3dvis.networks.compute.network import Network, load_network
from c3dvis.networks.graph.operations import Conv
from c3dvis.results import ResultStore
from c3dvis.settings import cache_dir
from c3dvis.spec import RenderSpec

OFF = 3
"""How many inputs are switched off."""


def convolutions(network: Network) -> list[Conv]:
    """The convolutions that read more filters than are switched off, and have an output at the default size."""
    shapes = network.architecture.shapes(*network.info.default_size)
    return [
        op
        for op in network.architecture.operations
        if isinstance(op, Conv)
        and op.is_standard
        and op.inputs != ("input",)
        and min(shapes[op.name]) > 0
        and shapes[op.inputs[0]][-1] > 2 * OFF
    ]


def drawn(network: Network, count: int, seed: int) -> list[tuple[str, int]]:
    """Filters at random, from the layers in turn."""
    generator = random.Random(seed)
    found: list[tuple[str, int]] = []
    while len(found) < count:
        layers = convolutions(network)
        generator.shuffle(layers)
        for op in layers[: count - len(found)]:
            number = generator.randrange(op.filters)
            found += [] if (op.name, number) in found else [(op.name, number)]
    return found


class Switches:
    """Responses of a filter with inputs switched off; what its layer reads is computed once."""

    def __init__(self, network: Network, layer: str, number: int, clip: np.ndarray) -> None:
        self.wiring = network.wiring(layer, number)
        op = network.architecture.by_name[layer]
        assert isinstance(op, Conv)
        self._op = op
        clips = tf.constant(network.input_domain.to_network(clip)[np.newaxis])

        @tf.function(autograph=False)
        def read() -> Any:
            return network.forward(clips, op.inputs[0]).after

        self._read = read()
        bias = network.weights(layer)[1][number]
        self._before = self._contribution(range(len(self.wiring.inputs))) + bias
        self.response = self._mean(self._before)

    def without(self, inputs: Any) -> float:
        """The response with these inputs off."""
        return self._mean(self._before - self._contribution(inputs))

    def _contribution(self, inputs: Any) -> Any:
        """What inputs add to the response before the activation function."""
        part = tf.gather(self._read, list(inputs), axis=-1)
        kernel = tf.constant(self.wiring.kernel[..., list(inputs), np.newaxis])
        padding: Any = self._op.padding.upper()
        return tf.nn.conv3d(part, kernel, (1, *self._op.strides, 1), padding)

    def _mean(self, before: Any) -> float:
        return float(tf.reduce_mean(before if self._op.activation is None else tf.nn.relu(before)))


def measure(switches: Switches, draws: int, seed: int) -> dict[str, Any]:
    """The response with the strongest inputs off, and with random others off."""
    found = switches.wiring
    strongest = [found.inputs.index(each) for each in found.exciting(OFF)]
    others = [index for index in range(len(found.inputs)) if index not in strongest]
    generator = random.Random(seed)
    randomly = [switches.without(generator.sample(others, len(strongest))) for _ in range(draws)]
    without = switches.without(strongest)
    return {
        "response": switches.response,
        "without strongest": without,
        "without random": float(np.mean(randomly)),
        "first draw": without < randomly[0],
        "share of draws": float(np.mean([without < each for each in randomly])),
        "mean of draws": without < float(np.mean(randomly)),
    }


def main() -> None:
    """Measures and prints one line for each filter, then the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="i3d-kinetics400")
    parser.add_argument("--layers", help="instead of filters at random: these layers, with --filters")
    parser.add_argument("--filters", default="0", help="numbers of the filters of each of --layers")
    parser.add_argument("--count", type=int, default=100, help="how many filters to draw")
    parser.add_argument("--iterations", type=int, help="steps of a render (default: a spec's own)")
    parser.add_argument("--draws", type=int, default=20, help="how often three random inputs are drawn")
    parser.add_argument("--seed", type=int, default=0, help="of the filters and of the random inputs")
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write")
    options = parser.parse_args()
    network = load_network(options.network)
    filters = drawn(network, options.count, options.seed)
    if options.layers:
        filters = [(layer, int(n)) for layer in options.layers.split(",") for n in options.filters.split(",")]
    frames, height, width = network.info.default_size
    size: dict[str, Any] = {"frames": frames, "height": height, "width": width}
    if options.iterations:
        size["iterations"] = options.iterations
    rows, dead, deviation = [], 0, 0.0
    with ResultStore(cache_dir()) as store:
        for layer, number in filters:
            spec = RenderSpec(network=options.network, layer=layer, filter=number, **size)
            result = store.get(spec)
            if result is None:
                result = render(spec)
                store.put(result)
            if result.metrics.get("dead"):
                dead += 1
                continue
            switches = Switches(network, layer, number, result.clip)
            own = float(network.respond(result.clip, layer)[..., number].mean())
            deviation = max(deviation, abs(switches.response - own) / abs(own))
            row = {"layer": layer, "filter": number, **measure(switches, options.draws, options.seed + number)}
            rows.append(row)
            print(
                f"{layer} {number}: response {row['response']:.3g}, without the strongest "
                f"{row['without strongest']:.3g}, without random {row['without random']:.3g}, lower than "
                f"{row['share of draws']:.0%} of the draws",
                flush=True,
            )
    if not rows:
        sys.exit("Every filter was dead.")
    share = {
        key: float(np.mean([row[key] for row in rows])) for key in ("first draw", "share of draws", "mean of draws")
    }
    print(
        f"{len(rows)} filters, {dead} dead. Without the {OFF} strongest inputs the response is lower than without "
        f"{OFF} random ones for {share['first draw']:.1%} of the filters (one draw each), lower than the mean of "
        f"{options.draws} draws for {share['mean of draws']:.1%}, and lower in {share['share of draws']:.1%} of all "
        f"draws. The listed weights give the network's response to {deviation:.1e}."
    )
    if options.output:
        options.output.write_text(
            json.dumps({"filters": rows, "dead": dead, **share, "deviation": deviation}, indent=1)
        )


if __name__ == "__main__":
    main()
