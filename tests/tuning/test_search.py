"""The search: what is asked, what is given up, what is remembered, what is chosen."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.tuning.folds import Fold
from pipeline.tuning.growing import Grown
from pipeline.tuning.search import choose, search
from pipeline.tuning.trial import CUT, PRUNED, Trial, default_point, gain

FOLDS = (Fold(100, 100, 128), Fold(72, 72, 100))
ROUNDS = {"all": 12, "violent": 12}
Quality = Callable[[Mapping[str, Any]], float]
CITY = np.random.default_rng(1).normal(0, 3, (128,))  # what all forecasts have in common


def small_steps(parameters: Mapping[str, Any]) -> float:
    """Nats a night: small steps are better."""
    return -math.log(parameters["eta"] / 0.02)


def large_steps(parameters: Mapping[str, Any]) -> float:
    return -abs(math.log(parameters["eta"] / 0.1)) - abs(math.log(parameters["lambda"] / 10))


class City:
    """Stands in for boosters on a cluster: a score that follows from the parameters."""

    def __init__(self, quality: Quality = small_steps, fails_at: int = 10**9) -> None:
        self.quality, self.fails_at = quality, fails_at
        self.calls: list[tuple[Fold, list[int]]] = []
        self.is_cut = False

    def __call__(self, fold: Fold, trials: Sequence[Trial]) -> list[Mapping[str, Grown]]:
        if len(self.calls) == self.fails_at:
            raise KeyboardInterrupt
        self.calls.append((fold, [trial["number"] for trial in trials]))
        return [
            {
                target: self.grown(fold, trial, best)
                for target, best in (("all", 12), ("violent", 8))
            }
            for trial in trials
        ]

    def grown(self, fold: Fold, trial: Trial, best: int) -> Grown:
        rounds = np.arange(1, 21)[:, None]
        nights = CITY[fold.first : fold.last] + self.quality(trial["parameters"])
        scores = nights - 0.001 * np.abs(rounds - best)
        return Grown(scores, np.full(28, 5.0), 1.5, self.is_cut)


def new_record() -> dict[str, Any]:
    return {"trials": [], "defaults": {"rounds": ROUNDS}}


def searched(
    city: City, trials: int, record: dict[str, Any] | None = None, at_once: int = 2
) -> dict[str, Any]:
    record = record or new_record()
    search(record, FOLDS, city, at_once, time.time() + 3600, trials, lambda: None)
    return record


def test_the_defaults_come_first_and_are_held_to_themselves_as_they_are() -> None:
    first = searched(City(), 2)["trials"][0]
    assert first["parameters"] == default_point()
    assert first["rounds"] == {"all": 12, "violent": 8}
    # The better number of rounds of one target, 28 nights a fold, 10 incidents a night.
    assert first["gain"]["gain"] == pytest.approx(0.001 * 4 / 10)
    assert first["score"] == pytest.approx(sum(first["folds"]))


def test_a_search_finds_what_is_better() -> None:
    trials = searched(City(), 30)["trials"]
    found = choose(trials)
    assert found is not None
    assert found["parameters"]["eta"] < 0.024
    assert found["gain"]["low"] > 0


def test_the_defaults_stay_where_nothing_is_better() -> None:
    city = City(large_steps)
    record = new_record() | {"defaults": {"rounds": {"all": 12, "violent": 8}}}
    trials = searched(city, 8, record)["trials"]
    assert choose(trials) is None
    assert all(trial["gain"]["gain"] < 0 for trial in trials[1:] if "gain" in trial)


def test_the_defaults_stay_where_a_gain_may_be_chance() -> None:
    def gain_of(to_and_fro: float) -> Trial | None:
        class Weekly(City):
            def grown(self, fold: Fold, trial: Trial, best: int) -> Grown:
                plain = super().grown(fold, trial, best)
                week = np.arange(fold.first, fold.last) // 7 % 2 * 2 - 1
                ahead = (0.05 + to_and_fro * week) * (trial["number"] > 0)
                return Grown(plain.scores + ahead, plain.incidents, 1.0, False)

        return choose(searched(Weekly(lambda _: 0.0), 2)["trials"])

    assert gain_of(2.0) is None
    assert gain_of(0.0) is not None


def test_the_hopeless_are_not_taken_to_the_second_fold() -> None:
    city = City()
    trials = searched(city, 20)["trials"]
    pruned = {trial["number"] for trial in trials if trial["state"] == PRUNED}
    assert pruned
    assert 0 not in pruned
    assert {n for fold, numbers in city.calls if fold == FOLDS[0] for n in numbers} == set(
        range(20)
    )
    again = {n for fold, numbers in city.calls if fold == FOLDS[1] for n in numbers}
    assert again == set(range(20)) - pruned
    for trial in trials:
        assert len(trial["reported"]) == (1 if trial["number"] in pruned else 2)


def test_a_killed_search_goes_on_as_if_it_had_not_been() -> None:
    whole = searched(City(), 16)
    record, kept = new_record(), []

    def keep() -> None:
        kept[:] = [json.dumps(record)]

    with pytest.raises(KeyboardInterrupt):
        search(record, FOLDS, City(fails_at=9), 2, time.time() + 3600, 16, keep)
    left = json.loads(kept[0])
    assert 4 < len(left["trials"]) < 12
    assert searched(City(), 16, left) == whole


def test_another_seed_asks_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    one = searched(City(), 4)
    monkeypatch.setattr("pipeline.tuning.search.SEED", 1)
    assert searched(City(), 4)["trials"][1] != one["trials"][1]


def test_what_the_time_was_too_short_for_is_no_result() -> None:
    city = City()
    record = searched(city, 4)
    city.is_cut = True
    searched(city, 10, record)
    assert [trial["state"] == CUT for trial in record["trials"]] == [False] * 4 + [True] * 2
    assert all("score" not in trial for trial in record["trials"][4:])
    record["trials"] = record["trials"][:4]
    assert searched(City(), 10, record) == searched(City(), 10)


def test_without_the_defaults_there_is_nothing_to_compare_with() -> None:
    class Slow(City):
        def grown(self, fold: Fold, trial: Trial, best: int) -> Grown:
            return replace(super().grown(fold, trial, best), is_cut=trial["number"] == 0)

    record = searched(Slow(), 4)
    assert record["trials"] == []
    assert "by_night" not in record["defaults"]


def test_nights_without_incidents_gain_nothing() -> None:
    nothing = np.zeros(28)
    assert gain(np.ones(28), nothing, nothing) == {"gain": 0.0, "low": 0.0, "high": 0.0}


def test_no_trial_is_begun_when_the_time_is_over() -> None:
    record = new_record()
    search(record, FOLDS, City(), 2, time.time() - 1, 4, lambda: None)
    assert record["trials"] == []
