"""Writing files so that a reader, or a process that was killed, never leaves half of one."""

import os
from pathlib import Path

from c3dvis.errors import OutputFailed


def write_whole(path: Path, data: bytes, *, durable: bool = True) -> None:
    """The file appears under its name with all its bytes, or not at all; a link is followed, not replaced.

    Args:
        durable: wait until the disk has it. Left out, a power cut may lose it, the end of a process does not.

    Raises:
        OutputFailed: it cannot be written.
    """
    target = path.resolve()
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(target)
    except OSError as error:
        raise OutputFailed(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        unfinished.unlink(missing_ok=True)
