"""Runs in another place: a folder, or a bucket, that others read.

```
ADDRESS/runs/20240901T0600Z/   a run's files; manifest.json comes last
ADDRESS/latest.json            which run is the newest, written once its files are there
ADDRESS/collection.json        STAC
```
A reader that goes by ``latest.json``, or takes a run for one that has a manifest, sees whole runs.
A run that is put there again loses its manifest first. Nothing is ever deleted there: that is for
the one who keeps the place.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import fsspec

from forecasts.stac import COLLECTION
from forecasts.store import MANIFEST, RECORD, newest_run


def mirror_run(root: Path, name: str, address: str) -> bool:
    """Put a published run there, unless it is; says whether it was put.

    ``latest.json`` and ``collection.json`` follow when the run is the newest. Raises what the file
    system raises; another call goes on where it stopped.
    """
    places, base = fsspec.core.url_to_fs(address)
    places.invalidate_cache()
    run, there = root / "runs" / name, f"{base.rstrip('/')}/runs/{name}"
    manifest = (run / MANIFEST).read_bytes()
    is_there = _content(places, f"{there}/{MANIFEST}") == manifest
    if not is_there:
        _put(places, run, there)
        places.pipe_file(f"{there}/{MANIFEST}", manifest)
    if name == newest_run(root):
        for file in (COLLECTION, RECORD):
            if (root / file).exists():
                _replace(places, f"{base.rstrip('/')}/{file}", (root / file).read_bytes())
    return not is_there


def _put(places: fsspec.AbstractFileSystem, run: Path, there: str) -> None:
    if places.exists(f"{there}/{MANIFEST}"):
        places.rm_file(f"{there}/{MANIFEST}")
    for name in json.loads((run / MANIFEST).read_text(encoding="utf-8"))["files"]:
        places.makedirs(str(PurePosixPath(there, name).parent), exist_ok=True)
        places.put_file(str(run / name), f"{there}/{name}")


def _replace(places: fsspec.AbstractFileSystem, path: str, content: bytes) -> None:
    """An object appears whole; a file does by its new name."""
    if "file" in places.protocol:
        places.pipe_file(f"{path}.new", content)
        places.mv(f"{path}.new", path)
    else:
        places.pipe_file(path, content)


def _content(places: fsspec.AbstractFileSystem, path: str) -> bytes | None:
    try:
        return bytes(places.cat_file(path))
    except FileNotFoundError:
        return None
