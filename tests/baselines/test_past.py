"""Past nights are the newest ones, as replayed, with what then happened."""

from __future__ import annotations

import numpy as np
from processes import ALL, CITY, Process, blocks_before, midnight, night_of, uneven

from pipeline.baselines.parts import Parts
from pipeline.baselines.past import evidence, past_nights
from pipeline.replay import counts_of, nights_of

ARRIVALS = Process(uneven(60), days=150).arrivals()


def test_the_newest_nights_over_several_blocks() -> None:
    blocks = blocks_before(ARRIVALS, 125, 100)
    assert len(blocks) == 2
    past = past_nights(CITY, blocks, ALL, newest=91)
    assert [one.night.state.as_of for one in past] == [midnight(day) for day in range(34, 125)]
    few = past_nights(CITY, blocks, ALL, newest=3)
    assert [one.night.state.as_of for one in few] == [midnight(day) for day in range(122, 125)]
    assert past_nights(CITY, [], ALL) == []


def test_a_past_night_holds_its_counts_and_sees_what_the_night_saw() -> None:
    block = blocks_before(ARRIVALS, 90, 5)[0]
    for past, night in zip(
        past_nights(CITY, [block], (1,)), nights_of(CITY, block, (1,)), strict=True
    ):
        counts = np.zeros((CITY.spec.cells, len(night.hours)), int)
        counts[past.cell, past.hour] = past.count
        np.testing.assert_array_equal(counts, counts_of(night, block.labels))
        assert counts.sum() > 5
        np.testing.assert_array_equal(past.night.rates, night.rates)
        np.testing.assert_array_equal(past.night.recent.cell, night.recent.cell)
        assert past.night.state.slot.size == 0
        assert past.night.state.slot.base is None, "a view keeps the whole array"


def test_evidence_is_the_forecasts_where_incidents_fell_and_their_sums() -> None:
    past = past_nights(CITY, blocks_before(ARRIVALS, 90, 4), ALL)
    day = [night_of(ARRIVALS, at) for at in range(86, 90)]
    seen = evidence(past, lambda n: Parts(n.rates[:, :2], np.tile(n.week_factor, (2, 1))))
    for part in (0, 1):
        plain = [n.rates[:, part, None] * n.week_factor for n in day]
        at = [f[one.cell, one.hour] for f, one in zip(plain, past, strict=True)]
        np.testing.assert_allclose(seen.at[:, part], np.concatenate(at), rtol=1e-9)
        np.testing.assert_allclose(seen.totals[part], sum(f.sum() for f in plain), rtol=1e-9)
    assert seen.count.sum() == sum(one.count.sum() for one in past)
