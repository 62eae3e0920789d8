"""The demo city's reports: what becomes known of the incidents, and when."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from village import (
    CITY,
    the_incidents,  # noqa: F401 -- a fixture
    the_versions,  # noqa: F401 -- a fixture
)

from grids.hours import hours_to_times, times_to_hours
from pipeline.demo.simulate import Incidents


def test_last_versions_tell_the_true_incidents(
    incidents: Incidents, versions: pd.DataFrame
) -> None:
    last = versions.drop_duplicates("report_no", keep="last")
    real = last[last["incident"] >= 0].sort_values("incident")
    np.testing.assert_array_equal(real["incident"], np.arange(len(incidents)))
    np.testing.assert_array_equal(real["cell"], incidents.cell)
    np.testing.assert_array_equal(real["category"], incidents.category)
    moved = incidents.hour - times_to_hours(real["occurred_at"])
    local = hours_to_times(incidents.hour[moved != 0]).tz_convert(CITY.timezone)
    assert set(moved) == {0, 1}
    assert {(at.month, at.day, at.hour) for at in local} == {(11, 3, 1)}  # its second pass


def test_every_version_lies_in_its_cell(versions: pd.DataFrame) -> None:
    located = CITY.grid.locate(versions["latitude"], versions["longitude"])
    np.testing.assert_array_equal(located, versions["cell"])


def test_versions_are_known_in_order_and_never_too_early(versions: pd.DataFrame) -> None:
    first, later = versions[versions["version"] == 1], versions[versions["version"] == 2]
    assert first["updated_at"].isna().all()
    expected = np.maximum(first["occurred_at"], first["reported_at"])
    assert (first["known_at"] == expected).all()
    assert (later["known_at"] == later["updated_at"]).all()
    before = first.set_index("report_no")["known_at"].reindex(later["report_no"])
    assert (later["known_at"].to_numpy() > before.to_numpy()).all()


def test_shares_of_revisions_retractions_and_windows(
    incidents: Incidents, versions: pd.DataFrame
) -> None:
    last = versions.drop_duplicates("report_no", keep="last")
    false = last["incident"] < 0
    assert (last.loc[false, "status"] == "UNFOUNDED").all()
    assert (last.loc[~false, "status"] == "ACTIVE").all()
    assert false.sum() == round(0.015 * len(incidents))
    assert (last.loc[~false, "version"] == 2).mean() == pytest.approx(0.03, abs=0.006)
    pairs = versions[versions["report_no"].duplicated(keep=False) & (versions["incident"] >= 0)]
    by_report = pairs.groupby("report_no")[["category", "cell"]]
    changed = by_report.first() != by_report.last()
    assert changed["category"].mean() == pytest.approx(0.5, abs=0.15)
    assert not changed.all(axis=1).any()
    thefts = last[last["category"] == CITY.categories.index("THEFT")]
    assert thefts["occurred_until"].notna().mean() == pytest.approx(0.4, abs=0.05)
    window = last.dropna(subset="occurred_until")
    assert (window["occurred_until"] <= window["reported_at"]).mean() > 0.999  # but in autumn
