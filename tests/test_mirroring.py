"""Where a configuration has a mirror, a night's run is put there; where that fails, it says so."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from configurations import parse

from forecasts.store import publish, stage
from pipeline.errors import BusyError
from pipeline.mirroring import mirror
from pipeline.run import Run

CUTOFF = datetime(2024, 9, 1, 6, tzinfo=UTC)


def published(tmp_path: Path, **output: str) -> Run:
    root = tmp_path / "city"
    root.mkdir()
    with stage(root) as folder:
        (folder / "layer.txt").write_text("cells")
        publish(root, CUTOFF, folder, {})
    changes = {f"output.{key}": value for key, value in output.items()}
    return Run(parse({"output.path": str(root), **changes}), CUTOFF, CUTOFF)


def test_a_run_is_put_where_the_configuration_says(tmp_path):
    mirror(published(tmp_path, mirror=str(tmp_path / "there")))
    assert (tmp_path / "there" / "runs" / "20240901T0600Z" / "layer.txt").read_text() == "cells"


def test_without_a_mirror_nothing_is_done(tmp_path):
    run = published(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    mirror(run)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_mirror_that_fails_leaves_the_run_and_is_tried_again(tmp_path):
    run = published(tmp_path, mirror=str(tmp_path / "there"))
    (tmp_path / "there").write_text("in the way")
    with pytest.raises(BusyError, match=r"output.mirror: .*there could not be written .*run again"):
        mirror(run)
    assert (run.root / "latest" / "layer.txt").exists()
    (tmp_path / "there").unlink()
    mirror(run)
    assert (tmp_path / "there" / "latest.json").exists()


def test_where_runs_are_put_changes_no_forecast():
    assert parse({"output.mirror": "s3://here/city"}).fingerprint == parse().fingerprint
