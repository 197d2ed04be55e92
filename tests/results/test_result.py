"""A result and its file: what is written is what is read, or the reader says why not."""

import hashlib
import io
import json
import math
import pickle
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from c3dvis.errors import ResultDamaged
from c3dvis.results import RenderResult
from c3dvis.spec import RenderSpec

MakeResult = Callable[..., RenderResult]
Same = Callable[[RenderResult | None, RenderResult], None]
FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=200)
# The text before the HDF5 file proper, as the file format describes it.
USER_BLOCK = 512


def reseal(data: bytes) -> bytes:
    """A file that was edited, with the checksum in its first bytes made to fit again."""
    body = data[USER_BLOCK:]
    head = data[:USER_BLOCK].rstrip(b"\0").rsplit(b" ", 1)[0]
    return (head + b" " + hashlib.sha256(body).hexdigest().encode() + b"\n").ljust(USER_BLOCK, b"\0") + body


@pytest.fixture
def forge(make_result: MakeResult, tmp_path: Path) -> Callable[[Callable[[Any], Any]], bytes]:
    """Edits a good file with h5py and seals it again, as somebody who means harm could."""

    def edited(edit: Callable[[Any], Any]) -> bytes:
        path = tmp_path / "forged.h5"
        path.write_bytes(make_result().to_bytes())
        with h5py.File(path, "r+") as h5:
            edit(h5)
        return reseal(path.read_bytes())

    return edited


def test_it_comes_back_as_it_was(make_result: MakeResult, same: Same) -> None:
    result = make_result()
    same(RenderResult.from_bytes(result.to_bytes()), result)


NAMES = st.text(string.ascii_letters + string.digits + "_ .äß·", min_size=1, max_size=30)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
INTEGERS = st.integers(-(2**63), 2**63 - 1)


@given(
    metrics=st.dictionaries(NAMES, st.none() | st.booleans() | INTEGERS | NUMBERS, max_size=6),
    provenance=st.dictionaries(
        NAMES,
        INTEGERS | NUMBERS | st.text(st.characters(blacklist_characters="\0", codec="utf-8"), max_size=50),
        max_size=6,
    ),
    rows=st.lists(st.tuples(st.integers(0, 10**6), NUMBERS, NUMBERS | st.none(), NUMBERS | st.none()), max_size=5),
)
@FUZZ
def test_every_number_and_text_comes_back(
    make_result: MakeResult, same: Same, metrics: dict, provenance: dict, rows: list[tuple]
) -> None:
    plain = make_result(frames=2, height=16, width=16)
    history: list[dict[str, Any]] = [
        dict(zip(("step", "seconds", "objective", "shown_activation"), row, strict=True)) for row in rows
    ]
    result = RenderResult(plain.spec, plain.clip, metrics, history, plain.fingerprint, 1, provenance)
    received = RenderResult.from_bytes(result.to_bytes())
    same(received, result)
    for name, value in metrics.items():
        assert type(received.metrics[name]) is type(value)


def test_equal_results_give_equal_bytes(make_result: MakeResult) -> None:
    first = make_result(3)
    assert first.to_bytes() == make_result(3).to_bytes()
    assert first.to_bytes() == RenderResult.from_bytes(first.to_bytes()).to_bytes()


def test_anybody_with_h5py_can_read_it(make_result: MakeResult, tmp_path: Path) -> None:
    result = make_result(7)
    path = tmp_path / "result.h5"
    path.write_bytes(result.to_bytes())
    assert h5py.is_hdf5(path)
    with h5py.File(path) as file:
        h5: Any = file  # h5py's types do not tell a dataset from a group
        assert h5.attrs["format"] == "c3dvis render result"
        assert "rendering" in h5.attrs["readme"]
        assert h5.attrs["title"] == result.spec.title
        assert h5.attrs["key"] == result.key
        assert h5.attrs["fingerprint"] == result.fingerprint
        assert h5.attrs["algorithm"] == result.algorithm
        np.testing.assert_array_equal(h5["clip"][()], result.clip)
        assert h5["clip"].compression == "gzip"
        assert h5["clip"].shuffle
        assert json.loads(h5["spec"].asstr()[()])["seed"] == 7
        assert h5["history"].dtype.names == ("step", "seconds", "objective", "shown_activation")
        assert h5["history"]["objective"].tolist() == [1.5, 2.5]
        assert math.isnan(h5["history"]["shown_activation"][0])
        assert h5["metrics"].attrs["shown_activation"] == 5.25
        assert isinstance(h5["metrics"].attrs["gain"], h5py.Empty)
        assert h5["provenance"].attrs["device"] == "CPU"


