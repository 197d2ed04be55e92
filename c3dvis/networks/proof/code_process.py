"""The process that adds a network of a user's own code: it runs the code, and describes the layers that it gives."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from c3dvis.files import sha256_of
from c3dvis.networks import user_networks
from c3dvis.networks.compute import own_code
from c3dvis.networks.compute.keras_network import from_keras
from c3dvis.networks.weights import child_process, provenance
from c3dvis.networks.weights.proof import Proof


def answer(request: Mapping[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Write the archive and the description of a network to a folder.

    Args:
        request: name, code, function, weights, bounds, order, size, title, licence and shown as of
            `add_network.add_code`, and the folder to write to.
        send: takes progress messages; there are none.

    Raises:
        WeightsDamaged, InvalidSpec: as `own_code.build` and `from_keras` do.
    """
    child_process.limit_memory(None)  # it is the user's own program
    name, code, folder = request["name"], request["code"], request["folder"]
    archive = folder / f"{name}.zip"
    own_code.write(archive, code, request["weights"])
    model = own_code.build(archive, request["function"], name)
    options = {key: request[key] for key in ("size", "order", "shown")}
    network = from_keras(model, request["bounds"], name=name, **options)
    info = replace(
        network.info,
        title=request["title"] or f"{name}, built by {code.name}",
        licence=request["licence"] or "not stated by whoever added it",
        source=f"added on this machine from {code.name}",
        weights_file=archive.name,
        code=request["function"],
    )
    digest = sha256_of(archive)
    source = {"name": code.name, "format": "code and weights", "sha256": digest}
    proof = Proof(True, "Keras itself computes it, from the code that it was added with")
    provenance.write(archive, provenance.Provenance(digest, digest, 0, (), source, proof))
    (folder / user_networks.DESCRIPTION).write_text(json.dumps(user_networks.to_dict(info)), "utf-8")
    return {}


if __name__ == "__main__":
    child_process.serve(answer, lambda request: request["code"])
