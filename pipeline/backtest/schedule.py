"""What a backtest is asked for, and which nights are forecast by what was made when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from grids.clock import cutoffs_of_days
from pipeline.config import Config
from pipeline.errors import ConfigError, MissingInputError
from pipeline.replay import City, mature_nights

CHUNK_NIGHTS = 7  # nights that one task forecasts and tallies
_DAYS = {"d": 1, "w": 7}


@dataclass(frozen=True)
class Request:
    """``first``, ``last``: local dates of the cutoffs, both included; ``refit_days``: nights that
    a model serves until the next one is made.
    """

    first: date
    last: date
    refit_days: int = 28

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ConfigError(f"--from {self.first} lies after --to {self.last}: swap them")

    @property
    def name(self) -> str:
        """Names the folder of the results."""
        return f"{self.first}_{self.last}"


@dataclass(frozen=True)
class Period:
    """Consecutive nights, all forecast with what was made at the first of them."""

    nights: tuple[datetime, ...]

    @property
    def refit(self) -> datetime:
        """The cutoff of the first night: what was known then makes the rivals."""
        return self.nights[0]

    @property
    def chunks(self) -> tuple[tuple[datetime, ...], ...]:
        """The nights, CHUNK_NIGHTS at a time."""
        starts = range(0, len(self.nights), CHUNK_NIGHTS)
        return tuple(self.nights[at : at + CHUNK_NIGHTS] for at in starts)


@dataclass(frozen=True)
class Schedule:
    """The nights to score, by refit, and those that cannot be scored yet.

    ``known_until``: the end of the data; what happened is what was known then.
    """

    request: Request
    known_until: datetime
    periods: tuple[Period, ...]
    left_out: tuple[datetime, ...]

    @property
    def nights(self) -> tuple[datetime, ...]:
        """Every night that is scored, in order."""
        return tuple(night for period in self.periods for night in period.nights)

    @property
    def chunks(self) -> tuple[tuple[datetime, ...], ...]:
        """The nights of every task."""
        return tuple(chunk for period in self.periods for chunk in period.chunks)


def parse_refit(text: str) -> int:
    """Days of ``28d`` or ``4w``. Raises ConfigError."""
    found = re.fullmatch(r"([1-9]\d{0,3})([dw])", text.strip().lower())
    if found is None:
        raise ConfigError(f"--refit {text!r}: write it as days or weeks, as in 28d or 4w")
    return int(found[1]) * _DAYS[found[2]]


def make_schedule(
    config: Config, city: City, request: Request, known_until: datetime, wait: timedelta
) -> Schedule:
    """The nights from ``request.first`` to ``request.last`` whose labels are mature.

    ``known_until``: the end of the data; ``wait``: the age at which labels are mature. A model is
    made every ``refit_days`` nights, beginning at the first. Raises MissingInputError where no
    night is left.
    """
    nights = cutoffs_of_days(request.first, request.last, config.cutoff, config.zone)
    mature = mature_nights(city, nights, known_until, wait)
    if not mature:
        raise MissingInputError(
            f"no night from {request.first} to {request.last} can be scored: the data end at "
            f"{known_until:%Y-%m-%dT%H:%MZ} and reports take {wait.total_seconds() / 86_400:.1f} "
            "days; choose earlier nights, or bring silver up to date with hexcast ingest"
        )
    step = request.refit_days
    periods = [Period(tuple(mature[at : at + step])) for at in range(0, len(mature), step)]
    return Schedule(request, known_until, tuple(periods), tuple(nights[len(mature) :]))
