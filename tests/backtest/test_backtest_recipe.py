"""Whole backtests of a small city: as known then, resumed, and begun anew where they must be."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cities import midnight
from distributed import Client
from past import cheap_rivals, cheaply, city_with_silver, later_scrambled

from pipeline.backtest.folder import Folder
from pipeline.backtest.held import Backtest
from pipeline.backtest.recipe import collect, default_folder, run_backtest
from pipeline.backtest.rivals import make_rivals
from pipeline.backtest.schedule import Request
from pipeline.config import Config
from pipeline.districts import parents, read_districts
from pipeline.errors import BusyError, ConfigError, MissingInputError
from pipeline.known import Known, read_known
from pipeline.nightly import run_night

NOW = midnight(400)
MARCH = Request(date(2024, 3, 1), date(2024, 3, 19), 10)  # the 60th day to the 78th


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Config:
    return city_with_silver(tmp_path_factory.mktemp("city"), client)


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    cheaply(monkeypatch)
    return monkeypatch


def run(config: Config, out: Path, request: Request = MARCH) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    return run_backtest(config, request, out, NOW, said.append), said


def figures(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if name != "seconds"}


class Killed(BaseException):
    """As a signal would stop it."""


def test_a_killed_backtest_goes_on_and_says_the_same(
    config: Config, patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole, said = run(config, tmp_path / "whole")
    assert sum("nights, the last chunk" in line for line in said) == 4
    write, written = Folder.write_unit, []

    def killed_after(units: int) -> Any:
        def write_and_die(folder: Folder, chunk: Any, unit: Any) -> None:
            write(folder, chunk, unit)
            written.append(chunk)
            if len(written) == units:
                (folder.root / "units" / ".half.npz.part").write_bytes(b"half")
                raise Killed

        return write_and_die

    for units in (1, 3):
        patch.setattr(Folder, "write_unit", killed_after(units))
        with pytest.raises(Killed):
            run(config, tmp_path / "killed")
    assert not (tmp_path / "killed" / "backtest.json").exists()
    patch.setattr(Folder, "write_unit", killed_after(99))
    resumed, _ = run(config, tmp_path / "killed")
    assert sorted(written) == sorted(set(written)), "a chunk was worked on twice"
    assert len(written) == 4
    assert figures(resumed) == figures(whole)
    again, _ = run(config, tmp_path / "killed")
    assert len(written) == 4
    assert figures(again) == figures(whole)
    kept = json.loads((tmp_path / "killed" / "backtest.json").read_text())
    assert figures(kept) == json.loads(json.dumps(figures(whole)))


def test_what_is_resumed_is_what_was_never_stopped_to_the_bit(
    config: Config, patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The state at a chunk's first night has to come the same way, whatever else is done."""
    known = read_known(config)
    whole = collect(known, MARCH, Folder(tmp_path), str)
    later = Folder(tmp_path).unit_path(whole.schedule.chunks[1])
    later.unlink()
    resumed = collect(known, MARCH, Folder(tmp_path), str)
    assert later.exists()
    for target, tallies in whole.tallies.items():
        for name, values in tallies.arrays().items():
            np.testing.assert_array_equal(resumed.tallies[target].arrays()[name], values)


