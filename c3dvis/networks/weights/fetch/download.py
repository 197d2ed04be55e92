"""Downloads one file over HTTP into a part file, and goes on where an earlier attempt or process broke off.

A server that gives ranges is asked for the rest, on the condition that the file is still the same (RFC 9110,
If-Range); from any other the file is taken anew.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http.client import IncompleteRead
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from c3dvis.networks.weights.fetch.package_index import UNREACHABLE, IndexSettings, open_url, reason_of
from c3dvis.networks.weights.fetch.sources import CHUNK

ATTEMPTS = 3
"""Connections in a row that bring nothing new before a download is given up."""

_TOLD_EVERY = 0.05  # seconds

OnProgress = Callable[[int, int], None]
"""Hears (bytes done, bytes in all); 0 in all while that is not known."""


class NotIt(Exception):
    """This address did not give the file; another may."""


@dataclass(frozen=True)
class Noted:
    """What is noted beside a part file, so that another process can go on with it.

    Attributes:
        url: where it comes from.
        validator: what the server calls this very version: an entity tag or a date; empty if it says neither.
        total: bytes of the whole file, or 0 if the server does not say.
    """

    url: str
    validator: str
    total: int


def download(url: str, part: Path, settings: IndexSettings, tell: OnProgress, limit: int) -> Path:
    """The whole file of an address, in `part`.

    Args:
        url: a `file:`, `http:` or `https:` address.
        part: where the bytes go; what an earlier attempt left there is used, if the server allows.
        settings: timeout, proxy, certificates.
        tell: hears of the progress; what it raises ends the download, and the part stays.
        limit: bytes that the file has at most; no more than one byte beyond it is ever taken.

    Raises:
        NotIt: in a few words, why the file did not come.
        OSError: the part file cannot be written.
    """
    silent, furthest = 0, _left_over(url, part)[0]
    while True:
        problem = _attempt(url, part, settings, tell, limit)
        if problem is None:
            _note_path(part).unlink(missing_ok=True)
            return part
        reached = _left_over(url, part)[0]  # 0 where the server cannot go on from there
        silent = 0 if reached > furthest else silent + 1
        furthest = max(furthest, reached)
        if silent >= ATTEMPTS:
            raise NotIt(problem)
        time.sleep(0.2 * silent)  # a server that restarts needs a moment


def _attempt(url: str, part: Path, settings: IndexSettings, tell: OnProgress, limit: int) -> str | None:
    """One connection: None if the file is whole now, else what broke it off."""
    have, noted = _left_over(url, part)
    headers = {"Range": f"bytes={have}-", "If-Range": noted.validator} if have and noted else {}
    try:
        response = open_url(url, settings, headers=headers)
    except HTTPError as error:
        with error:
            if error.code == 416 and have:  # the part is as long as the file, or longer: it is another file
                part.unlink()
                return "the file changed while it was fetched"
            if error.code in (429, 500, 502, 503, 504):  # the server is busy, and may not be in a moment
                return reason_of(error)
        raise NotIt(reason_of(error)) from None
    except UNREACHABLE as error:
        return reason_of(error)
    with response:
        start = _start(response, have)
        if start is None:
            part.unlink(missing_ok=True)
            return "the server sent another range than was asked for"
        if _is_page(response):
            raise NotIt("it sent a web page in place of the file")
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else 0
        if total > limit:
            raise NotIt(f"it offers {total:,} bytes, and the file has at most {limit:,}")
        if start and noted and noted.total and total != noted.total:
            part.unlink()
            return "the file changed while it was fetched"
        validator = response.headers.get("ETag", "") or response.headers.get("Last-Modified", "")
        if validator.startswith("W/"):  # says that two versions are alike, not that they are the same bytes
            validator = ""
        _note_path(part).write_text(json.dumps(asdict(Noted(url, validator, total))), "utf-8")
        return _receive(response, part, start, total, tell, limit)


def _left_over(url: str, part: Path) -> tuple[int, Noted | None]:
    """Bytes that can be gone on from, and what is noted of them."""
    try:
        noted = Noted(**json.loads(_note_path(part).read_text("utf-8")))
        size = part.stat().st_size
    except (OSError, ValueError, TypeError):
        return 0, None
    return (size, noted) if noted.url == url and noted.validator and size else (0, None)


def _start(response: Any, have: int) -> int | None:
    """Where the response's bytes belong: behind what is here, at the beginning, or nowhere."""
    if getattr(response, "status", None) != 206:
        return 0
    first = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return have if have and first == str(have) else None


def _is_page(response: Any) -> bool:
    return response.headers.get_content_type() == "text/html"


def _receive(response: Any, part: Path, start: int, total: int, tell: OnProgress, limit: int) -> str | None:
    done, told = start, 0.0
    of = f" of {total:,}" if total else ""
    with part.open("r+b" if start else "wb", buffering=0) as out:
        out.seek(start)
        tell(done, total)
        while done <= limit:
            try:
                chunk = response.read1(min(CHUNK, limit + 1 - done))  # what is there, so that a stall loses nothing
            except IncompleteRead as error:
                out.write(error.partial)
                done += len(error.partial)
                return f"the connection broke off after {done:,}{of} bytes"
            except UNREACHABLE as error:
                return f"{reason_of(error)} after {done:,}{of} bytes"
            if not chunk:
                break
            out.write(chunk)
            done += len(chunk)
            now = time.monotonic()
            if now - told > _TOLD_EVERY:
                told = now
                tell(done, total)
        tell(done, total)
    if total and done < total:
        return f"the connection broke off after {done:,}{of} bytes"
    return None


def _note_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
