"""A city's configuration: the YAML as frozen values, checked where it enters."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, time
from functools import cached_property
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator, model_validator

from cluster.spec import ClusterSpec
from forecasts.shifts import Shift
from grids.clock import local_instant
from pipeline.context.config import CalendarConfig, TableConfig
from pipeline.groups import (
    POLICE_INITIATED,
    Grouping,
    is_police_initiated,
    make_grouping,
    normalize,
)
from pipeline.paths import ConfigPath, nearest
from pipeline.quality.config import Quality
from pipeline.sources.config import Section, Source
from pipeline.watch.config import WatchConfig


class GridConfig(Section):
    """The place: a boundary polygon, a box in degrees, or both.

    ``names``: column of the boundary's file that names its parts, the neighbourhoods.
    """

    resolution: int = Field(default=9, ge=5, le=11)
    boundary: ConfigPath | None = None
    names: str = "name"
    bounds: tuple[float, float, float, float] | None = None

    @field_validator("bounds")
    @classmethod
    def _bounds_are_a_box(
        cls, value: tuple[float, float, float, float] | None
    ) -> tuple[float, float, float, float] | None:
        if value is not None:
            west, south, east, north = value
            if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
                raise ValueError("write bounds as [west, south, east, north] in degrees")
        return value


class Group(Section):
    """A disjoint group of source categories, by name or by regular expression."""

    categories: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


class ModelConfig(Section):
    """How the model is made."""

    nights: int = Field(default=1095, ge=28)
    empty_rows: int = Field(default=2_500_000, ge=1)
    holdout_nights: int = Field(default=56, ge=14)
    retrain_days: int = Field(default=28, ge=1)
    rounds: int = Field(default=160, ge=1)
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @model_validator(mode="after")
    def _something_is_left_to_learn(self) -> ModelConfig:
        if self.holdout_nights >= self.nights:
            raise ValueError(
                f"holdout_nights {self.holdout_nights} leaves none of {self.nights} nights to "
                "learn from: hold out fewer"
            )
        return self


class Output(Section):
    """Where the store and the layers go, how many days of runs are kept, and extra formats.

    ``mirror``: folder or address where published runs are put, too. ``k_anonymity``: incidents a
    year, of every target, that whatever the layers tell apart has at least.
    """

    path: ConfigPath
    keep_days: int = Field(default=365, ge=1)
    formats: tuple[Literal["csv", "geojson", "geotiff", "kml", "pmtiles"], ...] = ()
    mirror: ConfigPath | None = None
    k_anonymity: int = Field(default=0, ge=0)

    @field_validator("path")
    @classmethod
    def _path_is_a_folder(cls, value: str) -> str:
        if "://" in value:
            raise ValueError(f"{value} is no folder: the store needs one that it can lock")
        return value


_SHIFTS = {"day": "06:00-14:00", "evening": "14:00-22:00", "night": "22:00-06:00"}


class Config(Section):
    """Everything that hexcast knows about a city before it reads an incident."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    timezone: str
    cutoff: time = time(6)
    horizon_days: int = Field(default=1, ge=1, le=7)
    hotspot_share: float = Field(default=0.05, gt=0, lt=1)
    shifts: dict[str, str] = Field(default=_SHIFTS, min_length=1)
    source: Source
    grid: GridConfig = GridConfig()
    groups: dict[str, Group]
    targets: dict[str, tuple[str, ...]] = Field(min_length=1)
    allow_police_initiated: tuple[str, ...] = ()
    model: ModelConfig = ModelConfig()
    calendar: CalendarConfig | None = None
    tables: tuple[TableConfig, ...] = ()
    cluster: ClusterSpec = ClusterSpec()
    quality: Quality = Quality()
    watch: WatchConfig = WatchConfig()
    output: Output

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, value: str) -> str:
        if value not in available_timezones():
            hint = nearest(value, available_timezones())
            raise ValueError(f"{value!r} is no IANA timezone{hint}")
        return value

    @field_validator("cutoff", mode="before")
    @classmethod
    def _cutoff_is_text(cls, value: object) -> object:
        if isinstance(value, int | float):  # YAML reads an unquoted 16:00 as the number 960
            raise ValueError('write the cutoff in quotes, as in "06:00"')
        return value

    @field_validator("cutoff")
    @classmethod
    def _cutoff_is_local(cls, value: time) -> time:
        if value.tzinfo or value.second or value.microsecond:
            raise ValueError("write the cutoff as local hours and minutes, as in 06:00")
        return value

    @field_validator("shifts")
    @classmethod
    def _shifts_are_times(cls, value: dict[str, str]) -> dict[str, str]:
        lengths = [Shift.parse(name, text).length for name, text in value.items()]
        if max(lengths) < 3:  # where clocks change, shorter ones may not be there at all
            raise ValueError("one shift at least must have three hours or more")
        return value

    @field_validator("groups")
    @classmethod
    def _groups_are_names(cls, value: dict[str, Group]) -> dict[str, Group]:
        for group in value:  # the cube lists them in one text, parted by blanks
            if not group.isidentifier():
                raise ValueError(f"group {group!r}: use letters, digits and _")
        return value

    @field_validator("tables")
    @classmethod
    def _tables_have_names(cls, value: tuple[TableConfig, ...]) -> tuple[TableConfig, ...]:
        names = [table.name for table in value]
        for name in names:
            if not name or names.count(name) > 1:
                raise ValueError(f"table {name!r}: give every table a name of its own")
        return value

    @model_validator(mode="after")
    def _targets_are_sums_of_groups(self) -> Config:
        axis = self.grouping.names
        for target, groups in self.targets.items():
            if not re.fullmatch(r"[a-z][a-z0-9_]*", target):
                raise ValueError(f"target {target!r} names columns: use small letters, digits, _")
            if not groups or len(set(groups)) < len(groups):
                raise ValueError(f"target {target} is {list(groups)}: name its groups, each once")
            for group in groups:
                if group == POLICE_INITIATED:
                    raise ValueError(
                        f"target {target} holds {group}, offences recorded because police were "
                        "there: leave it out, or name categories in allow_police_initiated"
                    )
                if group not in axis:
                    raise ValueError(f"target {target}: no group {group!r}{nearest(group, axis)}")
        return self

    @model_validator(mode="after")
    def _police_initiated_is_named(self) -> Config:
        allowed = {normalize(name) for name in self.allow_police_initiated}
        barred = self.groups.get(POLICE_INITIATED, Group()).categories
        for category in barred:
            if normalize(category) in allowed:
                raise ValueError(
                    f"{category!r} stands in group {POLICE_INITIATED} and in "
                    "allow_police_initiated: keep one"
                )
        used = {group for groups in self.targets.values() for group in groups}
        for group in used & self.groups.keys():
            for category in self.groups[group].categories:
                if is_police_initiated(category) and normalize(category) not in allowed:
                    raise ValueError(
                        f"group {group}: {category!r} is recorded mainly because police were "
                        "there: take it out, or name it in allow_police_initiated"
                    )
        return self

    @cached_property
    def grouping(self) -> Grouping:
        """Category to group, and the cube's category axis."""
        spelled = {name: (group.categories, group.patterns) for name, group in self.groups.items()}
        return make_grouping(spelled, self.allow_police_initiated)

    @cached_property
    def patrol_shifts(self) -> tuple[Shift, ...]:
        """The shifts that forecasts are added up by."""
        return tuple(Shift.parse(name, text) for name, text in self.shifts.items())

    @property
    def zone(self) -> ZoneInfo:
        """The city's timezone."""
        return ZoneInfo(self.timezone)

    @cached_property
    def start(self) -> datetime:
        """The first instant of the cube, UTC: local midnight of ``source.start``."""
        midnight = datetime.combine(self.source.start, time(), UTC)
        return local_instant(midnight, time(), self.zone)

    @cached_property
    def fingerprint(self) -> str:
        """Names what decides a forecast: paths, limits, cluster and output are left out."""
        return _digest(self, {**dict.fromkeys(_AROUND, True), "model": _DEVICE, **_PATHS})

    @cached_property
    def model_fingerprint(self) -> str:
        """Names what decides a model: as the fingerprint, without how forecasts are summed up."""
        later = {*_AROUND, "hotspot_share", "shifts"}
        return _digest(self, {**dict.fromkeys(later, True), "model": _DEVICE, **_PATHS})

    @cached_property
    def store_fingerprint(self) -> str:
        """Names what decides silver, cube and state; a store serves one of them."""
        later = {*_AROUND, "name", "cutoff", "model", "targets"}
        later |= {"hotspot_share", "shifts", "horizon_days", "calendar", "tables"}
        reading = "path format delimiter delivers renamed date_formats".split()
        source = dict.fromkeys(reading, True)
        return _digest(self, {**_PATHS, **dict.fromkeys(later, True), "source": source})


_DEVICE = {"device": True}  # the same path on each, and the same model but for the last digits
_AROUND = ("cluster", "output", "quality", "watch")  # no forecast depends on them
_PATHS: dict[str, Any] = {
    "source": {"path": True},
    "grid": {"boundary": True, "names": True},
    "tables": {"__all__": {"path": True}},
}


def _digest(config: Config, exclude: dict[str, Any]) -> str:
    text = config.model_dump_json(exclude=exclude)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
