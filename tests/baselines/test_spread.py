"""Where influence falls: against drawn points, and to the last bit of mass."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import PLACE
from scipy.sparse import csr_array

from pipeline.baselines.spread import cell_radius, near_pairs, share_in_disc, spacing, spread
from pipeline.night import Place

RADIUS = cell_radius(PLACE.metres)


def place_of(metres: np.ndarray) -> Place:
    nothing = csr_array((len(metres), len(metres)))
    return Place(nothing, nothing, metres, np.zeros(len(metres), np.int64))


@settings(max_examples=12)
@given(bandwidth=st.floats(1, 1500), seed=st.integers(0, 99))
def test_mass_is_kept_at_the_border_too(bandwidth: float, seed: int) -> None:
    values = np.random.default_rng(seed).gamma(0.3, size=len(PLACE.metres))
    moved = spread(PLACE, bandwidth) @ values
    assert moved.sum() == pytest.approx(values.sum(), rel=1e-12)
    assert moved.min() >= 0
    corner = np.zeros(len(values))
    corner[np.argmax(PLACE.metres.sum(axis=1))] = 1
    assert (spread(PLACE, bandwidth) @ corner).sum() == pytest.approx(1, rel=1e-12)


def test_no_bandwidth_moves_nothing_and_a_tiny_one_hardly_anything() -> None:
    np.testing.assert_array_equal(spread(PLACE, 0.0).toarray(), np.eye(len(PLACE.metres)))
    assert spread(PLACE, 1.0).diagonal().min() > 0.98


def test_one_cell_keeps_all() -> None:
    alone = place_of(np.zeros((1, 2)))
    np.testing.assert_array_equal(spread(alone, 300.0).toarray(), [[1.0]])
    assert spacing(alone.metres) == 0


@pytest.mark.parametrize("bandwidth", [30.0, 120.0, 400.0])
def test_shares_are_those_of_points_drawn_evenly_in_a_disc(bandwidth: float) -> None:
    rng = np.random.default_rng(1)
    angle, away = rng.uniform(0, 2 * np.pi, 200_000), RADIUS * np.sqrt(rng.random(200_000))
    points = np.column_stack([away * np.cos(angle), away * np.sin(angle)])
    points += rng.normal(0, bandwidth, points.shape)
    apart = np.array([0.0, 0.7, 1.9, 3.3]) * RADIUS
    drawn = [(np.hypot(points[:, 0] - d, points[:, 1]) < RADIUS).mean() for d in apart]
    np.testing.assert_allclose(share_in_disc(apart, RADIUS, bandwidth), drawn, atol=0.012)


def test_influence_reaches_as_far_as_its_bandwidth_says() -> None:
    side = np.arange(-20, 21) * 300.0
    metres = np.array([(x, y) for x in side for y in side])
    middle = len(metres) // 2
    falls = spread(place_of(metres), 600.0).toarray()[:, middle]
    # Both the source and the taking cell are discs, of variance r2 / 4 along each axis.
    expected = 600.0**2 + 2 * cell_radius(metres) ** 2 / 4
    assert (falls * metres[:, 0] ** 2).sum() == pytest.approx(expected, rel=0.02)


def test_near_pairs_are_all_pairs_within_reach() -> None:
    metres = np.random.default_rng(4).uniform(0, 3000, (60, 2))
    pairs, apart = near_pairs(metres, 700.0)
    distance = np.linalg.norm(metres[:, None] - metres[None], axis=2)
    assert {frozenset(pair) for pair in pairs.tolist()} == {
        frozenset(pair) for pair in np.argwhere(np.triu(distance <= 700.0, 1)).tolist()
    }
    np.testing.assert_allclose(apart, distance[pairs[:, 0], pairs[:, 1]])


def test_spacing_and_radius_of_hexagons() -> None:
    assert spacing(PLACE.metres) == pytest.approx(350, rel=0.05)  # resolution 9
    area = np.pi * RADIUS**2
    assert area == pytest.approx(np.sqrt(3) / 2 * spacing(PLACE.metres) ** 2)
