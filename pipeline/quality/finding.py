"""What a check of a delivery comes to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A figure of a delivery and what is usual, in words; ``check`` names it.

    ``is_warning``: it is worth a word; ``is_hard``: a night must not go on with it.
    """

    check: str
    value: float
    usual: float
    text: str
    is_warning: bool
    is_hard: bool = False
