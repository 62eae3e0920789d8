"""The sun's height, against values of another implementation (astral 3.2, without refraction)."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from pipeline.context.sun import elevation


@pytest.mark.parametrize(
    ("at", "latitude", "longitude", "degrees"),
    [
        ("2024-06-21T19:00+00:00", 39.74, -104.99, 73.690),
        ("2024-12-21T00:00+00:00", 39.74, -104.99, -4.447),
        ("2020-03-20T12:00+00:00", 51.5, 0.0, 38.610),
        ("2016-01-15T12:00+00:00", -33.87, 151.2, -27.495),
        ("2023-11-05T01:30+00:00", 41.88, -87.63, -31.774),
    ],
)
def test_elevation(at: str, latitude: float, longitude: float, degrees: float) -> None:
    found = elevation(datetime.fromisoformat(at).timestamp(), latitude, longitude)
    assert float(found) == pytest.approx(degrees, abs=0.02)


def test_it_takes_arrays() -> None:
    day = datetime.fromisoformat("2024-06-21T06:00+00:00").timestamp() + 3600 * np.arange(24)
    found = elevation(day, 39.74, -104.99)
    assert found.shape == (24,)
    assert found.argmax() == 13  # 19:00Z, midday in Denver
