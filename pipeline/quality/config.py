"""The limits that a delivery is held to."""

from __future__ import annotations

from pydantic import Field, model_validator

from pipeline.sources.config import Section


class Quality(Section):
    """``stop_*``: beyond it the night stops before anything is published; ``warn_*``: it says so.

    ``*_rows``: share of the usual rows or new incidents. ``*_quarantined``: share of the new rows
    that cannot be used; for the warning, on top of the usual share. ``stop_deleted``: share of the
    live incidents that a snapshot may leave out. ``warn_mix``: share of the incidents that would
    have to be of another category, or district, for the mix to be the usual one.
    """

    stop_rows: float = Field(default=0.3, ge=0, le=1)
    stop_quarantined: float = Field(default=0.5, gt=0, le=1)
    stop_deleted: float = Field(default=0.05, gt=0, le=1)
    warn_rows: float = Field(default=0.5, ge=0, le=1)
    warn_quarantined: float = Field(default=0.05, gt=0, le=1)
    warn_mix: float = Field(default=0.15, gt=0, le=1)

    @model_validator(mode="after")
    def _a_warning_comes_first(self) -> Quality:
        if self.warn_rows < self.stop_rows:
            raise ValueError(
                f"warn_rows {self.warn_rows} lies below stop_rows {self.stop_rows}: a night would "
                "stop before it warns"
            )
        return self
