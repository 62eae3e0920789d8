"""When things happened: formats, report times, beginnings and ends, found and tried."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from drafting import init, plain_rows
from dressed_keys import month_first
from init_cities import CLOCK_12, incidents, text, write


def test_a_feed_that_ended_is_tried_as_of_its_end(tmp_path: Path) -> None:
    result, _ = init(month_first(tmp_path).path, tmp_path)
    assert result.as_of == "2023-06-01T06:00-06:00"
    assert result.lines[-1].endswith("city.yaml --as-of 2023-06-01T06:00-06:00")
    assert "--as-of 2023-06-01T06:00-06:00" in result.path.read_text().split("name:")[0]


def test_a_live_feed_is_tried_as_it_is_and_lags_as_it_does(tmp_path: Path) -> None:
    now = datetime(2023, 6, 8, 12, tzinfo=UTC)  # the last full day is May 31
    result, found = init(month_first(tmp_path).path, tmp_path, now=now)
    assert result.as_of is None
    assert found["source"]["delivery_lag_days"] == 7
    assert "--as-of" not in result.lines[-1]


def test_stray_early_rows_are_not_the_start(tmp_path: Path) -> None:
    rows = plain_rows()
    rows.loc[rows.index[:4], "occurred"] = ["1900-01-01 00:00", "1970-01-01 00:00"] * 2
    rows.loc[5, "occurred"] = "2099-01-01 00:00"
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert str(found["source"]["start"]) == "2023-01-01"
    assert result.as_of == "2023-06-01T06:00-06:00"


def test_an_open_order_of_days_and_months_is_settled_and_doubted(tmp_path: Path) -> None:
    r = incidents()
    r = r[r["occurred"].dt.day <= 12]
    rows = plain_rows().loc[r.index].drop(columns="reported")
    rows["occurred"] = text(r["occurred"], "%d/%m/%Y %H:%M")
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert found["source"]["date_formats"] == ["%m/%d/%Y %H:%M"]  # as is usual in Denver
    assert any("no day above 12" in doubt for doubt in result.doubts)


def test_mixed_orders_are_doubted(tmp_path: Path) -> None:
    r, rows = incidents(), plain_rows().drop(columns="reported")
    form = np.where(np.arange(len(r)) < 1800, "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M")
    rows["occurred"] = [at.strftime(f) for at, f in zip(r["occurred"], form, strict=True)]
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert found["source"]["date_formats"] == ["%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M"]
    assert any("month-first and day-first" in doubt for doubt in result.doubts)


def test_blank_report_times_cost_no_rows(tmp_path: Path) -> None:
    rows = plain_rows()
    rows.loc[::4, "reported"] = ""
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert "reported_at" not in found["source"]["columns"]
    assert "not used: reported: blank in 25% of the rows" in result.path.read_text()
    assert result.kept == 1


def test_milliseconds_since_1970(tmp_path: Path) -> None:
    rows, r = plain_rows(), incidents()
    for name in ("occurred", "reported"):
        local = r[name].dt.tz_localize(
            "America/Denver", ambiguous=True, nonexistent="shift_forward"
        )
        rows[name] = (local.astype("datetime64[s, UTC]").astype("int64") * 1000).astype("str")
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert found["source"]["date_formats"] == ["epoch_ms"]
    assert not result.doubts
    assert result.kept == 1


def test_the_second_clock_format_of_a_column_is_found(tmp_path: Path) -> None:
    rows, r = plain_rows(), incidents()
    rows.loc[2000:, "occurred"] = text(r["occurred"], CLOCK_12)[2000:]
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert found["source"]["date_formats"] == ["ISO8601", CLOCK_12]
    assert result.kept == 1
