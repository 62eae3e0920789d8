"""How high the sun stands, which tells dusk from evening."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_J2000 = 946_728_000.0  # seconds from 1970 to 2000-01-01T12:00Z


def elevation(seconds: ArrayLike, latitude: float, longitude: float) -> NDArray[np.float64]:
    """Degrees above the horizon at times in seconds since 1970; the air's refraction is left out.

    Right to a hundredth of a degree or so from 1950 to 2050. Source of the series: The Astronomical
    Almanac's low-precision formulas for the sun; Greenwich mean sidereal time of the U.S. Naval
    Observatory's approximation. ``latitude``, ``longitude``: degrees, north and east positive.
    """
    days = (np.asarray(seconds, np.float64) - _J2000) / 86_400
    mean = np.radians(357.528 + 0.9856003 * days)
    ecliptic = np.radians(
        280.460 + 0.9856474 * days + 1.915 * np.sin(mean) + 0.020 * np.sin(2 * mean)
    )
    tilt = np.radians(23.439 - 4e-7 * days)
    declination = np.arcsin(np.sin(tilt) * np.sin(ecliptic))
    ascension = np.arctan2(np.cos(tilt) * np.sin(ecliptic), np.cos(ecliptic))
    sidereal = np.radians(15 * (18.697374558 + 24.06570982441908 * days) + longitude)
    north = np.radians(latitude)
    height = np.sin(north) * np.sin(declination)
    height += np.cos(north) * np.cos(declination) * np.cos(sidereal - ascension)
    return np.asarray(np.degrees(np.arcsin(np.clip(height, -1, 1))))
