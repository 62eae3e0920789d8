import numpy as np
import pandas as pd
import pytest

from forecasts.sums import joined, shift_sums, shifts, sums_of


def test_three_shifts_a_day_from_six():
    assert shifts(np.arange(24)).tolist() == [2] * 6 + [0] * 8 + [1] * 8 + [2] * 2
    assert shifts((np.arange(24) + 6) % 24).tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert shifts(np.arange(24) + 24 * 5).tolist() == shifts(np.arange(24)).tolist()


@pytest.mark.parametrize("cutoff", ["00:00", "06:00", "23:00"])
@pytest.mark.parametrize("days", [1, 2, 3, 7])
@pytest.mark.parametrize("first", ["2024-03-09", "2024-03-10", "2024-11-02", "2024-11-03"])
def test_shifts_are_of_their_day_where_clocks_change(first, days, cutoff):
    """In Denver they are put on on 10 March 2024, and back on 3 November, at two."""
    start = pd.Timestamp(f"{first} {cutoff}", tz="America/Denver")
    hours = pd.date_range(start, start + pd.DateOffset(days=days), freq="h", inclusive="left")
    found = shifts(np.asarray(hours.day_of_week * 24 + hours.hour))
    clock = hours.tz_localize(None)
    days_on = (clock - start.tz_localize(None)) // pd.Timedelta("1D")
    expected = days_on * 3 + (hours.hour - 6) % 24 // 8
    assert found.tolist() == expected.tolist()
    assert set(found) == set(range(3 * days))
    assert shifts(hours.hour).tolist() == found.tolist()
    assert shifts([]).tolist() == []


def test_sums_by_district_and_shift_by_hand():
    values = np.arange(12).reshape(3, 4)
    sums = shift_sums(values, [1, -1, 1], [0, 0, 2, 1])
    assert sums.tolist() == [[0, 0, 0], [18, 14, 12]]
    with pytest.raises(ValueError, match="but 2 cells and 4 hours have groups"):
        shift_sums(values, [0, 0], [0, 0, 0, 0])


def test_the_sums_of_nights_by_hand():
    expected = np.array([[0.5, 1.0], [0.51, 0.25], [4.0, 0.125]])
    counts = np.array([[0, 3], [0, 0], [1, 0]])
    night = sums_of(expected, counts, district=[0, 2, 2], shift=[0, 1])
    # Two with incidents; of the empty ones the two that were expected to have about half.
    assert night.cell_hour.tolist() == [
        [1.0, 4.0, 0.125, 0.25, 0.505],
        [3, 1, 0, 0, 0],
        [1, 1, 1, 1, 2],
    ]
    # No cell lies in district 1: it has no sums, rather than sums of 0.
    assert night.district_shift.tolist() == [[0.5, 1.0, 4.51, 0.375], [0, 3, 1, 0]]
    assert night.city_hour.tolist() == [[5.01, 1.375], [1, 3]]

    both = joined([night, night])
    for name in ("cell_hour", "district_shift", "city_hour"):
        once = getattr(night, name).tolist()
        assert getattr(both, name).tolist() == [row * 2 for row in once]


def test_cells_of_no_district_count_for_the_city_alone():
    ones = np.ones((2, 3))
    night = sums_of(ones, ones, district=[-1, 0], shift=[0, 0, 0])
    assert night.district_shift.tolist() == [[3.0], [3.0]]
    assert night.city_hour.tolist() == [[2.0] * 3] * 2


def test_expected_and_counts_have_one_shape():
    with pytest.raises(ValueError, match=r"expected is \(2, 3\), counts \(3, 2\)"):
        sums_of(np.ones((2, 3)), np.ones((3, 2)), [0, 0], [0, 0, 0])


def test_telling_cell_hours_together_loses_none():
    rng = np.random.default_rng(4)
    expected = np.append(rng.gamma(0.05, 0.1, (500, 23)), np.zeros((500, 1)), axis=1)
    counts = rng.poisson(expected)
    m, n, number = sums_of(expected, counts, np.zeros(500, int), np.zeros(24, int)).cell_hour
    assert number.sum() == expected.size
    assert (number * m).sum() == pytest.approx(expected.sum())
    assert (number * n).sum() == counts.sum()
    assert len(m) < (counts > 0).sum() + 200
