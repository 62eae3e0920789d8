"""The quality of deliveries as it is shown."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import zarr
from cities import START, Small, midnight, small_config
from deliveries import BEGUN, DAY, LIMITS, ZONE, record

from grids.cube import hour_of
from grids.snapshots import BRANCH, open_repository
from pipeline.cubing import write_state
from pipeline.delay import DELAY_DAYS, DELAY_EDGES
from pipeline.errors import MissingInputError
from pipeline.quality.assess import judged
from pipeline.quality.history import save, save_refused
from pipeline.quality.look import look, look_lines
from pipeline.quality.record import Share
from pipeline.quality.report import city_delay, quality_lines, trend_lines
from pipeline.quality.tally import DELAY_HOURS
from pipeline.state import StateSpec, empty_state
from pipeline.store import Store


def test_a_delivery_in_lines() -> None:
    found = record(200, reasons={"no coordinates": 30, "outside the boundary": 20})
    found = found.model_copy(
        update={
            "defaults": {"midnight": Share(share=0.125, even=0.02)},
            "windows": {"given": 0.5, "over_a_day": 0.25},
            "delay": {"1": 0.1, "6": 0.3, "24": 0.6, "72": 0.7, "168": 0.8, "336": 0.9, "720": 1.0},
        }
    )
    city = dict.fromkeys(found.delay, 0.456)
    text = "\n".join(quality_lines(judged(found, [], LIMITS), city))
    assert "200 new incidents, 13.0% of 250 new rows cannot be used, 12.0% have no place" in text
    assert "12.5%  at 00:00 (evenly: 2.0%)" in text
    assert "25.0%  in windows of over a day" in text
    assert "delivery        10.0%   30.0%   60.0%   70.0%   80.0%   90.0%  100.0%" in text
    assert text.count("45.6%") == 7
    assert "warning: 12.0% of 250 new rows have no place" in text


def test_what_lies_outside_and_what_was_left_out_are_shown() -> None:
    found = record(200, reasons={"outside the boundary": 50})
    found = found.model_copy(update={"deleted": 12, "live": 3456})
    first, second, *_ = quality_lines(found)
    assert first.endswith("0.0% have no place, 20.0% lie outside")
    assert second.split() == "12 of 3,456 incidents are left out by the snapshot".split()


def test_lines_come_from_plain_values_too() -> None:
    found = record(10)
    plain = json.loads(found.model_dump_json())
    assert list(quality_lines(plain)) == list(quality_lines(found))
    assert len(list(quality_lines(record(0)))) == 1


def test_the_trend_is_a_line_a_delivery() -> None:
    first, second = record(40_000, BEGUN, None), record(190)
    marked = second.model_copy(update={"warnings": ("a", "b"), "accepted": {"news": 1.0}})
    title, *lines = trend_lines([first, marked], ZONE)
    assert len(lines) == 2
    assert lines[0].split()[:5] == ["2023-01-02", "00:00", "first", "40,000", "40,000"]
    assert lines[1].endswith("2 warnings, accepted")
    assert title.index("rows") + 4 == lines[0].index("40,000") + 6


def test_the_citys_delays_are_the_estimate_of_the_state() -> None:
    table = np.zeros((DELAY_DAYS, len(DELAY_EDGES) + 1), np.int64)
    as_of = BEGUN + timedelta(days=300)
    table[:, 0], table[:, 8] = 30, 70  # within the hour, and between 18 and 24 hours
    table[:, -1] = 5  # later than ever counts
    found = city_delay(table, as_of)
    assert found["1"] == pytest.approx(0.3)
    assert found["6"] == pytest.approx(0.3)
    assert found["24"] == found["720"] == 1


def test_a_look_at_a_store(tmp_path: Path) -> None:
    config = small_config(tmp_path, Small(days=5).rows())
    with pytest.raises(MissingInputError, match="run hexcast nightly"):
        look(config)
    root = config.output.path
    for night in range(20):
        at = midnight(night)
        found = record(190, at, at - DAY if night else None, seed=night)
        save(root, found.model_copy(update={"warnings": (f"night {night}",)}))
    found = look(config)
    assert json.loads(json.dumps(found)) == found
    assert len(found["deliveries"]) == 14
    assert found["city_delay"] is None
    lines = list(look_lines(config, found))
    assert lines[0] == "2024-01-20 00:00 MST: news.csv"
    assert "warning: night 19" in lines
    assert "warning: night 18" not in lines
    save_refused(root, record(19, midnight(20)).model_copy(update={"errors": ("too few",)}))
    lines = list(look_lines(config, look(config)))
    assert "refused: too few" in lines
    assert lines[-1].endswith("refused")
    assert not (Path(root) / "cube").exists()  # a look leaves nothing behind


def test_a_look_shows_the_citys_delays_once_there_is_a_state(tmp_path: Path) -> None:
    config = small_config(tmp_path, Small(days=5).rows())
    store = Store(config.output.path)
    save(store.root, record(190))
    repository = open_repository(store.cube)
    assert look(config)["city_delay"] is None
    session = repository.writable_session(BRANCH)
    zarr.open_group(session.store, mode="w")
    spec = StateSpec(cells=2, categories=1, start=hour_of(START), zone=ZONE)
    write_state(session.store, empty_state(spec))
    session.commit("a state")
    found = look(config)["city_delay"]
    assert found == dict.fromkeys(map(str, DELAY_HOURS), 1.0)  # nothing known, nothing late
