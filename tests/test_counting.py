import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from forecasts.counting import POISSON, CountLaw, CountLaws, fit_law, fit_laws
from forecasts.sums import joined, sums_of

MEANS = np.array([1e-6, 0.003, 0.1, 0.2, 0.5, 1, 2, 3.3, 8, 30, 200])
LAWS = [POISSON, CountLaw(0.3, 0), CountLaw(0.1, 0.05), CountLaw(1e-6, 0), CountLaw(0, 0.2)]


def scipys(law: CountLaw, mean: float):
    excess = law.clumping + law.shared * mean
    return stats.nbinom(mean / excess, 1 / (1 + excess)) if excess else stats.poisson(mean)


def variance(law: CountLaw, mean: float) -> float:
    return float(scipys(law, mean).var())


@pytest.mark.parametrize("law", LAWS)
def test_probabilities_are_scipys(law):
    for mean in MEANS:
        counts = np.arange(60)
        theirs = scipys(law, mean)
        ours = law.log_probability(mean, counts)
        np.testing.assert_allclose(ours, theirs.logpmf(counts), rtol=1e-7, atol=1e-7)
        assert law.probability(mean) == pytest.approx(float(theirs.sf(0)), rel=1e-8)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_intervals_are_the_likeliest_counts_nearest_to_the_level(law, level):
    low, high = law.interval(MEANS, level)
    for mean, first, last in zip(MEANS, low, high, strict=True):
        chances = scipys(law, mean).pmf(np.arange(2000))
        likeliest = np.argsort(-chances, kind="stable")
        covered = np.cumsum(chances[likeliest])
        chosen = np.sort(likeliest[: np.argmin(np.abs(covered - level)) + 1])
        assert chosen.tolist() == list(range(int(first), int(last) + 1))


def test_intervals_by_hand():
    # Poisson of 1: P(0..2) = 0.920 and P(0..1) = 0.736; of 2: P(0..3) = 0.857, P(0..4) = 0.947.
    low, high = POISSON.interval([[0.003, 1.0], [2.0, 0.0]])
    assert low.tolist() == [[0, 0], [0, 0]]
    assert high.tolist() == [[0, 2], [3, 0]]


@given(
    mean=st.floats(0, 3000), clumping=st.floats(0, 3), shared=st.floats(0, 1),
    level=st.floats(0.5, 0.99),
)  # fmt: skip
def test_an_interval_is_whole_and_holds_the_likeliest_count(mean, clumping, shared, level):
    law = CountLaw(clumping, shared)
    low, high = (int(end) for end in law.interval(mean, level))
    assert 0 <= low <= high
    inside = law.log_probability(mean, np.arange(low, high + 1))
    outside = law.log_probability(mean, [max(low - 1, 0), high + 1])
    assert inside.max() >= outside.max() - 1e-9


def test_a_tiny_rate_keeps_its_probability():
    assert POISSON.probability(1e-18) == 1e-18
    assert CountLaw(0.5, 0.1).probability(1e-18) == pytest.approx(1e-18 * math.log(1.5) / 0.5)


def test_clumping_makes_an_incident_less_likely_and_keeps_the_mean():
    law = CountLaw(0.4, 0.0)
    assert law.probability(0.5) < POISSON.probability(0.5)
    counts = np.arange(200)
    assert (counts * np.exp(law.log_probability(0.5, counts))).sum() == pytest.approx(0.5)


def test_what_is_clumped_alike_adds_up():
    law, counts = CountLaw(0.4, 0.0), np.arange(40)
    one, two = (np.exp(law.log_probability(mean, counts)) for mean in (0.7, 1.8))
    both = np.exp(law.log_probability(2.5, counts))
    np.testing.assert_allclose(np.convolve(one, two)[:40], both, atol=1e-12)


def test_what_had_no_chance():
    law = CountLaw(0.2, 0.1)
    assert law.log_probability([0.0, 0.0], [0, 1]).tolist() == [0.0, -math.inf]
    assert law.log_probability(5e-324, 0) == pytest.approx(0)
    assert -800 < law.log_probability(5e-324, 1) < -700


def drawn(rng, means, clumping, shared):
    busy = rng.gamma(1 / shared, shared, len(means)) if shared else np.ones(len(means))
    return rng.negative_binomial(means * busy / clumping, 1 / (1 + clumping))


def test_the_fit_finds_what_was_drawn():
    rng = np.random.default_rng(5)
    means = np.exp(rng.uniform(-1, 4, 20_000))
    law = fit_law(means, drawn(rng, means, 0.5, 0.04))
    assert law.clumping == pytest.approx(0.5, rel=0.1)
    assert law.shared == pytest.approx(0.04, rel=0.15)


