"""The part of a configuration that tells what a night may know besides incidents."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from pydantic import Field, model_validator

from pipeline.context.countries import country_of, require_known
from pipeline.paths import ConfigPath
from pipeline.privacy import refuse_person_columns
from pipeline.sources.config import Section


class CalendarConfig(Section):
    """Whose public holidays count: by default those of the country that the timezone lies in."""

    country: str | None = None
    subdivision: str | None = None

    @model_validator(mode="after")
    def _holidays_are_known(self) -> CalendarConfig:
        if self.country is not None:
            require_known(self.country, self.subdivision)
        elif self.subdivision is not None:
            raise ValueError(f"subdivision {self.subdivision!r} of what? Name the country, too")
        return self

    def country_in(self, timezone: str) -> str | None:
        """The country named, else the timezone's."""
        return self.country or country_of(timezone)


class TableConfig(Section):
    """A Parquet file, or a folder of them, with values by cell (`hex_id`), hour (`time`) or both.

    ``name``: of its features, by default the file's. ``columns``: by default all that are no keys.
    ``known_hours_before``: how long before its hour a value is known, without `known_at`.
    """

    path: ConfigPath
    name: str = Field(default="", pattern=r"^[^\[\]<.]*$")
    columns: tuple[str, ...] = ()
    known_hours_before: int | None = Field(default=None, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _named_as_its_file(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("path"), str):
            return {"name": PurePosixPath(values["path"]).name.split(".")[0], **values}
        return values

    @model_validator(mode="after")
    def _no_persons(self) -> TableConfig:
        refuse_person_columns(self.columns)
        return self