def test_its_first_line_says_what_it_is(make_result: MakeResult) -> None:
    head = make_result().to_bytes()[:USER_BLOCK].decode("ascii")
    assert head.splitlines()[0] == "c3dvis render result: an HDF5 file. Open it with h5py, h5dump or HDFView."


def test_the_checksum_can_be_checked_by_hand(make_result: MakeResult) -> None:
    data = make_result().to_bytes()
    seal = data[:USER_BLOCK].decode("ascii").splitlines()[1].split()[-1]
    assert seal == hashlib.sha256(data[USER_BLOCK:]).hexdigest()
    with h5py.File(io.BytesIO(data)) as file:
        h5: Any = file
        assert h5["clip"].attrs["sha256"] == hashlib.sha256(h5["clip"][()].tobytes()).hexdigest()


def test_numpy_numbers_become_plain_and_what_is_not_finite_becomes_none(make_result: MakeResult) -> None:
    plain = make_result()
    metrics: dict[str, Any] = {
        "gain": np.float32("inf"), "selectivity": np.int64(4), "dead": np.bool_(True), "motion": float("nan"),
    }  # fmt: skip
    row = {"step": np.int32(9), "seconds": 1, "objective": np.float32(0.5), "shown_activation": np.nan}
    provenance: dict[str, Any] = {"n": np.int8(3)}
    result = RenderResult(plain.spec, plain.clip, metrics, [row], plain.fingerprint, 1, provenance)
    assert result.metrics == {"gain": None, "selectivity": 4, "dead": True, "motion": None}
    assert type(result.metrics["dead"]) is bool
    assert result.history == [{"step": 9, "seconds": 1.0, "objective": 0.5, "shown_activation": None}]
    assert json.dumps([result.metrics, result.history, result.provenance], allow_nan=False)


def test_the_clip_is_its_own_and_stays_as_it_is(make_result: MakeResult) -> None:
    plain = make_result()
    clip = plain.clip.copy()
    result = RenderResult(plain.spec, clip, {}, [], plain.fingerprint, 1, {})
    clip[:] = 0
    assert result.clip.any()
    with pytest.raises(ValueError, match="read-only"):
        result.clip[:] = 0


def test_a_view_becomes_one_piece_of_memory(make_result: MakeResult) -> None:
    plain = make_result()
    result = RenderResult(plain.spec, plain.clip[:, ::-1], {}, [], plain.fingerprint, 1, {})
    assert result.clip.flags.c_contiguous
    np.testing.assert_array_equal(result.clip, plain.clip[:, ::-1])


def test_it_can_be_sent_to_another_process(make_result: MakeResult, same: Same) -> None:
    result = make_result()
    same(pickle.loads(pickle.dumps(result)), result)


@pytest.mark.parametrize(
    "clip",
    [np.zeros((16, 24, 25, 3), np.uint8), np.zeros((16, 24, 24), np.uint8), np.zeros((16, 24, 24, 3))],
    ids=lambda clip: f"{clip.shape}-{clip.dtype}",
)
def test_a_clip_that_does_not_fit_its_spec_is_refused(make_result: MakeResult, clip: np.ndarray) -> None:
    plain = make_result()
    with pytest.raises(ValueError, match=r"Expected shape \(16, 24, 24, 3\) and dtype uint8"):
        RenderResult(plain.spec, clip, {}, [], plain.fingerprint, 1, {})


def test_rows_with_other_columns_are_refused(make_result: MakeResult) -> None:
    plain = make_result()
    with pytest.raises(ValueError, match=r"Expected step, seconds.*Received: step, loss"):
        RenderResult(plain.spec, plain.clip, {}, [{"step": 1, "loss": 2}], plain.fingerprint, 1, {})