def test_counts_that_are_alike_can_be_told_once():
    rng = np.random.default_rng(6)
    means = rng.choice([0.01, 0.3], 100_000)
    counts = drawn(rng, means, 0.3, 0)
    pairs, number = np.unique(np.stack([means, counts]), axis=1, return_counts=True)
    told_once, all_told = fit_law(pairs[0], pairs[1], number), fit_law(means, counts)
    assert variance(told_once, 0.3) == pytest.approx(variance(all_told, 0.3), rel=1e-3)
    assert variance(told_once, 0.3) == pytest.approx(0.3 * 1.3, rel=0.03)


def test_each_kind_of_sum_gets_its_own_law():
    # Cell-hours are clumped, and districts are busy for a whole shift.
    rng = np.random.default_rng(8)
    district, shift = np.repeat(np.arange(4), 50), np.repeat(np.arange(3), 8)
    nights = []
    for _ in range(60):
        expected = rng.gamma(0.5, 0.04, (200, 24))
        busy = rng.gamma(1 / 0.2, 0.2, (4, 3))[district][:, shift]
        counts = rng.negative_binomial(expected * busy / 0.5, 1 / 1.5)
        nights.append(sums_of(expected, counts, district, shift))
    laws = fit_laws(joined(nights))
    assert variance(laws.cell_hour, 0.1) == pytest.approx(0.1 * 1.5 + 0.2 * 0.1**2, rel=0.1)
    mean = 50 * 8 * 0.02
    wanted = mean * 1.5 + 0.2 * mean**2
    assert variance(laws.district_shift, mean) == pytest.approx(wanted, rel=0.2)
    # Four districts go their own ways: of a city's hour they share a quarter of it.
    mean = 200 * 0.02
    assert variance(laws.city_hour, mean) == pytest.approx(mean * 1.5 + 0.05 * mean**2, rel=0.15)


def test_what_was_given_no_chance_leaves_the_fit_alone():
    rng = np.random.default_rng(9)
    means = np.full(3000, 3.0)
    counts = drawn(rng, means, 0.5, 0)
    with_one = fit_law(np.append(means, 0.0), np.append(counts, 1))
    assert with_one == fit_law(means, counts)


def test_two_incidents_that_met_are_no_law_yet():
    # Likeliest by itself would be a clumping of 1.
    means, counts = np.full(40, 0.01), np.append(np.zeros(39), 2)
    law = fit_law(means, counts)
    assert 0 < law.clumping + law.shared < 0.7


def test_poisson_counts_and_none_at_all_are_poissons():
    rng = np.random.default_rng(7)
    means = np.full(5000, 4.0)
    law = fit_law(means, rng.poisson(means))
    assert variance(law, 4.0) < 4.0 * 1.05
    assert fit_law(means, np.zeros(5000)) == POISSON


def test_a_fit_that_fails_is_poissons_law_and_says_so(monkeypatch):
    from scipy import optimize

    minimize, means = optimize.minimize, np.full(300, 3.0)
    counts = drawn(np.random.default_rng(10), means, 0.5, 0)

    def hasty(*arguments, options, **named):
        return minimize(*arguments, options=options | {"maxiter": 3}, **named)

    assert fit_law(means, counts).note == ""
    monkeypatch.setattr(optimize, "minimize", hasty)
    law = fit_law(means, counts)
    assert (law.clumping, law.shared) == (0, 0)
    assert "the fit failed (Maximum number of iterations" in law.note
    record = json.loads(json.dumps(CountLaws(city_hour=law).to_dict()))
    assert record["city_hour"]["note"] == law.note
    assert CountLaws.from_dict(record).city_hour == law
    assert law.interval(8.0) == POISSON.interval(8.0)


def test_a_law_goes_through_its_record():
    law = CountLaw(0.25, 0.0125)
    assert law.to_dict() == {"clumping": 0.25, "shared": 0.0125}
    assert CountLaw.from_dict(law.to_dict()) == law
    laws = CountLaws(city_hour=law)
    assert CountLaws.from_dict(json.loads(json.dumps(laws.to_dict()))) == laws


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf])
def test_what_cannot_be_is_refused(bad):
    with pytest.raises(ValueError, match=r"shared is .*: an over-dispersion is 0 or more"):
        CountLaw(0.1, bad)
    with pytest.raises(ValueError, match=r"1 expected counts are negative or not finite"):
        POISSON.interval([1.0, bad])
    with pytest.raises(ValueError, match=r"level 1\.5"):
        POISSON.interval([1.0], 1.5)
    with pytest.raises(ValueError, match="give pairs"):
        fit_law([1.0, 2.0], [1])
