"""From sums to scores."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from past import NIGHTS, RECORD, blend, few_nights, reference

from forecasts import scores
from forecasts.bootstrap import interval
from forecasts.calibration import deciles, number_test
from pipeline.backtest.held import Backtest
from pipeline.backtest.summary import best_baseline, by_hour, summarize
from pipeline.replay import counts_of, cut_blocks, nights_of

Arrays = tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]


@pytest.fixture(scope="module")
def exact(backtest: Backtest) -> Arrays:
    """Counts, the reference and the blend of target ``all``, (cell, hour) of every night."""
    known = backtest.known
    (block,) = cut_blocks(known.city, known.arrivals, NIGHTS)
    nights = list(nights_of(known.city, block, known.members["all"]))
    counts = [counts_of(night, block.labels) for night in nights]
    return counts, [reference(night) for night in nights], [blend(night) for night in nights]


def test_gains_and_their_intervals_are_those_of_the_forecasts(
    summary: dict[str, Any], exact: Arrays
) -> None:
    per_night = [
        [scores.poisson_log_score(m, n), scores.poisson_log_score(r, n), n.sum()]
        for n, r, m in zip(*exact, strict=True)
    ]
    sums = np.array(per_night)
    found = summary["targets"]["all"]["scores"]["blend"]["gain_over_reference"]
    whole = sums.sum(axis=0)
    assert found["value"] == pytest.approx(scores.information_gain(*whole))
    low, high = interval(sums, lambda s: (s[:, 0] - s[:, 1]) / s[:, 2])
    assert found["low"] == pytest.approx(low)
    assert found["high"] == pytest.approx(high)
    assert found["low"] < found["value"] < found["high"]


def test_scores_over_all_nights_are_those_of_the_forecasts(
    summary: dict[str, Any], exact: Arrays
) -> None:
    counts, _, expected = (np.concatenate(each, axis=1) for each in exact)
    found = summary["targets"]["all"]["scores"]["blend"]
    areas = found["areas"]["hour"]
    for name, share in (("5%", 0.05), ("20%", 0.2)):
        value = areas["hit_rate"][name]["value"]
        assert value == pytest.approx(scores.hit_rate(expected, counts, share))
        assert areas["pai"][name]["value"] == pytest.approx(scores.pai(expected, counts, share))
        assert areas["pei"][name]["value"] == pytest.approx(scores.pei(expected, counts, share))
    assert found["expected"] == pytest.approx(expected.sum())
    ratio = found["expected_over_observed"]
    assert ratio["value"] == pytest.approx(expected.sum() / counts.sum())
    assert ratio["low"] < ratio["value"] < ratio["high"]
    tests = number_test(expected.sum(), int(counts.sum()))
    assert tuple(found["csep_number_test"].values()) == pytest.approx(tests)
    assert found["auc"]["value"] == pytest.approx(scores.auc(expected, counts), abs=1e-3)
    precision = scores.average_precision(expected, counts)
    assert found["average_precision"]["value"] == pytest.approx(precision, rel=0.02)


def test_average_precision_is_held_to_the_references(summary: dict[str, Any]) -> None:
    found = summary["targets"]["all"]["scores"]
    own = found["reference"]["average_precision_over_reference"]
    assert (own["low"], own["value"], own["high"]) == (1, 1, 1)
    ratio = found["model"]["average_precision_over_reference"]["value"]
    values = (found[name]["average_precision"]["value"] for name in ("model", "reference"))
    assert ratio == pytest.approx(next(values) / next(values))


def test_the_best_baseline_is_a_baseline(backtest: Backtest, summary: dict[str, Any]) -> None:
    tallies = backtest.tallies["all"]
    assert best_baseline(backtest.rivals, tallies) == summary["targets"]["all"]["best_baseline"]
    better = tallies.log_score.copy()
    better[:, 2:] += 1e6  # the model and what is issued
    improved = replace(tallies, log_score=better)
    assert best_baseline(backtest.rivals, improved) in ("reference", "blend")
    better[:, 0] += 1e3
    assert best_baseline(backtest.rivals, improved) == "reference"
    own = summary["targets"]["all"]["scores"][summary["targets"]["all"]["best_baseline"]]
    assert own["gain_over_best_baseline"]["value"] == 0


def test_reliability_is_expected_over_observed_of_the_bins(
    summary: dict[str, Any], exact: Arrays
) -> None:
    found = summary["targets"]["all"]["reliability"]["blend"]
    counts, _, expected = exact
    in_hottest = [deciles(m) == 9 for m in expected]
    mass = sum(m[hot].sum() for m, hot in zip(expected, in_hottest, strict=True))
    held = sum(n[hot].sum() for n, hot in zip(counts, in_hottest, strict=True))
    table = found["decile"]
    assert (table["expected"][9], table["observed"][9]) == (pytest.approx(mass), held)
    assert table["ratio"][9] == pytest.approx(mass / held)
    night = sum(n[:, :6].sum() for at, n in enumerate(counts) if at != 9)  # the short night
    assert found["hour band"]["bins"] == ["00-06", "06-12", "12-18", "18-24"]
    assert found["hour band"]["observed"][0] == night + counts[9][:, :5].sum()
    incidents = summary["targets"]["all"]["incidents"]
    for each in found.values():
        assert sum(each["observed"]) == incidents
        assert len(each["is_off"]) == len(each["bins"])


def test_hours_are_moved_to_the_citys_clock(backtest: Backtest) -> None:
    tallies = backtest.tallies["all"]
    moved = by_hour(tallies, tallies.incidents)
    np.testing.assert_array_equal(moved[0], tallies.incidents[0, :24])
    assert moved[9, 2] == 0  # on the tenth of March there is no such hour
    np.testing.assert_array_equal(moved[9, 3:], tallies.incidents[9, 2:23])
    assert by_hour(tallies, tallies.expected).sum() == pytest.approx(tallies.expected.sum())


def test_gain_by_hour_adds_up_to_the_gain(summary: dict[str, Any], backtest: Backtest) -> None:
    found = summary["targets"]["all"]
    tallies = backtest.tallies["all"]
    by_lead = np.array(found["gain_by"]["model"]["lead"]["value"])
    whole = found["scores"]["model"]["gain_over_best_baseline"]["value"]
    weights = tallies.incidents.sum(axis=0)[: len(by_lead)]
    assert len(by_lead) == 24
    assert (by_lead * weights).sum() / weights.sum() == pytest.approx(whole)
    assert len(found["gain_by"]["model"]["hour_of_day"]["value"]) == 24


def test_coverage_is_told_by_scope(summary: dict[str, Any], backtest: Backtest) -> None:
    scores_of = summary["targets"]["all"]["scores"]
    assert [name for name in scores_of if "coverage" in scores_of[name]] == ["issued"]
    found = scores_of["issued"]["coverage"]
    assert list(found) == ["district x shift", "city x hour"]
    covered = backtest.tallies["all"].covered[:, 1].sum(axis=0)
    assert found["city x hour"]["sums"] == covered.sum()
    assert found["city x hour"]["share"]["value"] == pytest.approx(covered[1] / covered.sum())
    tallies = few_nights(backtest).tallies["all"]
    lawless = replace(tallies, covered=np.zeros_like(tallies.covered))
    without = summarize(replace(backtest, tallies={"all": lawless}))
    assert without["targets"]["all"]["scores"]["issued"]["coverage"] is None


def test_the_record_is_json_and_says_what_it_is_of(summary: dict[str, Any]) -> None:
    again = json.loads(json.dumps(summary, allow_nan=False))
    assert again["nights"] == [night.isoformat() for night in NIGHTS]
    assert again["refits"][0]["made"]["all"] == RECORD
    assert again["rivals"] == ["reference", "blend", "model", "issued"]
    assert again["has_intervals"] is True
    assert {"configuration", "known_until", "seconds", "versions", "cells"} <= set(again)


def test_the_ceiling_is_the_gain_that_a_true_forecast_would_have(
    summary: dict[str, Any], exact: Arrays
) -> None:
    """Counts drawn from the forecast itself gain it, on average over draws."""
    _, other, expected = (np.concatenate(each, axis=1) for each in exact)
    found = summary["targets"]["all"]["scores"]["blend"]
    rng, gains = np.random.default_rng(4), []
    for _ in range(200):
        counts = rng.poisson(expected)
        pair = (scores.poisson_log_score(each, counts) for each in (expected, other))
        gains.append(scores.information_gain(*pair, counts.sum()))
    assert found["ceiling"]["value"] == pytest.approx(
        np.mean(gains), abs=4 * np.std(gains) / 200**0.5
    )
    assert np.std(gains) / 200**0.5 < found["ceiling"]["value"] / 10
    over = found["gain_over_reference"]["value"]
    assert found["reached"]["value"] == pytest.approx(over / found["ceiling"]["value"])
    reference = summary["targets"]["all"]["scores"]["reference"]
    assert reference["ceiling"]["value"] == 0
    assert reference["reached"]["value"] is None


def test_a_model_that_is_too_sure_of_itself_does_not_reach_its_ceiling(
    summary: dict[str, Any],
) -> None:
    """The tests' model is a blend with waves that are not there."""
    found = summary["targets"]["all"]["scores"]["model"]
    assert found["ceiling"]["value"] > 0.1
    assert found["reached"]["high"] < 0.5


def test_all_bins_of_a_forecast_hold_together(summary: dict[str, Any]) -> None:
    tables = summary["targets"]["all"]["reliability"]["blend"]
    bins = sum(len(table["bins"]) for table in tables.values())
    assert bins > 10 + 4
    for table in tables.values():
        assert table["level"] == pytest.approx(1 - 0.01 / bins)


def test_pairs_within_cells_are_drawn_by_the_week(
    summary: dict[str, Any], backtest: Backtest
) -> None:
    """Also where a refit a night makes every chunk a single one."""
    tallies = backtest.tallies["all"]
    place = backtest.rivals.index("blend")
    pairs = np.zeros((21, 2))
    pairs[::7, 0], pairs[::7, 1] = tallies.within_right[:, place], tallies.within_pairs
    low, high = interval(pairs, lambda s: s[:, 0] / s[:, 1])
    found = summary["targets"]["all"]["scores"]["blend"]["auc_within_cells"]
    assert (found["low"], found["high"]) == (low, high)
    assert low < found["value"] < high
