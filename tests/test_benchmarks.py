"""The benchmarks' page: what was found, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import arrivals
import binning
import pyarrow.dataset as pads
import run


def test_the_page_says_what_was_found() -> None:
    known = run.found_so_far(run.HERE)
    assert run.page(known) == (run.HERE / "RESULTS.md").read_text(), "run.py --page writes it"
    found = {path.stem for path in (run.HERE / "results").glob("*.json")}
    assert found == known.keys() != set()


def test_page_and_pictures_are_made_of_what_was_found(tmp_path: Path) -> None:
    shutil.copytree(run.HERE / "results", tmp_path / "results")
    assert run.publish(tmp_path).read_text() == (run.HERE / "RESULTS.md").read_text()
    drawn = {path.stem for path in tmp_path.glob("*.png")}
    assert drawn == run.PICTURES.keys() & run.found_so_far(run.HERE).keys()


def test_a_way_that_was_stopped_says_why() -> None:
    way = {"seconds": 2.0, "peak_mib": 300.0, "bytes": 0}
    city = {"rows": 10, "cells": 3, "look-up": way, "pandas": {"stopped": "memory: more"}}
    said = binning.section({"cities": {"here": city}})
    assert "| here, look-up | 10 | 3 | 2.0 | 1.00 |  | 300 |  |" in said
    assert "| here, pandas | 10 | 3 | stopped, memory: more |" in said


def test_a_made_up_city_has_what_was_asked_for(tmp_path: Path) -> None:
    work = arrivals.made_up(cells=300, incidents=5_000, years=2, folder=tmp_path)
    rows = pads.dataset(work.files).to_table().to_pandas()
    assert (len(rows), len(work.info.grid)) == (5_000, 300)
    assert set(rows["cell"]) <= set(work.info.grid.cells.astype("int64"))
    assert (rows["occurred_at"] <= rows["known_at"]).all()
    assert work.spec.started <= rows["occurred_at"].min()
    assert rows["known_at"].max() <= work.until
    work.save(tmp_path)
    assert arrivals.Work.load(tmp_path).until == work.until
