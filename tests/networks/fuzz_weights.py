"""Damaged weights files by the thousand: each must end as a clear error or as a verified load.

    python -m tests.networks.fuzz_weights --count 10000

A worker process reads every file in full with the sandbox's code and memory limit (`weights/sandbox.py`), and measures
its memory. The sandbox itself starts one process for each file, which takes half a second; the worker reads many files.
"""

import argparse
import multiprocessing
import os
import pickle
import random
import signal
import struct
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from c3dvis.networks.weights.child_process import WEIGHTS, last_message, limit_memory
from c3dvis.networks.weights.conversion import convert
from c3dvis.networks.weights.sandbox import answer
from tests.networks import layouts
from tests.networks.layouts import SIZE, Arrays, field, random_weights, thin_c3d, varint

# few filters, and arrays small enough to damage by the thousand
SMALL = thin_c3d((2, 2, 2, 2, 2, 2, 2, 2), (6, 6, 3))
CANARY = "C3DVIS_FUZZ_RAN"
FORMS = ("keras 0, theano", "keras 1", "keras 2", "keras 3, early", "caffe of c3d", "caffe", "pytorch, old form",
         "pytorch, mmaction2", "npz", "npz, channels first", "c3dvis")  # fmt: skip


class Calls:
    """Pickles into a call of a function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self._call


def samples(folder: Path) -> dict[str, bytes]:
    """One sound file of each form."""
    arrays = random_weights(SMALL)
    made = {}
    for form in FORMS[:-1]:
        path = layouts.WRITERS[form](folder, arrays)
        made[form] = path.read_bytes()
        if form == "keras 2":
            convert(path, folder / "own.h5", SMALL, SIZE)
            made["c3dvis"] = (folder / "own.h5").read_bytes()
        path.unlink()
    return made


def damage(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> str:
    """Writes one damaged file and returns the name of the damage."""
    kinds = [flip, flip, flip, head, cut, swap, fill, insert]
    if form in ("keras 1", "keras 2", "c3dvis"):
        kinds += [h5_shapes, h5_types, h5_links, h5_huge, h5_packed]
    if form.startswith("caffe"):
        kinds += [proto_length, proto_many, proto_shape]
    if form.startswith("pytorch"):
        kinds += [evil_pickle, evil_pickle, torch_shapes]
    if form.startswith("npz"):
        kinds += [zip_bomb, npz_types, npz_header]
    made = chance.choice(kinds)
    made(form, data, path, chance, arrays)
    return made.__name__


def flip(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    damaged = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    path.write_bytes(damaged)


def head(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    """Bits of the first kilobytes, where structure is."""
    damaged = bytearray(data)
    for _ in range(chance.choice((1, 2, 4, 16))):
        damaged[chance.randrange(min(4096, len(damaged)))] ^= 1 << chance.randrange(8)
    path.write_bytes(damaged)


def cut(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    path.write_bytes(data[: chance.randrange(len(data))])


def swap(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    first, second = sorted(chance.randrange(len(data)) for _ in range(2))
    path.write_bytes(data[second:] + data[first:second] + data[:first])


def fill(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    damaged = bytearray(data)
    start = chance.randrange(len(damaged))
    length = chance.choice((4, 8, 512))
    damaged[start : start + length] = bytes([chance.choice((0, 0x7F, 0xFF))]) * length
    path.write_bytes(damaged)


def insert(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    place = chance.randrange(len(data))
    path.write_bytes(data[:place] + chance.randbytes(chance.randrange(1, 64)) + data[place:])


def _rewritten(
    form: str, path: Path, data: bytes, change: Callable[[h5py.File, str], None], chance: random.Random
) -> None:
    path.write_bytes(data)
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        change(file, chance.choice(sorted(names)))


def h5_shapes(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    def change(file: h5py.File, name: str) -> None:
        values = np.asarray(file[name])
        del file[name]
        file[name] = np.swapaxes(values, 0, -1) if chance.random() < 0.5 else values.reshape(-1)

    _rewritten(form, path, data, change, chance)


def h5_types(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    def change(file: h5py.File, name: str) -> None:
        shape = file[name].shape  # type: ignore[union-attr]
        del file[name]
        kind = chance.choice(
            (np.int64, np.uint8, np.complex64, "S8", h5py.string_dtype(), np.float16, np.float64, bool)
        )
        file.create_dataset(name, shape, kind)

    _rewritten(form, path, data, change, chance)


def h5_links(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    def change(file: h5py.File, name: str) -> None:
        shape = file[name].shape  # type: ignore[union-attr]
        kind = chance.randrange(5)
        if kind < 4:
            del file[name]
        if kind == 0:
            file[name] = h5py.SoftLink("/fc7")
        elif kind == 1:
            file[name] = h5py.ExternalLink("/etc/passwd", "/")
        elif kind == 2:
            file.create_dataset(name, shape, "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])
        elif kind == 3:
            layout = h5py.VirtualLayout(shape, "f4")
            layout[...] = h5py.VirtualSource("/etc/passwd", "a", shape)
            file.create_virtual_dataset(name, layout)
        else:
            file["round"] = file["/"]

    _rewritten(form, path, data, change, chance)


def h5_huge(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    """A declared shape of terabytes, that takes no room in the file."""

    def change(file: h5py.File, name: str) -> None:
        shape = file[name].shape  # type: ignore[union-attr]
        del file[name]
        huge = tuple(size * (1 << chance.randrange(4, 9)) for size in shape)
        chunks = tuple(min(size, 16) for size in huge) if chance.random() < 0.5 else None
        if chance.random() < 0.3:  # the right shape in one piece that is declared far larger
            file.create_dataset(
                name,
                shape,
                "f4",
                maxshape=(None,) * len(shape),
                chunks=(4_000_000 // int(np.prod(shape[1:])), *shape[1:]),
            )
        else:
            file.create_dataset(name, huge, "f4", chunks=chunks, fillvalue=1.0)

    _rewritten(form, path, data, change, chance)


def h5_packed(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    def change(file: h5py.File, name: str) -> None:
        values = np.zeros_like(file[name][()])  # type: ignore[index]
        del file[name]
        file.create_dataset(name, data=values, compression="gzip", compression_opts=9)

    _rewritten(form, path, data, change, chance)


def proto_length(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    """A length of up to 2^63 in front of a layer, or in front of a blob's numbers."""
    length = varint(chance.choice((1 << 31, (1 << 31) - 1, 1 << 40, (1 << 63) - 1, len(data) + 1)))
    path.write_bytes(data + chance.choice((b"\x12", b"\x12\x08\x32", b"\x0a")) + length + chance.randbytes(20))


