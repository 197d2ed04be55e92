"""Readable names for the nodes of an ONNX graph: the path of the module that made them, where the graph has it.

PyTorch's exporters leave that path in one of three places: in the node's metadata, in the name of its weights
(`layer1.0.conv1.weight`), or in the node's own name (`/layer1/layer1.0/conv1/Conv`), where a module inside a container
repeats the container's name.
"""

import ast
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import onnx

_MAX_LENGTH = 100
_SCOPES = "pkg.torch.onnx.name_scopes"
_OF_WEIGHTS = re.compile(r"(.+)\.(weight|weight_v|weight_orig|running_mean|kernel)")
_LEAVES = {
    "Conv", "ConvTranspose", "BatchNormalization", "InstanceNormalization", "GroupNormalization", "LayerNormalization",
    "Gemm", "MatMul",
}  # fmt: skip
"""Operators that are modules in PyTorch, and so are called like their module."""


def node_names(graph: onnx.GraphProto, same: Mapping[str, str]) -> list[str]:
    """A unique name for every node of a graph.

    Args:
        graph: of a model.
        same: for each name that an Identity node gives to a weight, the weight's own.
    """
    stored = {tensor.name for tensor in graph.initializer}
    paths = [_path(node, stored, same) for node in graph.node]
    counts = Counter(path for path in paths if path)
    containers = {path[:end] for path in counts for end in _dots(path)}
    taken: set[str] = {"input"}
    names = []
    for node, path in zip(graph.node, paths, strict=True):
        kind = re.sub(r"\W", "", node.op_type).lower() or "node"
        is_module = path and (node.op_type in _LEAVES or (counts[path] == 1 and path not in containers))
        if not path:
            output = node.output[0] if node.output else ""
            name = output if re.fullmatch(r"[A-Za-z][\w.-]*", output) else kind
        else:
            name = path if is_module else f"{path}.{kind}"
        names.append(_unique(name[-_MAX_LENGTH:].strip(".") or kind, taken))
    return names


def _path(node: onnx.NodeProto, stored: set[str], same: Mapping[str, str]) -> str:
    """Path of the module that a node belongs to, or an empty text."""
    for entry in node.metadata_props:
        if entry.key == _SCOPES and (path := _scope(entry.value)):
            return path
    for name in node.input[1:]:
        own = same.get(name, name)
        match = _OF_WEIGHTS.fullmatch(own)
        if own in stored and match:
            return _readable(match[1])
    if node.name.startswith("/"):
        return _of_node_name(node.name.split("/")[1:-1])
    return ""


def _scope(text: str) -> str:
    """The module's path in the metadata of torch.onnx: a list of paths from the outermost inwards, then the node."""
    try:
        scopes = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    if not isinstance(scopes, list) or len(scopes) < 2 or not isinstance(scopes[-2], str):
        return ""
    return _readable(scopes[-2])


def _of_node_name(parts: Sequence[str]) -> str:
    """`layer1/layer1.0/conv1/conv1.0` is `layer1.0.conv1.0`: what repeats the part before it goes on from there."""
    path: list[str] = []
    for part in parts:
        if path and part.startswith(f"{path[-1]}."):
            path.pop()
        path.append(part)
    return _readable(".".join(path))


def _readable(text: str) -> str:
    return re.sub(r"\.{2,}", ".", re.sub(r"[^\w.-]+", "_", text)).strip("._")


def _dots(path: str) -> list[int]:
    return [match.start() for match in re.finditer(r"\.", path)]


def _unique(name: str, taken: set[str]) -> str:
    unique, number = name, 1
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    taken.add(unique)
    return unique
