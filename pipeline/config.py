"""A city's configuration: the YAML as frozen values, checked where it enters."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pyproj import CRS
from pyproj.exceptions import CRSError

from cluster.connect import ClusterSpec
from grids.hours import local_instant
from pipeline.groups import (
    POLICE_INITIATED,
    Grouping,
    is_police_initiated,
    make_grouping,
    normalize,
)
from pipeline.paths import ConfigPath, nearest

Key = str | tuple[str, ...]


class Section(BaseModel):
    """One frozen part of a configuration; a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Columns(Section):
    """Which of the source's columns mean what. No other column is ever read."""

    key: tuple[Key, ...] = Field(min_length=1)
    occurred_at: str
    category: str
    occurred_until: str | None = None
    reported_at: str | None = None
    latitude: str | None = None
    longitude: str | None = None
    x: str | None = None
    y: str | None = None
    district: str | None = None
    arrest: str | None = None
    revised_at: str | None = None
    status: str | None = None

    @model_validator(mode="after")
    def _one_kind_of_place(self) -> Columns:
        geographic, projected = (self.latitude, self.longitude), (self.x, self.y)
        if any(geographic) and any(projected):
            raise ValueError("latitude/longitude and x/y contradict each other: keep one pair")
        if not all(geographic) and not all(projected):
            raise ValueError("a place needs latitude and longitude, or x and y with source.crs")
        return self

    @cached_property
    def key_parts(self) -> tuple[tuple[str, ...], ...]:
        """Alternatives of the key, each a tuple of columns; the first without a blank counts."""
        return tuple((part,) if isinstance(part, str) else part for part in self.key)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every source column that is read, each once."""
        mapped = [self.occurred_at, self.occurred_until, self.reported_at, self.category]
        mapped += [self.latitude, self.longitude, self.x, self.y, self.district, self.arrest]
        mapped += [self.revised_at, self.status]
        keys = [column for part in self.key_parts for column in part]
        return tuple(dict.fromkeys(keys + [column for column in mapped if column]))


class Source(Section):
    """Where the incidents are and how their text is to be read."""

    path: ConfigPath
    format: Literal["parquet", "csv"] | None = None
    columns: Columns
    date_formats: tuple[str, ...] = ("ISO8601",)
    crs: str = "EPSG:4326"
    start: date
    delivery_lag_days: float = Field(default=0.0, ge=0)
    retracted: tuple[str, ...] = ()

    @field_validator("crs")
    @classmethod
    def _crs_exists(cls, value: str) -> str:
        try:
            CRS.from_user_input(value)
        except CRSError as fault:
            raise ValueError(
                f"{value!r} is no coordinate system: write a code as EPSG:2232"
            ) from fault
        return value

    @field_validator("date_formats")
    @classmethod
    def _formats_are_formats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if text != "ISO8601" and "%" not in text:
                raise ValueError(f"{text!r} is no date format: write one as %m/%d/%Y %I:%M:%S %p")
        return value

    @model_validator(mode="after")
    def _agrees(self) -> Source:
        projected = CRS.from_user_input(self.crs).is_projected
        if projected and not self.columns.x:
            raise ValueError(f"crs {self.crs} is projected, but columns has no x and y")
        if not projected and self.columns.x:
            raise ValueError("columns x and y need the EPSG code of their projection in crs")
        if bool(self.columns.status) != bool(self.retracted):
            raise ValueError("columns.status and retracted go together: give both or neither")
        return self

    @property
    def delivery_lag(self) -> timedelta:
        """Time from the occurrence (or the report, where there is one) to the delivery."""
        return timedelta(days=self.delivery_lag_days)


class GridConfig(Section):
    """The place: a boundary polygon, a box in degrees, or both."""

    resolution: int = Field(default=9, ge=5, le=11)
    boundary: ConfigPath | None = None
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
    empty_share: float = Field(default=0.01, gt=0, le=1)
    holdout_nights: int = Field(default=28, ge=7)
    retrain_days: int = Field(default=28, ge=1)
    rounds: int = Field(default=300, ge=1)
    device: Literal["cpu", "cuda"] = "cpu"


class Output(Section):
    """Where the store and the layers go, and how many days of runs are kept."""

    path: ConfigPath
    keep_days: int = Field(default=365, ge=1)


class Config(Section):
    """Everything that hexcast knows about a city before it reads an incident."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    timezone: str
    cutoff: time = time(6)
    horizon_days: int = Field(default=1, ge=1, le=7)
    hotspot_share: float = Field(default=0.05, gt=0, lt=1)
    source: Source
    grid: GridConfig = GridConfig()
    groups: dict[str, Group]
    targets: dict[str, tuple[str, ...]] = Field(min_length=1)
    allow_police_initiated: tuple[str, ...] = ()
    model: ModelConfig = ModelConfig()
    cluster: ClusterSpec = ClusterSpec()
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

    @field_validator("groups")
    @classmethod
    def _groups_are_names(cls, value: dict[str, Group]) -> dict[str, Group]:
        for group in value:  # the cube lists them in one text, parted by blanks
            if not group.isidentifier():
                raise ValueError(f"group {group!r}: use letters, digits and _")
        return value

    @model_validator(mode="after")
    def _targets_are_sums_of_groups(self) -> Config:
        axis = self.grouping.names
        for target, groups in self.targets.items():
            if not target.isidentifier():
                raise ValueError(f"target {target!r} names columns: use letters, digits and _")
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
        """Names what decides a forecast: paths, cluster and output are left out."""
        return _digest(self, {"cluster": True, "output": True, **_PATHS})

    @cached_property
    def store_fingerprint(self) -> str:
        """Names what decides silver, cube and state; a store serves one of them."""
        decides = {"cluster", "output", "model", "targets", "hotspot_share", "horizon_days"}
        return _digest(self, {**dict.fromkeys(decides, True), **_PATHS})


_PATHS = {"source": {"path": True}, "grid": {"boundary": True}}


def _digest(config: Config, exclude: dict[str, Any]) -> str:
    text = config.model_dump_json(exclude=exclude)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
