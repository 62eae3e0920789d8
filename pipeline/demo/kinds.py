"""What kinds of places and offences the demo city has: its tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DELAY_MEANS_HOURS = np.array([3.0, 30.0, 336.0])


@dataclass(frozen=True)
class CellType:
    """How the places of one kind live through the day; ``swing`` is a log amplitude."""

    name: str
    peak_hour: float
    swing: float


@dataclass(frozen=True)
class Category:
    """One offence category of the demo city.

    ``share`` of all incidents; ``swing``, ``weekend`` (Friday 18:00 to Sunday 04:00) and
    ``summer`` are log amplitudes; ``affinity`` weighs the cell types; ``delays`` weighs the
    exponential reporting delays with ``DELAY_MEANS_HOURS``; ``window`` is the share with a last
    possible time; ``arrest`` the share with an arrest.
    """

    name: str
    group: str
    share: float
    peak_hour: float
    swing: float
    weekend: float
    summer: float
    affinity: tuple[float, float, float, float]
    delays: tuple[float, float, float]
    window: float
    arrest: float


CELL_TYPES = (
    CellType("downtown", 13, 0.6),
    CellType("nightlife", 0.5, 1.0),
    CellType("retail", 16, 0.8),
    CellType("residential", 20, 0.3),
)
# fmt: off
CATEGORIES = tuple(Category(*row) for row in (
    # name, group, share, peak, swing, weekend, summer, affinity, delays, window, arrest
    ("ASSAULT", "violent", 0.16, 21, 0.5, 0.35, 0.15, (3, 6, 1.5, 1), (0.85, 0.12, 0.03), 0, 0.35),
    ("ROBBERY", "violent", 0.06, 22, 0.6, 0.15, 0.05, (4, 4, 2, 1), (0.92, 0.07, 0.01), 0, 0.2),
    ("THEFT", "property", 0.33, 15, 0.5, -0.1, 0.1, (4, 2, 5, 1), (0.5, 0.38, 0.12), 0.4, 0.08),
    ("BURGLARY", "property", 0.1, 11, 0.3, -0.1, 0.1, (1, 1, 2, 1.2), (0.5, 0.4, 0.1), 0.45, 0.06),
    ("VEHICLE THEFT", "property", 0.15, 22, 0.3, 0, 0.1, (2, 3, 2, 1), (0.6, 0.3, 0.1), 0.4, 0.05),
    ("VANDALISM", "other", 0.14, 23, 0.4, 0.15, 0.15, (2, 3, 1, 1), (0.45, 0.37, 0.18), 0.2, 0.04),
    ("DRUG OFFENSE", "police_initiated", 0.06, 17, 0.4, 0, 0, (5, 4, 1, 1), (1, 0, 0), 0, 0.9),
))
# fmt: on
