"""What a task counts is what the scores say of the same forecasts, kept in full."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from cities import midnight
from distributed import Client
from past import LAWS, blend, known_of, reference, rivals_of, wavy

from forecasts import scores
from forecasts.calibration import deciles
from forecasts.coverage import coverages
from forecasts.ranking import hottest
from forecasts.sums import shifts, sums_of
from pipeline.backtest.rivals import Rivals
from pipeline.backtest.scoring import of_first_day
from pipeline.backtest.tallies import (
    CURVE_SHARES,
    LOWEST_RATE,
    Tallies,
    Unit,
    from_bytes,
    join,
    to_bytes,
)
from pipeline.backtest.work import tally_block
from pipeline.districts import Districts
from pipeline.known import Known
from pipeline.replay import Block, counts_of, cut_blocks, nights_of

NIGHTS = [midnight(day) for day in range(65, 72)]  # the clocks go forward on day 69
ALL = (0, 1, 2)


@dataclass(frozen=True)
class Worked:
    """A chunk as tallied, and the same forecasts as they are: (cell, hour) of every night."""

    known: Known
    block: Block
    districts: Districts
    unit: Unit
    counts: list[np.ndarray]
    expected: dict[str, list[np.ndarray]]

    def whole(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        return np.concatenate(self.expected[name], axis=1), np.concatenate(self.counts, axis=1)

    def place(self, name: str) -> int:
        return self.unit.rivals.index(name)

    @property
    def tallies(self) -> Tallies:
        return self.unit.targets["all"]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Known:
    return known_of(tmp_path_factory.mktemp("city"), client)


@pytest.fixture(scope="module")
def worked(known: Known) -> Worked:
    (block,) = cut_blocks(known.city, known.arrivals, NIGHTS, 7)
    of_cell = np.arange(known.city.spec.cells) % 3
    districts = Districts(("a", "b", "c"), of_cell, True)
    rivals = [rivals_of("all"), rivals_of("violent")]
    members = {"all": ALL, "violent": (0,)}
    unit = tally_block(known.city, block, rivals, members, districts)
    nights = list(nights_of(known.city, block, ALL))
    expected = {name: [make(n) for n in nights] for name, make in rivals[0].forecasters.items()}
    counts = [counts_of(night, block.labels) for night in nights]
    return Worked(known, block, districts, unit, counts, expected)


RIVALS = ["reference", "blend", "model", "issued"]


@pytest.mark.parametrize("name", RIVALS)
def test_sums_are_the_scores(worked: Worked, name: str) -> None:
    expected, counts = worked.whole(name)
    tallies, place = worked.tallies, worked.place(name)
    log_score = scores.poisson_log_score(expected, counts)
    assert tallies.log_score[:, place].sum() == pytest.approx(log_score, rel=1e-12)
    assert tallies.cell_log_score[0, place].sum() == pytest.approx(log_score, rel=1e-6)
    assert tallies.expected[:, place].sum() == pytest.approx(expected.sum(), rel=1e-12)
    assert tallies.incidents.sum() == counts.sum()
    assert tallies.cell_hours.sum() == counts.size
    ahead = scores.divergence(expected, worked.whole("reference")[0])
    assert tallies.divergence[:, place].sum() == pytest.approx(ahead, rel=1e-12)
    brier = scores.brier(LAWS.cell_hour.probability(expected), counts)
    found = tallies.squared_error[:, place].sum() / counts.size
    assert found == pytest.approx(brier, rel=1e-12)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 1.0])
def test_hits_are_hit_rate_and_pei(worked: Worked, share: float) -> None:
    expected, counts = worked.whole("model")
    at = CURVE_SHARES.index(share)
    hits = worked.tallies.hits[:, worked.place("model"), :, at].sum(axis=0)
    most = worked.tallies.most[:, :, at].sum(axis=0)
    assert hits[0] / counts.sum() == pytest.approx(scores.hit_rate(expected, counts, share))
    assert hits[0] / most[0] == pytest.approx(scores.pei(expected, counts, share))
    by_night = [m.sum(axis=1) for m in worked.expected["model"]]
    of_night = np.stack(by_night, axis=1), np.stack([n.sum(axis=1) for n in worked.counts], axis=1)
    assert hits[1] == of_night[1][hottest(of_night[0], share)].sum()
    assert hits[1] / most[1] == pytest.approx(scores.pei(*of_night, share))


@pytest.mark.parametrize("name", RIVALS)
def test_bins_a_hundredth_wide_are_near_the_exact_ranking(worked: Worked, name: str) -> None:
    expected, counts = worked.whole(name)
    hits, misses = worked.tallies.bins[:, worked.place(name)].sum(axis=0)
    assert scores.auc_of_bins(hits, misses) == pytest.approx(scores.auc(expected, counts), abs=1e-3)
    exact = scores.average_precision(expected, counts)
    assert scores.average_precision_of_bins(hits, misses) == pytest.approx(exact, rel=0.02)


def test_pairs_within_cells_are_the_score_of_the_chunk(worked: Worked) -> None:
    for name in ("blend", "model"):
        found = worked.tallies.within_right[0, worked.place(name)] / worked.tallies.within_pairs[0]
        exact = scores.auc_within_cells(*worked.whole(name))
        assert found == pytest.approx(exact, rel=1e-12)
        assert abs(exact - 0.5) > 0.01


def test_groups_hold_what_is_theirs(worked: Worked) -> None:
    tallies, place = worked.tallies, worked.place("model")
    for at, (expected, counts) in enumerate(
        zip(worked.expected["model"], worked.counts, strict=True)
    ):
        decile = deciles(expected)
        for bin_ in range(10):
            chosen = decile == bin_
            found = tallies.decile_expected[at, place, bin_]
            assert found == pytest.approx(expected[chosen].sum())
            assert tallies.decile_observed[at, place, bin_] == counts[chosen].sum()
        for district in range(3):
            rows = worked.districts.of_cell == district
            found = tallies.district_expected[at, place, district]
            assert found == pytest.approx(expected[rows].sum())
            assert tallies.district_observed[at, district] == counts[rows].sum()


def test_intervals_are_held_to_sums(worked: Worked) -> None:
    hours = [night.of_week for night in nights_of(worked.known.city, worked.block, ALL)]
    found = np.zeros((2, 3), int)
    for expected, counts, of_week in zip(
        worked.expected["issued"], worked.counts, hours, strict=True
    ):
        sums = sums_of(expected, counts, worked.districts.of_cell, shifts(of_week))
        for scope, held in enumerate(coverages(LAWS, sums).values()):
            found[scope] += [held.below, held.inside, held.above]
    np.testing.assert_array_equal(worked.tallies.covered.sum(axis=0), found)
    assert found.sum() > 100
    assert found[:, 0].sum() > 0


def test_hours_of_the_day_are_the_citys(worked: Worked) -> None:
    hour = worked.tallies.hour_of_day
    assert hour.shape == (7, 25)
    short = [2 not in night for night in hour.tolist()]
    assert short == [day == 69 for day in range(65, 72)]
    assert (hour[0] == [*range(24), -1]).all()
    assert (worked.tallies.log_score[short, :, 23:] == 0).all()
    assert (worked.tallies.log_score[0, :, :24] < 0).all()


def test_every_target_counts_its_own_from_one_replay(worked: Worked) -> None:
    violent = worked.unit.targets["violent"]
    night = next(nights_of(worked.known.city, worked.block, (0,)))
    counts = counts_of(night, worked.block.labels)
    assert violent.incidents[0].sum() == counts.sum() > 0
    model = worked.unit.rivals.index("model")
    assert violent.expected[0, model].sum() == pytest.approx(wavy(night).sum())


def test_a_unit_comes_back_as_it_was_and_is_small(worked: Worked) -> None:
    content = to_bytes(worked.unit)
    again = from_bytes(content, ["all", "violent"])
    assert again.rivals == worked.unit.rivals
    assert again.seconds == worked.unit.seconds
    for target, tallies in worked.unit.targets.items():
        for name, values in tallies.arrays().items():
            held = again.targets[target].arrays()[name]
            exact = name != "cell_log_score"
            np.testing.assert_allclose(held, values, rtol=0 if exact else 1e-6)
            assert held.dtype.kind == values.dtype.kind
    assert len(content) < 200_000


def test_joined_chunks_are_the_nights_in_order(worked: Worked) -> None:
    city, arrivals = worked.known.city, worked.known.arrivals
    parts = [
        tally_block(city, block, [rivals_of("all")], {"all": ALL}, worked.districts)
        for block in cut_blocks(city, arrivals, NIGHTS, 3)
    ]
    joined = join([part.targets["all"] for part in parts])
    assert joined.within_pairs.shape == (3,)
    for name in ("nights", "incidents", "hits", "bins", "district_observed", "most"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(worked.tallies, name))
    np.testing.assert_allclose(joined.log_score, worked.tallies.log_score, rtol=1e-9)


def of_one(worked: Worked, forecaster: Any) -> Tallies:
    rivals = Rivals("all", {"reference": forecaster})
    city = worked.known.city
    unit = tally_block(city, worked.block, [rivals], {"all": ALL}, worked.districts)
    return unit.targets["all"]


def test_a_perfect_forecaster_has_the_most_there_is(worked: Worked) -> None:
    labels = worked.block.labels
    found = of_one(worked, lambda night: counts_of(night, labels).astype(float))
    np.testing.assert_array_equal(found.hits[:, 0], found.most)
    hits, misses = found.bins[:, 0].sum(axis=0)
    assert scores.auc_of_bins(hits, misses) == 1
    assert scores.average_precision_of_bins(hits, misses) == 1
    assert found.within_right[0, 0] == found.within_pairs[0] > 0
    np.testing.assert_array_equal(found.expected[:, 0], found.incidents)
    np.testing.assert_array_equal(found.decile_expected, found.decile_observed)


def test_a_uniform_forecaster_knows_nothing(worked: Worked) -> None:
    found = of_one(worked, lambda night: np.full_like(night.reference, 0.01))
    hits, misses = found.bins[:, 0].sum(axis=0)
    assert scores.auc_of_bins(hits, misses) == 0.5
    assert scores.average_precision_of_bins(hits, misses) == pytest.approx(
        hits.sum() / (hits + misses).sum()
    )
    assert found.within_right[0, 0] == found.within_pairs[0] / 2
    counts = worked.whole("blend")[1]
    assert found.log_score.sum() == pytest.approx(
        scores.poisson_log_score(np.full(counts.shape, 0.01), counts)
    )
    assert (found.covered == 0).all()  # there is no law
    # Equal rates are one bin, whichever of the deciles it is.
    assert ((found.decile_expected > 0).sum(axis=2) == 1).all()


def test_rates_beyond_the_bins_are_in_the_outermost(worked: Worked) -> None:
    found = of_one(worked, lambda night: np.full_like(night.reference, LOWEST_RATE / 10))
    assert found.bins[:, 0, :, 1:].sum() == 0
    found = of_one(worked, lambda night: np.full_like(night.reference, 50.0))
    assert found.bins[:, 0, :, :-1].sum() == 0


def test_what_is_no_forecast_is_refused(worked: Worked) -> None:
    with pytest.raises(ValueError, match="negative or not finite"):
        of_one(worked, lambda night: night.reference - 1)


def test_what_is_issued_is_not_made_twice(worked: Worked) -> None:
    made = []

    def once(night: Any) -> np.ndarray:
        made.append(night.state.as_of)
        return night.blend

    rivals = replace(rivals_of("all"), forecasters={"reference": once, "issued": once})
    city = worked.known.city
    unit = tally_block(city, worked.block, [rivals], {"all": ALL}, worked.districts)
    assert made == NIGHTS
    found = unit.targets["all"].log_score
    np.testing.assert_array_equal(found[:, 0], found[:, 1])


def test_an_hour_of_overlapping_horizons_is_counted_once(worked: Worked) -> None:
    """Two days ahead every night: deciles, districts and coverage are of the first day."""
    rivals = Rivals("all", {"reference": reference, "blend": blend, "issued": blend}, LAWS)
    both = []
    for days in (1, 2):
        city = replace(worked.known.city, horizon_days=days)
        (block,) = cut_blocks(city, worked.known.arrivals, NIGHTS, 7)
        unit = tally_block(city, block, [rivals], {"all": ALL}, worked.districts)
        both.append(unit.targets["all"])
    one, two = both
    assert two.first_day.tolist() == one.first_day.tolist() == [24] * 4 + [23] + [24] * 2
    assert two.cell_hours.sum() > 1.9 * one.cell_hours.sum()
    for name in ("decile_expected", "decile_observed", "district_expected", "district_observed"):
        found = getattr(two, name)
        np.testing.assert_allclose(found, getattr(one, name), rtol=1e-9, err_msg=name)
    np.testing.assert_array_equal(two.covered, one.covered)
    for name in ("incidents", "expected"):
        first = of_first_day(two, getattr(two, name)).sum(axis=-1)
        np.testing.assert_allclose(first, getattr(one, name).sum(axis=-1), rtol=1e-9)
        assert getattr(two, name).sum() > 1.8 * first.sum()
