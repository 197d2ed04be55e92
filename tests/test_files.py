"""Files that appear whole, also where several threads write the same one, and after a process that was killed."""

import os
import threading
from pathlib import Path

import pytest

from c3dvis.errors import OutputFailed
from c3dvis.files import write_whole


def test_several_threads_may_write_one_file(tmp_path: Path) -> None:
    target, begin = tmp_path / "one.bin", threading.Barrier(4)
    texts = [bytes([number]) * 100_000 for number in range(4)]
    failed: list[OutputFailed] = []

    def write(data: bytes) -> None:
        begin.wait()
        for _ in range(25):
            try:
                write_whole(target, data, durable=False)
            except OutputFailed as error:
                failed.append(error)

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert target.read_bytes() in texts
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_process_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / f".one.bin.{os.getpid()}.part").write_bytes(b"half")  # its number is given to other processes again
    write_whole(tmp_path / "one.bin", b"whole")
    assert (tmp_path / "one.bin").read_bytes() == b"whole"


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputFailed, match=r"absent/one\.bin cannot be written: No such file"):
        write_whole(tmp_path / "absent" / "one.bin", b"")
