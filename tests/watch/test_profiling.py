"""Dask's report of a cluster's work, where bokeh is there to draw it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from distributed import Client, performance_report

from cluster.profiling import can_profile, profiled


def test_a_report_that_cannot_be_made_fails_nothing(
    tmp_path: Path,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("distributed.performance_report.__exit__", broken)
    with caplog.at_level(logging.WARNING), profiled(tmp_path / "a" / "night.html", client):
        assert client.submit(pow, 2, 10).result() == 1024
    assert caplog.messages == [f"no profile at {tmp_path}/a/night.html: OSError: the disk is full"]


def test_two_clusters_of_the_same_work_have_a_report_each(
    tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(report: performance_report, *_: object) -> None:
        Path(report.filename).touch()

    monkeypatch.setattr("distributed.performance_report.__exit__", write)
    path = tmp_path / "night.html"
    with profiled(path, client), profiled(path, client):
        pass
    assert {each.name for each in tmp_path.iterdir()} == {"night.html", "night-2.html"}


@pytest.mark.skipif(not can_profile(), reason="bokeh is not installed")
@pytest.mark.filterwarnings("ignore")  # of bokeh's own
def test_a_report_holds_the_tasks(tmp_path: Path, client: Client) -> None:
    path = tmp_path / "profiles" / "night.html"
    with profiled(path, client):
        client.submit(pow, 2, 10).result()
    assert "number of tasks: 1" in path.read_text()
