"""The bandwidth that made cities ask for is the one that is chosen."""

from __future__ import annotations

import numpy as np
import pytest
from processes import ALL, CITY, PLACE, Process, blocks_before, night_of, uneven

from pipeline.baselines.kernel import fit_kernel, forecast_kernel
from pipeline.baselines.past import past_nights
from pipeline.night import YEAR


def bandwidth_of(rates: np.ndarray) -> float:
    past = past_nights(CITY, blocks_before(Process(rates).arrivals(), 270, 60), ALL)
    return fit_kernel(past)["bandwidth_m"]


def test_a_smooth_city_with_few_incidents_asks_for_a_wide_kernel() -> None:
    slope = np.exp(PLACE.metres[:, 0] / 2000)
    assert 200 <= bandwidth_of(6 / 24 * slope / slope.sum()) <= 800


def test_a_city_of_single_hot_cells_asks_for_the_narrowest() -> None:
    assert bandwidth_of(uneven(80, shape=0.2)) == 25


@pytest.mark.parametrize("bandwidth", [25.0, 400.0])
def test_the_citys_total_does_not_hang_on_the_bandwidth(bandwidth: float) -> None:
    night = night_of(Process(uneven(60), days=120).arrivals(), 110)
    forecast = forecast_kernel(night, {"bandwidth_m": bandwidth})
    assert forecast.sum() == pytest.approx(night.reference.sum(), rel=1e-9)
    hottest = np.argmax(night.rates[:, YEAR])
    assert forecast[hottest].sum() < night.reference[hottest].sum()
