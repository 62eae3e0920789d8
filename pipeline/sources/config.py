"""The source's part of a configuration: where the incidents are and what their columns mean."""

from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pyproj import CRS
from pyproj.exceptions import CRSError

from pipeline.paths import ConfigPath
from pipeline.privacy import refuse_person_columns
from pipeline.redact import require_no_secret

Key = str | tuple[str, ...]
Clock = str | tuple[str, ...]  # the parts of a time in several columns are read joined by a blank
EPOCHS = {"epoch_s": "s", "epoch_ms": "ms"}  # date formats: since 1970, UTC
Format = Literal["csv", "parquet", "socrata", "arcgis", "ckan"]


class Section(BaseModel):
    """One frozen part of a configuration; a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Columns(Section):
    """Which of the source's columns mean what. No other column is ever read."""

    key: tuple[Key, ...] = Field(min_length=1)
    occurred_at: Clock
    category: str
    occurred_until: Clock | None = None
    reported_at: Clock | None = None
    latitude: str | None = None
    longitude: str | None = None
    x: str | None = None
    y: str | None = None
    district: str | None = None
    arrest: str | None = None
    revised_at: Clock | None = None
    status: str | None = None

    @model_validator(mode="after")
    def _no_persons(self) -> Columns:
        refuse_person_columns(self.names)
        return self

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
        keys = [column for part in self.key_parts for column in part]
        return tuple(dict.fromkeys([*keys, *self.required, *self._optional]))

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Columns without which no row can be used; any other that a file lacks reads as blank."""
        place = (self.latitude, self.longitude, self.x, self.y)
        found = [*clock_columns(self.occurred_at), self.category, *filter(None, place)]
        return tuple(dict.fromkeys(found))

    @property
    def _optional(self) -> tuple[str, ...]:
        clocks = (self.occurred_until, self.reported_at, self.revised_at)
        single = (self.district, self.arrest, self.status)
        return (*[name for c in clocks for name in clock_columns(c)], *filter(None, single))


def clock_columns(clock: Clock | None) -> tuple[str, ...]:
    """The columns that a time is read from."""
    if clock is None:
        return ()
    return (clock,) if isinstance(clock, str) else clock


class Source(Section):
    """Where the incidents are and how their text is to be read."""

    path: tuple[ConfigPath, ...] = Field(min_length=1)
    format: Format | None = None
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    delivers: Literal["incremental", "snapshot"] = "incremental"
    columns: Columns
    renamed: dict[str, str] = {}
    date_formats: tuple[str, ...] = ("ISO8601",)
    aoristic: bool = False
    crs: str = "EPSG:4326"
    start: date
    delivery_lag_days: float = Field(default=0.0, ge=0, le=140)
    retracted: tuple[str, ...] = ()

    @field_validator("path", mode="before")
    @classmethod
    def _path_may_be_one(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("path")
    @classmethod
    def _path_holds_no_secret(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            require_no_secret(address)
        return value

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
            if text != "ISO8601" and text not in EPOCHS and "%" not in text:
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
        if self.aoristic and not self.columns.occurred_until:
            raise ValueError("aoristic needs windows: name columns.occurred_until, or leave it out")
        refuse_person_columns(self.renamed)
        for old, new in self.renamed.items():
            if new not in self.columns.names:
                raise ValueError(f"renamed: {old} becomes {new}, which columns does not name")
        return self

    @cached_property
    def reading(self) -> str:
        """Names how text is read: a file that is read another way is another delivery."""
        how = [self.date_formats, self.delimiter, sorted(self.retracted), self.renamed]
        return hashlib.sha256(json.dumps(how).encode()).hexdigest()[:12]

    @property
    def delivery_lag(self) -> timedelta:
        """Time from the occurrence (or the report, where there is one) to the delivery."""
        return timedelta(days=self.delivery_lag_days)
