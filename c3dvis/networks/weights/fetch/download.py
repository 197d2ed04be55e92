"""Downloads one file into a part file, and resumes where an earlier attempt or process stopped.

The request to resume is conditional: the server sends the rest only if its file is unchanged (RFC 9110, If-Range). If a
server does not support ranges, the whole file is downloaded again.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests

from c3dvis.files import CHUNK
from c3dvis.networks.weights.fetch.http_client import UNREACHABLE, content_type, open_url, reason_of
from c3dvis.networks.weights.fetch.http_settings import HttpSettings
from c3dvis.networks.weights.progress import OnProgress

ATTEMPTS = 3
"""Connections in a row without a new byte after which a download is given up."""

_PROGRESS_INTERVAL = 0.05  # seconds


class DownloadFailed(Exception):
    """This URL did not give the file; another may."""


@dataclass(frozen=True)
class PartState:
    """What is known of a part file; it is stored beside the file, so that another process can resume.

    Attributes:
        url: where the bytes come from.
        validator: the server's identifier of this version of the file: an entity tag or a date; empty without one.
        total: bytes of the whole file, or 0 if the server does not say.
    """

    url: str
    validator: str
    total: int


def download(url: str, part: Path, settings: HttpSettings, on_progress: OnProgress, limit: int) -> Path:
    """Downloads the whole file of a URL into `part`.

    Args:
        url: a `file:`, `http:` or `https:` URL.
        part: the file to write; what an earlier attempt left there is used, if the server allows.
        settings: timeout, proxy, certificates.
        on_progress: receives the bytes done and in total; if it raises, the download ends and the part stays.
        limit: the most bytes that the file may have; at most one byte beyond it is read.

    Raises:
        DownloadFailed: in a few words, why the file could not be downloaded.
        OSError: the part file cannot be written.
    """
    fruitless, furthest = 0, _resumable(url, part)[0]
    while True:
        problem = _attempt(url, part, settings, on_progress, limit)
        if problem is None:
            _state_path(part).unlink(missing_ok=True)
            return part
        reached = _resumable(url, part)[0]  # 0 where the server cannot resume
        fruitless = 0 if reached > furthest else fruitless + 1
        furthest = max(furthest, reached)
        if fruitless >= ATTEMPTS:
            raise DownloadFailed(problem)
        time.sleep(0.2 * fruitless)  # a server that restarts needs a moment


def _attempt(url: str, part: Path, settings: HttpSettings, on_progress: OnProgress, limit: int) -> str | None:
    """One connection: None if the file is complete now, else what ended it early."""
    if urlsplit(url).scheme == "file":
        return _copy(Path(url2pathname(urlsplit(url).path)), part, on_progress, limit)
    have, state = _resumable(url, part)
    headers = {"Range": f"bytes={have}-", "If-Range": state.validator} if have and state else {}
    try:
        response = open_url(url, settings, headers=headers)
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status == 416 and have:  # the part is as long as the file or longer: the file changed
            part.unlink()
            return "the file changed while it was fetched"
        if status in (429, 500, 502, 503, 504):  # the server is busy, perhaps not for long
            return reason_of(error)
        raise DownloadFailed(reason_of(error)) from None
    except UNREACHABLE as error:
        return reason_of(error)
    with response:
        start = _start(response, have)
        if start is None:
            part.unlink(missing_ok=True)
            return "the server sent another range than was asked for"
        if content_type(response) == "text/html":
            raise DownloadFailed("it sent a web page in place of the file")
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else 0
        if start and state and state.total and total != state.total:
            part.unlink()
            return "the file changed while it was fetched"
        validator = response.headers.get("ETag", "") or response.headers.get("Last-Modified", "")
        if validator.startswith("W/"):  # a weak tag promises similar content, not the same bytes
            validator = ""
        _state_path(part).write_text(json.dumps(asdict(PartState(url, validator, total))), "utf-8")
        # read1 returns what has arrived, so that nothing is lost when the connection stalls
        return _receive(response.raw.read1, part, start, total, on_progress, limit)


def _copy(source: Path, part: Path, on_progress: OnProgress, limit: int) -> str | None:
    try:
        file = source.open("rb")
    except OSError as error:
        raise DownloadFailed(error.strerror or str(error)) from None
    with file:
        return _receive(file.read1, part, 0, source.stat().st_size, on_progress, limit)


def _resumable(url: str, part: Path) -> tuple[int, PartState | None]:
    """The number of bytes in the part file that can be kept, and its state."""
    try:
        state = PartState(**json.loads(_state_path(part).read_text("utf-8")))
        size = part.stat().st_size
    except (OSError, ValueError, TypeError):
        return 0, None
    return (size, state) if state.url == url and state.validator and size else (0, None)


def _start(response: requests.Response, have: int) -> int | None:
    """The place of the response's first byte in the file: `have`, 0, or None for a range that was not asked for."""
    if response.status_code != 206:
        return 0
    first = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return have if have and first == str(have) else None


def _receive(
    read: Callable[[int], bytes], part: Path, start: int, total: int, on_progress: OnProgress, limit: int
) -> str | None:
    if total > limit:
        raise DownloadFailed(f"it offers {total:,} bytes, and the file has at most {limit:,}")
    done, last_progress = start, 0.0
    with part.open("r+b" if start else "wb", buffering=0) as out:
        out.seek(start)
        on_progress(done, total)
        while done <= limit:
            try:
                chunk = read(min(CHUNK, limit + 1 - done))
            except UNREACHABLE as error:
                return f"{reason_of(error)} after {done:,}{f' of {total:,}' if total else ''} bytes"
            if not chunk:
                break
            out.write(chunk)
            done += len(chunk)
            now = time.monotonic()
            if now - last_progress > _PROGRESS_INTERVAL:
                last_progress = now
                on_progress(done, total)
        on_progress(done, total)
    return None


def _state_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
