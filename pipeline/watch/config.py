"""The part of a configuration that says who is told of nights, and when one counts as late."""

from __future__ import annotations

import re

from pydantic import Field, SecretStr, field_validator

from pipeline.redact import is_private
from pipeline.sources.config import Section

VARIABLE = re.compile(r"\$\{(\w+)\}")


class WatchConfig(Section):
    """Who watches over the nights.

    ``ping``: address that is told of every start and end, or ``${NAME}`` of the variable that holds
    it. ``grace_hours``: after a cutoff, until its run has to be there.
    """

    ping: SecretStr | None = None
    grace_hours: float = Field(default=6.0, ge=0, le=168)

    @field_validator("ping")
    @classmethod
    def _ping_is_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value() if value else ""
        if value and not VARIABLE.fullmatch(text) and not is_address(text):
            raise ValueError(
                "write an address that begins with https://, or ${NAME} of the variable that "
                "holds it (the value is a secret and not shown)"
            )
        return value


def is_address(text: str) -> bool:
    """Whether it can be told of a night: nobody on the way may read it."""
    return text.startswith(("https://", "http://")) and is_private(text)