def test_another_refit_or_other_incidents_start_anew(
    config: Config, patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run(config, tmp_path)
    _, said = run(config, tmp_path, Request(MARCH.first, MARCH.last, 7))
    assert any("(refit differ): it starts anew" in line for line in said)
    assert sum("nights, the last chunk" in line for line in said) == 3
    assert len(list((tmp_path / "units").glob("*.npz"))) == 3
    known = read_known(config)
    other = later_scrambled(known, 70)
    said.clear()
    collect(other, Request(MARCH.first, MARCH.last, 7), Folder(tmp_path), said.append)
    assert any("(incidents differ): it starts anew" in line for line in said)


def test_what_came_in_since_does_not_undo_what_is_done(
    config: Config, patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known, said = read_known(config), []
    early = known.at(midnight(120))
    first = collect(early, MARCH, Folder(tmp_path), said.append)
    worked = len(said)
    again = collect(known, MARCH, Folder(tmp_path), said.append)
    assert not any("nights, the last chunk" in line for line in said[worked:])
    assert again.schedule.known_until == first.schedule.known_until <= midnight(120)
    # But nights that can be scored now, and could not be then, are.
    recent = Request(MARCH.first, date(2024, 4, 29), 28)
    short = collect(early, recent, Folder(tmp_path / "b"), said.append)
    long = collect(known, recent, Folder(tmp_path / "b"), said.append)
    assert short.schedule.left_out
    assert not long.schedule.left_out
    assert any("(nights, known until, incidents differ)" in line for line in said)


def forecasts_of(backtest: Backtest, night: int) -> dict[str, np.ndarray]:
    tallies = backtest.tallies["all"]
    names = ("expected", "decile_expected", "district_expected")
    return {name: getattr(tallies, name)[night] for name in names} | {
        "bins": tallies.bins[night].sum(axis=1)
    }


def test_what_became_known_later_changes_no_forecast_before(config: Config, tmp_path: Path) -> None:
    """With models that are really made: one refit before the cutoff, one after it."""
    request = Request(date(2024, 4, 8), date(2024, 4, 15), 5)  # the 98th day to the 105th
    known = of_one_target(read_known(config))
    scrambled = later_scrambled(known, 101)
    one = collect(known, request, Folder(tmp_path / "one"), str)
    other = collect(scrambled, request, Folder(tmp_path / "other"), str)
    assert [period.refit for period in one.schedule.periods] == [midnight(day) for day in (98, 103)]
    for night in range(4):  # up to that of the 101st day, which is the cutoff
        before, after = forecasts_of(one, night), forecasts_of(other, night)
        for name, values in before.items():
            np.testing.assert_array_equal(values, after[name], err_msg=f"{name} of night {night}")
    assert without_seconds(one.made[0]) == without_seconds(other.made[0])
    # The check can fail: the next night sees what was scrambled, and so does the next refit.
    assert (one.tallies["all"].expected[4] != other.tallies["all"].expected[4]).any()
    assert without_seconds(one.made[1]) != without_seconds(other.made[1])


def of_one_target(known: Known) -> Known:
    model = known.config.model.model_copy(update={"rounds": 20})
    targets = {"all": known.config.targets["all"]}
    config = known.config.model_copy(update={"model": model, "targets": targets})
    return Known(config, known.city, known.info, known.arrivals)


def without_seconds(made: dict[str, Any]) -> dict[str, Any]:
    return {
        target: {name: value for name, value in record.items() if name != "seconds"}
        for target, record in made.items()
    }


def test_rivals_are_made_once_and_kept(
    config: Config, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cluster.lazy import LazyCluster

    known, refit = of_one_target(read_known(config)), midnight(100)
    with LazyCluster(config.cluster, tmp_path) as cluster:

        def made(root: Path) -> list[Any]:
            return make_rivals(known, parents(known.info.grid), refit, root, cluster)

        first = made(tmp_path / "models")
        monkeypatch.setattr("pipeline.learning.train.train", None)  # cannot be called
        again = made(tmp_path / "models")
    assert [each.target for each in again] == ["all"]
    assert [each.record for each in again] == json.loads(json.dumps([e.record for e in first]))
    assert tuple(again[0].forecasters)[-2:] == ("model", "issued")
    assert {"reference", "blend"} < set(again[0].forecasters)


def test_laws_and_what_is_held_to_them_are_of_the_same_districts(
    config: Config, patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Read once, as known at the first cutoff, whatever names incidents get later."""
    read, given = [], []

    def reading(table: str, grid: Any, known_at: Any) -> Any:
        read.append(known_at)
        return read_districts(table, grid, known_at)

    def making(known: Known, districts: Any, *rest: Any) -> list[Any]:
        given.append(districts)
        return cheap_rivals(known)

    patch.setattr("pipeline.backtest.recipe.read_districts", reading)
    patch.setattr("pipeline.backtest.recipe.make_rivals", making)
    backtest = collect(read_known(config), MARCH, Folder(tmp_path), str)
    assert read == [midnight(60)]
    assert len(given) == 2
    assert all(each is backtest.districts for each in given)


def test_silver_is_made_where_there_is_none(
    tmp_path: Path, client: Client, patch: pytest.MonkeyPatch
) -> None:
    from cities import Small, small_config

    cluster = {"kind": "address", "address": client.scheduler.address}
    config = small_config(tmp_path, Small().rows(), cluster=cluster)
    summary, said = run(config, tmp_path / "out")
    assert said[0] == "nothing is ingested yet: silver is made first"
    assert len(summary["nights"]) == 19
    assert not (tmp_path / "store" / "runs").exists()


def test_a_store_without_enough_history_says_so(config: Config, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="a baseline needs 200 of 28"):
        run(config, tmp_path, Request(date(2024, 1, 12), date(2024, 1, 20)))


def test_beside_a_nightly_run_a_backtest_goes_on(
    config: Config, patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It takes no lock of the store, and writes nothing of it but below backtests."""
    from pipeline.store import Store

    root = Path(config.output.path)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    with Store(str(root)).locked():
        summary = run_backtest(config, MARCH, default_folder(config, MARCH), NOW, str)
    assert len(summary["nights"]) == 19
    assert (root / "backtests" / "2024-03-01_2024-03-19" / "backtest.json").exists()
    after = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    new = {path for path in after if after[path] != before.get(path)}
    assert all(path.is_relative_to(root / "backtests") or path.suffix == ".lock" for path in new)
    outcome = run_night(config, NOW, midnight(131), until="ingest")
    assert outcome.manifest["ingest"]["rows_in"] == 0


def test_two_backtests_do_not_write_one_folder(
    config: Config, patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Folder(tmp_path).locked(), pytest.raises(BusyError, match="another backtest writes"):
        run(config, tmp_path)


def test_a_folder_of_somebody_else_is_left_alone(config: Config, tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(ConfigError, match=r"holds thesis\.doc, which is none of ours"):
        run(config, tmp_path)
    assert (tmp_path / "thesis.doc").read_text() == "years of work"


def test_what_a_kill_left_of_the_first_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".plan.json.part").write_text("{")
    with Folder(tmp_path).locked():
        assert Folder(tmp_path).kept() is None


def test_units_with_other_rivals_are_not_mixed(
    config: Config, patch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run(config, tmp_path)
    next((tmp_path / "units").glob("*.npz")).unlink()

    def fewer(known: Known, *_: Any) -> list[Any]:
        every = cheap_rivals(known)
        return [
            replace(each, forecasters={n: f for n, f in each.forecasters.items() if n != "blend"})
            for each in every
        ]

    patch.setattr("pipeline.backtest.recipe.make_rivals", fewer)
    with pytest.raises(ConfigError, match="with other baselines than the rest"):
        run(config, tmp_path)