@pytest.mark.parametrize("value", [[1, 2], b"bytes", "a" * 10_001, "a\0b"], ids=["list", "bytes", "long", "nul"])
def test_values_that_cannot_be_stored_are_refused(make_result: MakeResult, value: Any) -> None:
    plain = make_result()
    with pytest.raises(ValueError, match="Received"):
        RenderResult(plain.spec, plain.clip, {}, [], plain.fingerprint, 1, {"device": value})


@given(data=st.data())
@FUZZ
def test_flipped_bits_are_found(make_result: MakeResult, data: st.DataObject) -> None:
    good = make_result().to_bytes()
    places = data.draw(st.sets(st.integers(0, 8 * len(good) - 1), min_size=1, max_size=4))
    bad = bytearray(good)
    for place in places:
        bad[place // 8] ^= 1 << place % 8
    with pytest.raises(ResultDamaged):
        RenderResult.from_bytes(bytes(bad))


@given(data=st.data())
@FUZZ
def test_cut_and_padded_files_are_found(make_result: MakeResult, data: st.DataObject) -> None:
    good = make_result().to_bytes()
    length = data.draw(st.integers(0, len(good) - 1))
    extra = data.draw(st.binary(max_size=10).filter(lambda tail: tail != good[length:]))
    for bad in (good[:length] + extra, good + extra) if extra else (good[:length],):
        with pytest.raises(ResultDamaged):
            RenderResult.from_bytes(bad)


@given(st.binary(max_size=2000))
@FUZZ
def test_files_of_another_kind_are_refused(junk: bytes) -> None:
    with pytest.raises(ResultDamaged, match="not a stored result of c3dvis"):
        RenderResult.from_bytes(junk)


@given(junk=st.binary(max_size=300))
@FUZZ
def test_a_sealed_file_that_is_no_hdf5_is_refused(make_result: MakeResult, junk: bytes) -> None:
    with pytest.raises(ResultDamaged, match="cannot be read as HDF5"):
        RenderResult.from_bytes(reseal(make_result().to_bytes()[:USER_BLOCK] + junk))


def test_a_plain_hdf5_file_is_refused() -> None:
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        h5["clip"] = np.zeros(3)
    with pytest.raises(ResultDamaged, match="not a stored result"):
        RenderResult.from_bytes(file.getvalue())


def test_a_huge_file_is_refused_unread(make_result: MakeResult) -> None:
    with pytest.raises(ResultDamaged, match="too large"):
        RenderResult.from_bytes(make_result().to_bytes() + bytes(256 * 2**20))


def replace(h5: h5py.File, name: str, **how: Any) -> None:
    del h5[name]
    h5.create_dataset(name, **how)


def soft_link(h5: h5py.File) -> None:
    h5.move("clip", "elsewhere")
    h5["clip"] = h5py.SoftLink("/elsewhere")
    del h5["provenance"]
    h5.move("elsewhere", "provenance")


def external_link(h5: h5py.File) -> None:
    del h5["clip"]
    h5["clip"] = h5py.ExternalLink("/etc/passwd", "/clip")


def external_storage(h5: h5py.File) -> None:
    replace(h5, "clip", shape=(16, 24, 24, 3), dtype="u1", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def virtual_storage(h5: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(16, 24, 24, 3), dtype="u1")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "clip", shape=(16, 24, 24, 3))
    del h5["clip"]
    h5.create_virtual_dataset("clip", layout)


REACHES_OUT = {
    "a soft link": soft_link,
    "an external link": external_link,
    "external storage": external_storage,
    "virtual storage": virtual_storage,
    "a foreign filter": lambda h5: replace(h5, "clip", data=np.zeros((16, 24, 24, 3), "u1"), compression="lzf"),
}


@pytest.mark.parametrize("edit", REACHES_OUT.values(), ids=REACHES_OUT)
def test_files_that_reach_outside_themselves_are_refused(forge: Any, edit: Callable) -> None:
    with pytest.raises(ResultDamaged, match="reaches outside itself"):
        RenderResult.from_bytes(forge(edit))


def other_seed(h5: h5py.File) -> None:
    text = RenderSpec(seed=99, frames=16, height=24, width=24).to_json()
    replace(h5, "spec", data=text, dtype=h5py.string_dtype())


HUGE = 10**7
DOES_NOT_FIT: dict[str, tuple[Callable[[Any], Any], str]] = {
    "extra member": (lambda h5: h5.create_group("more"), "other members"),
    "no clip": (lambda h5: h5.pop("clip"), "other members"),
    "clip is a group": (
        lambda h5: (h5.pop("clip"), h5.create_group("clip")),
        "expected 'clip' to be a Dataset",
    ),
    "metrics are a dataset": (
        lambda h5: replace(h5, "metrics", data=np.zeros(2)),
        "expected 'metrics' to be a Group",
    ),
    "other size": (
        lambda h5: replace(h5, "clip", data=np.zeros((16, 24, 25, 3), "u1")),
        r"expected shape \(16, 24, 24, 3\)",
    ),
    "other type": (
        lambda h5: replace(h5, "clip", data=np.zeros((16, 24, 24, 3), "f4")),
        "Received:.*float32",
    ),
    "other clip": (
        lambda h5: h5["clip"].write_direct(np.zeros((16, 24, 24, 3), "u1")),
        "stored clip does not match",
    ),
    "spec is no JSON": (lambda h5: replace(h5, "spec", data="{"), "unusable spec"),
    "spec is out of range": (
        lambda h5: replace(h5, "spec", data='{"frames": 0}'),
        "unusable spec.*frames",
    ),
    "spec is a number": (lambda h5: replace(h5, "spec", data=3), "spec is no text"),
    "spec of another result": (other_seed, "its key is not that of its spec"),
    "history of other columns": (
        lambda h5: replace(h5, "history", data=np.zeros(3)),
        "stored history does not fit",
    ),
    "history without end": (
        lambda h5: replace(h5, "history", shape=(HUGE,), dtype=h5["history"].dtype, compression="gzip", chunks=(1000,)),
        "history is too long",
    ),
    "metric is an array": (lambda h5: h5["metrics"].attrs.update({"gain": [1.0, 2.0]}), "no single number"),
    "no format": (lambda h5: h5.attrs.pop("format"), "cannot be read"),
    "other format": (lambda h5: h5.attrs.update({"format": "cats"}), "Received: 'cats'"),
    "later format": (
        lambda h5: h5.attrs.update({"format_version": 4}),
        "does not read.*version 1, 2, 3.*version 4",
    ),
    "format with texture and motion, without them": (
        lambda h5: h5.attrs.update({"format_version": 2}),
        "other members.*texture_motion",
    ),
    "no fingerprint": (lambda h5: h5.attrs.pop("fingerprint"), "cannot be read"),
    "empty algorithm": (
        lambda h5: h5.attrs.update({"algorithm": h5py.Empty("f8")}),
        "does not fit together",
    ),
    "endless algorithm": (lambda h5: h5.attrs.update({"algorithm": np.inf}), "does not fit together"),
}


@pytest.mark.parametrize(("edit", "words"), DOES_NOT_FIT.values(), ids=DOES_NOT_FIT)
def test_files_whose_parts_do_not_fit_are_refused(forge: Any, edit: Callable, words: str) -> None:
    with pytest.raises(ResultDamaged, match=words):
        RenderResult.from_bytes(forge(edit))


def test_an_untouched_forgery_is_read(forge: Any, make_result: MakeResult, same: Same) -> None:
    """Without this, the refusals above could all be due to the editing itself."""
    same(RenderResult.from_bytes(forge(lambda h5: h5.attrs.update({"title": "mine"}))), make_result())


def test_a_result_of_another_algorithm_is_read_and_says_so(make_result: MakeResult) -> None:
    old = RenderResult.from_bytes(make_result(algorithm=0).to_bytes())
    assert old.algorithm == 0
    assert not old.is_current
    assert make_result().is_current
