"""The hottest cells of a shift as areas: no cell lost, none twice, each area in one piece."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from forecast_cases import GRID, SHIFTS, counted, tiny_forecast
from hypothesis import given
from hypothesis import strategies as st

from forecasts.counting import CountLaw
from forecasts.hotspots import PATROL_KM2, hotspots_frame, merged, outline
from forecasts.ranking import hottest

WIDE = replace(tiny_forecast(), hotspot_share=0.4)
MIDDLE = int(np.argmin(np.hypot(*GRID.metres.T)))


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(1, 12))
def test_areas_part_the_hot_cells_into_pieces_of_neighbours(seed, share, most):
    rng = np.random.default_rng(seed)
    expected, hot = rng.gamma(0.5, 1, len(GRID)).round(1), rng.random(len(GRID)) < share
    areas = merged(expected, hot, GRID.beside, most)
    assert sorted(c for cells in areas for c in cells.tolist()) == np.flatnonzero(hot).tolist()
    for cells in areas:
        assert 1 <= len(cells) <= most
        assert outline(GRID, cells).geom_type == "Polygon"
    sums = [expected[cells].sum() for cells in areas]
    assert sums == sorted(sums, reverse=True)


def test_an_area_grows_from_the_hottest_cell_to_the_hottest_beside_it():
    ring = GRID.beside(MIDDLE)
    expected = np.zeros(len(GRID))
    expected[MIDDLE], expected[ring] = 9.0, np.arange(1.0, 7.0)
    (first, *rest) = merged(expected, expected > 0, GRID.beside, 3)
    assert first[0] == MIDDLE
    assert first[1] == ring[5]
    assert len(first) == 3
    assert sum(len(cells) for cells in rest) == 4


@pytest.fixture(scope="module")
def frame():
    return hotspots_frame(WIDE)


def test_every_shift_of_every_target_has_its_hottest_share(frame):
    shifts = frame.groupby(["target", "valid_start"])
    assert len(shifts) == 2 * 4
    assert (shifts["cells"].sum() == int(np.ceil(0.4 * len(GRID)))).all()
    assert (frame["area_km2"] < 1.2 * PATROL_KM2).all()
    assert frame["cells"].max() >= 5
    assert frame.groupby(["target", "valid_start"])["share"].sum().max() < 1


def test_an_areas_figures_are_its_cells(frame):
    target = next(t for t in WIDE.targets_by_period if t.name == "violent")
    hot = hottest(target.expected, 0.4)
    for at, period in enumerate(WIDE.periods):
        rows = frame[
            (frame["target"] == "violent")
            & (frame["lead_hours"] == period.first - WIDE.hours.start)
        ]
        centres = shapely.centroid(GRID.polygons)
        for _, row in rows.iterrows():
            inside = shapely.contains(row.geometry, centres)
            assert inside.sum() == row["cells"]
            assert hot[inside, at].all()
            assert row["expected"] == pytest.approx(target.expected[inside, at].sum())
            assert row["baseline"] == pytest.approx(target.baseline[inside, at].sum())
            whole = target.expected[:, at].sum()
            assert row["share"] == pytest.approx(target.expected[inside, at].sum() / whole)


def test_the_interval_is_of_a_districts_shift():
    """What happens together in a place clumps more than a cell-hour shows."""
    target = WIDE.targets[0]
    loose = counted("all", target.expected, target.baseline, "x", CountLaw(2.0, 0.5))
    poisson, clumped = (hotspots_frame(replace(WIDE, targets=(each,))) for each in (target, loose))
    assert (clumped["high"] >= poisson["high"]).all()
    assert clumped["high"].sum() > poisson["high"].sum()
    assert (clumped["probability"] < poisson["probability"]).all()


def test_labels_say_it_in_words(frame):
    row = frame.iloc[0]
    assert row["name"] in ("1 West End", "1 Five Points")
    assert row["label"].startswith(f"1. {row['neighbourhood']}, night (Sun 00:00-06:00): ")
    assert frame.loc[frame["rank"] == 1, "label"].is_unique
    assert f"{row['expected']:.0f} incidents expected (all; 90 %: {row['low']} to " in row["label"]
    assert row["label"].endswith(" % of its area")


def test_an_area_takes_the_name_of_where_most_is_expected():
    names = ["East"] * len(GRID)
    names[MIDDLE] = "Corner"
    expected = np.zeros((len(GRID), 24))
    expected[GRID.beside(MIDDLE)] = 0.1
    expected[MIDDLE] = 1.0
    city = replace(
        WIDE,
        neighbourhoods=tuple(names),
        targets=(counted("all", expected, expected, "x"),),
        hotspot_share=7 / len(GRID),
    )
    assert set(hotspots_frame(city)["neighbourhood"]) == {"Corner"}


def test_without_names_an_area_lies_somewhere_from_the_middle():
    nowhere = hotspots_frame(replace(WIDE, neighbourhoods=()))
    assert set(nowhere["neighbourhood"]) == {""}
    assert (nowhere["name"] == nowhere["rank"].astype("str")).all()
    place = r"\d+\. (the middle|\d\.\d km [a-z-]+ of the middle), .*"
    assert nowhere["label"].str.fullmatch(place).all()
    cell = int(np.argmax(GRID.metres @ [0, 1] - 5 * np.abs(GRID.metres[:, 0])))
    expected = np.zeros((len(GRID), 24))
    expected[cell] = 1.0
    targets = (counted("all", expected, expected, "x"),)
    one = 1 / len(GRID)
    north = replace(WIDE, neighbourhoods=(), targets=targets, hotspot_share=one, shifts=SHIFTS[:1])
    assert " km north of the middle, " in hotspots_frame(north)["label"].iloc[0]


def test_a_forecast_of_nothing_has_areas_still():
    zero = np.zeros((len(GRID), 24))
    found = hotspots_frame(replace(WIDE, targets=(counted("all", zero, zero, "nothing"),)))
    assert (found[["expected", "share", "probability"]] == 0).all().all()
