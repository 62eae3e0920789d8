"""Dask's own report of the work: tasks, profiles and memory of a cluster, on one page."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Client

_LOG = logging.getLogger(__name__)


def can_profile() -> bool:
    """Whether bokeh is there, which draws the page."""
    return importlib.util.find_spec("bokeh") is not None


@contextmanager
def profiled(path: Path, client: Client) -> Iterator[None]:
    """The block's report at ``path``, HTML that needs no network; without one nothing fails.

    Where that is there, of another cluster of the same work, beside it, with a number.
    """
    from distributed import performance_report

    report = performance_report(filename=str(path), mode="inline")
    path.parent.mkdir(parents=True, exist_ok=True)
    with client.as_current():
        report.__enter__()
        try:
            yield
        finally:
            try:
                report.filename = str(_free(path))
                report.__exit__(None, None, None)
            except Exception as fault:  # noqa: BLE001 -- the work is done, and its fault another
                _LOG.warning("no profile at %s: %s: %s", path, type(fault).__name__, fault)


def _free(path: Path) -> Path:
    beside = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return path if not path.exists() else next(each for each in beside if not each.exists())
