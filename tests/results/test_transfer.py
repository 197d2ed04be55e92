"""Export of results to a file, and import into another store."""

import contextlib
import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from c3dvis.errors import OutputFailed, ResultDamaged
from c3dvis.results import RenderResult, ResultStore
from c3dvis.results.transfer import export_results, import_results

MakeResult = Callable[..., RenderResult]
Same = Callable[[RenderResult | None, RenderResult], None]


def quiet(done: int, total: int) -> None:
    assert 0 <= done < total


@pytest.fixture
def other(tmp_path: Path) -> ResultStore:
    """An empty store on another machine."""
    return ResultStore(tmp_path / "other", starter=None)


def test_results_arrive_as_they_were(
    filled: ResultStore, other: ResultStore, make_result: MakeResult, same: Same, tmp_path: Path
) -> None:
    keys = filled.keys()
    assert export_results(filled, keys, tmp_path / "a.zip", quiet) == keys
    outcome = import_results(other, tmp_path / "a.zip", quiet)
    assert (sorted(outcome.stored), outcome.present, outcome.refused) == (keys, [], {})
    for seed in range(4):
        same(other.get(make_result(seed).spec), make_result(seed))
    export_results(other, keys, tmp_path / "b.zip", quiet)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    again = import_results(other, tmp_path / "a.zip", quiet, pin=True)
    assert (again.stored, sorted(again.present)) == ([], keys)
    assert other.pinned() == set(keys)


def test_damaged_results_are_not_exported(filled: ResultStore, make_result: MakeResult, tmp_path: Path) -> None:
    (file,) = filled.stats().path.glob(f"??/{make_result(2).key}-*.h5")
    file.write_bytes(file.read_bytes()[:-1])
    keys = filled.keys()
    assert export_results(filled, keys, tmp_path / "a.zip", quiet) == [k for k in keys if k != make_result(2).key]


def test_an_export_that_cannot_be_written_leaves_nothing(filled: ResultStore, tmp_path: Path) -> None:
    with pytest.raises(OutputFailed, match="cannot be written"):
        export_results(filled, filled.keys(), tmp_path / "none" / "a.zip", quiet)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputFailed, match="cannot be written"):
        export_results(filled, filled.keys(), tmp_path / "folder", quiet)
    assert list(tmp_path.glob(".*")) == []


def zipped(path: Path, *members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def test_what_is_no_result_is_refused_and_the_rest_stored(
    other: ResultStore, make_result: MakeResult, tmp_path: Path
) -> None:
    good, old = make_result(1), make_result(2, algorithm=0)
    altered = bytearray(make_result(3).to_bytes())
    altered[len(altered) // 2] ^= 1
    misnamed, bomb = "0" * 64 + ".h5", "1" * 64 + ".h5"
    path = zipped(
        tmp_path / "a.zip",
        ("../../" + good.key + ".h5", good.to_bytes()),
        ("README.txt", b"hello"),
        (f"{old.key}.h5", old.to_bytes()),
        (f"{make_result(3).key}.h5", bytes(altered)),
        (misnamed, good.to_bytes()),
        (bomb, bytes(257 * 2**20)),
        (f"{good.key}.h5", good.to_bytes()),
        compression=zipfile.ZIP_DEFLATED,
    )
    outcome = import_results(other, path, quiet)
    assert outcome.stored == other.keys() == [good.key]
    reasons = list(outcome.refused.values())
    expected = ("64 hex digits", "64 hex digits", "Another version", "checksum", "another name", "too large")
    assert len(reasons) == len(expected)
    for reason, part in zip(reasons, expected, strict=True):
        assert part in reason
    assert not (tmp_path / f"{good.key}.h5").exists()


def test_a_member_that_claims_another_size_is_refused(
    other: ResultStore, make_result: MakeResult, tmp_path: Path
) -> None:
    """The header of the archive is not trusted: what is unpacked counts."""
    good = make_result(1)
    path = zipped(tmp_path / "a.zip", (f"{good.key}.h5", good.to_bytes()), compression=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02") + 24  # the size in the archive's directory
    data[at : at + 4] = (100).to_bytes(4, "little")
    path.write_bytes(data)
    outcome = import_results(other, path, quiet)
    assert outcome.stored == other.keys() == []
    assert len(outcome.refused) == 1


@pytest.mark.parametrize("cut", range(8))
def test_a_damaged_archive_is_refused_in_a_sentence(
    filled: ResultStore, other: ResultStore, tmp_path: Path, cut: int
) -> None:
    export_results(filled, filled.keys(), tmp_path / "a.zip", quiet)
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "b.zip").write_bytes(data[: len(data) * cut // 8])
    with pytest.raises(ResultDamaged, match="expected a file that `c3dvis cache export` wrote"):
        import_results(other, tmp_path / "b.zip", quiet)
    with pytest.raises(ResultDamaged, match="No such file"):
        import_results(other, tmp_path / "none.zip", quiet)


def test_flipped_bits_never_store_another_result(
    filled: ResultStore, tmp_path: Path, make_result: MakeResult, same: Same
) -> None:
    export_results(filled, filled.keys(), tmp_path / "a.zip", quiet)
    data = (tmp_path / "a.zip").read_bytes()
    generator = random.Random(0)
    for attempt in range(30):
        damaged = bytearray(data)
        directory = data.index(b"PK\x01\x02")
        for _ in range(3):
            low = directory if attempt % 2 else 0  # half of them in the archive's directory
            damaged[generator.randrange(low, len(data))] ^= 1 << generator.randrange(8)
        (tmp_path / "b.zip").write_bytes(damaged)
        with ResultStore(tmp_path / f"store{attempt}", starter=None) as store:
            with contextlib.suppress(ResultDamaged):
                import_results(store, tmp_path / "b.zip", quiet)
            for seed in range(4):
                if make_result(seed).key in store:
                    same(store.get(make_result(seed).spec), make_result(seed))
            assert set(store.keys()) <= set(filled.keys())


def test_an_encrypted_member_is_refused(other: ResultStore, make_result: MakeResult, tmp_path: Path) -> None:
    good = make_result(1)
    path = zipped(tmp_path / "a.zip", (f"{good.key}.h5", good.to_bytes()))
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.rindex(mark) + offset] |= 1
    path.write_bytes(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.infolist()[0].flag_bits & 1
    (reason,) = import_results(other, path, quiet).refused.values()
    assert "cannot be unpacked" in reason