def proto_many(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    """Millions of empty layers, blobs or pieces: two bytes each, a hundred once parsed."""
    count = chance.choice((100_000, 3_000_000))
    inner = chance.choice((field(2, b""), b"", None))
    if inner is None:
        path.write_bytes(field(2, field(4, b"conv1a") + field(6, field(6, b"") * count)) + data)
    else:
        path.write_bytes(
            field(2, field(6, inner) * count if chance.random() < 0.5 else b"") * 1 + field(2, b"") * count + data
        )


def proto_shape(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    sizes = [chance.choice((0, 1, 3, 1 << 31, (1 << 63) - 1)) for _ in range(5)]
    blob = b"".join(field(number, size) for number, size in enumerate(sizes, 1)) + field(6, bytes(40))
    path.write_bytes(field(2, field(4, b"conv1a") + field(6, blob) * 2) + data)


def evil_pickle(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    """Pickles that call functions, and pickles that only want memory."""
    kind = chance.randrange(9)
    calls = [
        Calls(os.open, CANARY, os.O_CREAT), Calls(os.system, f"touch {CANARY}"), Calls(eval, f"open('{CANARY}', 'w')"),
        Calls(exec, f"open('{CANARY}', 'w')"), Calls(bytearray, 1 << 34), Calls(list, range(1 << 30)),
    ]  # fmt: skip
    if kind < len(calls):
        pickled = pickle.dumps({"conv1.weight": calls[kind]}, protocol=chance.choice((0, 2, 4)))
    elif kind == 6:
        pickled = b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"."  # BYTEARRAY8
    elif kind == 7:
        pickled = b"\x80\x02}r\xff\xff\xff\x7f."  # LONG_BINPUT: two thousand million places
    else:
        pickled = b"\x80\x02]" + b"(]" * 200_000 + b"."
    if form == "pytorch, mmaction2":
        layouts.torch_zip(path, {}, [], pickled)
    else:
        start = data.index(b"\x80\x02", data.index(b"little_endian"))
        path.write_bytes(data[:start] + pickled + data[start:])


def torch_shapes(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    named = {"conv1.weight": arrays["conv1"][0]}
    state, storages = layouts.torch_state(named)
    tensor = state["conv1.weight"]
    kind = chance.randrange(4)
    if kind == 0:
        tensor.shape = tuple(size * 4096 for size in tensor.shape)
    elif kind == 1:
        tensor.stride = tuple(0 for _ in tensor.stride)
    elif kind == 2:
        tensor.shape, tensor.stride = (1 << 40,), (0,)
    else:
        tensor.shape = (-1, *tensor.shape[1:])
    (layouts.torch_zip if form == "pytorch, mmaction2" else layouts.torch_old)(path, state, storages)


def zip_bomb(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    """A gigabyte of zeros in a megabyte, where an array should be."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("conv1/kernel.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(
                member, {"descr": "<f4", "fortran_order": False, "shape": (1 << 24, chance.choice((1, 3)), 1)}
            )
            for _ in range(chance.choice((1, 64))):
                member.write(bytes(1 << 20))
        archive.writestr("conv1/bias.npy", b"\x93NUMPY")


def npz_types(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    named = {
        f"{n}/{role}": part for n, pair in arrays.items() for role, part in zip(("kernel", "bias"), pair, strict=True)
    }
    name = chance.choice(sorted(named))
    if chance.random() < 0.3:
        named[name] = np.array([Calls(os.open, CANARY, os.O_CREAT)], object)
    else:
        named[name] = named[name].astype(chance.choice(("i4", "c8", "f2", "U4", "?")))
    np.savez(path.with_suffix(".npz"), **named)  # type: ignore[arg-type]
    path.with_suffix(".npz").replace(path)


def npz_header(form: str, data: bytes, path: Path, chance: random.Random, arrays: Arrays) -> None:
    text = chance.choice((
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        f"open('{CANARY}', 'w')",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "(" * 5000,
    ))  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        header = text.encode() + b"\n"
        archive.writestr("conv1/kernel.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)


def run(count: int, seed: int, folder: Path) -> tuple[Counter[str], Counter[str], float]:
    """Reads `count` damaged files.

    Returns:
        How they ended (`refused`, `crash contained`, `loaded`), what was done to them, and the megabytes that reading
        took at most above what the reading process starts with.

    Raises:
        AssertionError: a file ran code, or ended in another way.
    """
    sound = samples(folder)
    arrays = random_weights(SMALL)
    chance = random.Random(seed)
    path = folder / "damaged"
    ended: Counter[str] = Counter()
    done: Counter[str] = Counter()
    used, start = 0.0, 0.0
    pool = _start_worker()
    try:
        for number in range(count):
            form = FORMS[number % len(FORMS)]
            what = damage(form, sound[form], path, chance, arrays)
            done[what] += 1
            try:
                message, peak = pool.submit(_read, path).result()
                ended[_check(message, path)] += 1
            except BrokenProcessPool:
                pool.shutdown()
                pool, peak = _start_worker(), 0.0
                ended["crash contained"] += 1
            except Exception as error:
                path.replace(folder.parent / "culprit")
                raise AssertionError(f"file {number} ({form}, {what}): {type(error).__name__}: {error}") from error
            finally:
                path.unlink(missing_ok=True)
            assert not Path(CANARY).exists(), f"file {number} ran code"
            start = start or peak
            used = max(used, peak - start)
    finally:
        pool.shutdown()
    return ended, done, used


def _start_worker() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), initializer=limit_memory, initargs=(WEIGHTS.memory,)
    )


def _read(path: Path) -> tuple[dict[str, Any], float]:
    """In the worker: the sandbox's answer for a file, and the most memory that the worker has had, in megabytes."""
    signal.alarm(60)  # ends the worker
    message = last_message(answer, {"path": path, "architecture": SMALL, "size": SIZE}, path, lambda _: None)
    signal.alarm(0)
    status = Path("/proc/self/status").read_text()
    return message, int(status.split("VmHWM:")[1].split()[0]) / 1024


def _check(message: dict[str, Any], path: Path) -> str:
    """How a file ended: `loaded` or `refused`."""
    if "report" in message:
        assert message["report"]["parameters"] > 0
        return "loaded"
    sentence = message["error"]
    assert message["type"] == "WeightsDamaged", sentence
    assert str(path) in sentence, sentence
    assert len(sentence) > len(str(path)) + 10, sentence
    assert "\n" not in sentence, sentence
    return "refused"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        ended, done, used = run(options.count, options.seed, Path(folder))
    say = sys.stdout.write
    say(f"{sum(ended.values())} damaged files: {', '.join(f'{n} {how}' for how, n in ended.most_common())}\n")
    say(f"no code run; reading took {used:.0f} MB at most above its start; {time.perf_counter() - began:.0f} s\n")
    say(", ".join(f"{name} {number}" for name, number in done.most_common()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
