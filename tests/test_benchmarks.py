"""The benchmarks' page: what was found, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Benchmarks are scripts, no package."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])


def test_the_page_says_what_was_found() -> None:
    import run

    assert run.page(dict(run.found_so_far())) == run.PAGE.read_text(), "make bench writes it"
    assert {path.stem for path in run.FOUND.glob("*.json")} <= set(run.BENCHMARKS)


def test_pictures_are_drawn_from_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import run

    monkeypatch.setattr(run, "HERE", tmp_path)
    run.draw(dict(run.found_so_far()))
    assert {path.stem for path in tmp_path.glob("*.png")} == set(run.PICTURES)


def test_a_way_that_was_stopped_says_why() -> None:
    import binning

    way = {"seconds": 2.0, "peak_mib": 300.0, "bytes": 0}
    city = {"rows": 10, "cells": 3, "limit": way, "pandas": {"failed": "more than 14 GiB"}}
    said = binning.section({"cities": {"here": city}})
    assert "| here, limit | 10 | 3 | 2.0 | 1.00 |  | 300 |  |" in said
    assert "| here, pandas | 10 | 3 | stopped: more than 14 GiB |" in said


def test_a_made_up_city_has_what_was_asked_for(tmp_path: Path) -> None:
    import arrivals
    import pyarrow.dataset as pads

    work = arrivals.made_up(cells=300, incidents=5_000, years=2, folder=tmp_path)
    rows = pads.dataset(work.files).to_table().to_pandas()
    assert (len(rows), len(work.info.grid)) == (5_000, 300)
    assert set(rows["cell"]) <= set(work.info.grid.cells.astype("int64"))
    assert (rows["occurred_at"] <= rows["known_at"]).all()
    assert work.spec.started <= rows["occurred_at"].min()
    assert rows["known_at"].max() <= work.until
    work.save(tmp_path)
    assert arrivals.Work.load(tmp_path).until == work.until
