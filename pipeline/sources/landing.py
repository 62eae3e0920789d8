"""Files from elsewhere, brought below a landing folder: whole, unpacked, at most once a version.

A file is landed in ``<name>-<version>``, which is there only when it is complete. What was begun
lies in ``<name>-<version>.part`` and is gone on with where the server lets us.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import fsspec
from requests import Response

from pipeline.errors import BusyError, DataError, MissingInputError
from pipeline.sources.answers import PassingError, http_time, server_time, shown
from pipeline.sources.pages import when
from pipeline.sources.tokens import require_no_secret
from pipeline.sources.unpack import safe, unpack
from pipeline.sources.web import Web
from pipeline.sources.whole import sync, write_whole

_REFUSED_HEAD = (400, 401, 403, 404, 405, 406, 501)


def describe(address: str, web: Web | None = None) -> tuple[int, str]:
    """Size in bytes (0 where the server does not say) and stamp of the file at an HTTP address.

    Where the server tells neither ETag nor Last-Modified the stamp is the day: the file is fetched
    once a day, to know. Raises BusyError, DataError, MissingInputError, ConfigError.
    """
    require_no_secret(address)
    web = web or Web()
    said = web.ask(address, _described, "HEAD", headers=_plain, allowed=_REFUSED_HEAD)
    if said and said[0]:
        return said
    # Not every server knows HEAD, and some answer it in strange ways: ask for the first byte.
    said = web.ask(address, _described, headers=lambda: _plain(0, 0), allowed=(416,))
    return said or (0, "empty")


def _plain(start: int | None = None, stop: int | str = "") -> dict[str, str]:
    asked = {} if start is None else {"Range": f"bytes={start}-{stop}"}
    return {"Accept-Encoding": "identity", **asked}


def _described(response: Response) -> tuple[int, str] | None:
    """Size and stamp; None of what is refused."""
    if response.status_code >= 400:
        return None
    headers = response.headers
    length = headers.get("Content-Range", "/").rsplit("/", 1)[-1]
    if response.status_code != 206:
        length = headers.get("Content-Length", "") if "Content-Encoding" not in headers else ""
    size, at = int(length) if length.isdigit() else 0, server_time(response)
    if etag := headers.get("ETag"):
        return size, etag
    stamp, is_settled = when(http_time(headers.get("Last-Modified", "")), at)
    return size, stamp if is_settled else f"{stamp} settling"


def land(address: str, version: int, landing: Path, web: Web | None = None) -> list[Path]:
    """The data files at an address, uncompressed, below ``landing``; empty ones are left out.

    Of a zip ``address#pattern`` takes the members that match. Other versions of it are removed.
    Raises BusyError, DataError, MissingInputError, ConfigError.
    """
    folder = landing / f"{name_of(address)}-{version:014x}"
    if not folder.exists():
        _bring(address, folder, web or Web())
    for old in _landed(address, landing):
        if old != folder:
            shutil.rmtree(old)
    return sorted(folder.iterdir())


def forget(addresses: Iterable[str], landing: Path) -> None:
    """Remove whatever was landed of the addresses."""
    for address in addresses:
        for folder in _landed(address, landing):
            shutil.rmtree(folder)


def name_of(address: str) -> str:
    """The name of an address in a landing folder."""
    return f"{safe(address)}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"


def _landed(address: str, landing: Path) -> list[Path]:
    return sorted(landing.glob(f"{name_of(address)}-*"))


def _bring(address: str, folder: Path, web: Web) -> None:
    work = folder.with_name(folder.name + ".part")
    work.mkdir(parents=True, exist_ok=True)
    body, files = work / "body", work / "files"
    shutil.rmtree(files, ignore_errors=True)
    is_web = address.startswith(("http://", "https://"))
    target, _, pattern = address.partition("#") if is_web else (address, "", "")
    name = safe(unquote(urlsplit(target).path).rsplit("/", 1)[-1])
    if is_web:
        if not (work / "done").exists() or not body.exists():
            _download(target, body, web)
            sync(body)
            (work / "done").touch()
    elif "://" in target:
        _copy(target, body)
    else:
        body = Path(target)
    try:
        unpack(body, files, name, pattern or "*", owned="://" in target)
    except DataError as fault:
        shutil.rmtree(work)  # the next try begins anew
        raise DataError(f"{shown(address)}: {fault}") from fault
    for path in (*files.iterdir(), files):
        sync(path)
    files.replace(folder)
    sync(folder.parent)


def _copy(address: str, body: Path) -> None:
    """Bring a file over a file system that is no web server."""
    try:
        filesystem, path = fsspec.core.url_to_fs(address)
        filesystem.get_file(path, str(body))
        size = filesystem.size(path)
    except FileNotFoundError as fault:
        raise MissingInputError(f"source.path: no file at {address}: deliver it") from fault
    except PermissionError as fault:
        raise DataError(f"{address} is refused: check the credentials") from fault
    except OSError as fault:
        raise BusyError(f"{address} cannot be fetched now ({fault}): try again later") from fault
    if size != body.stat().st_size:
        raise BusyError(f"{address} changes while it is being fetched: try again later")


def _download(address: str, body: Path, web: Web) -> None:
    """Bring a file over HTTP, going on after what is there already of the same file."""
    mark = body.with_name("mark")

    def headers() -> dict[str, str]:
        have, known = _have(body), _read(mark)
        return {**_plain(have), "If-Range": known} if have and known else _plain()

    def take(response: Response) -> None:
        found, is_rest = _validator(response), response.status_code == 206
        begins = response.headers.get("Content-Range", "").startswith(f"bytes {_have(body)}-")
        if response.status_code == 416 or (is_rest and not (begins and found in ("", _read(mark)))):
            body.unlink(missing_ok=True)
            raise PassingError("the file changed while it was being fetched")
        if not is_rest:
            body.unlink(missing_ok=True)
            write_whole(mark, lambda file: file.write_text(found))
        with body.open("ab") as handle:
            for piece in web.body(response):
                handle.write(piece)

    web.ask(address, take, headers=headers, allowed=(416,))


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _have(body: Path) -> int:
    return body.stat().st_size if body.exists() else 0


def _validator(response: Response) -> str:
    """What tells whether the rest is of the same file; "" where nothing does."""
    etag = response.headers.get("ETag", "")
    is_strong = etag and not etag.startswith("W/")
    return etag if is_strong else response.headers.get("Last-Modified", "")
