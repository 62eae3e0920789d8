"""What a user can get wrong, each with the exit code of sysexits.h that a scheduler can act on."""

from __future__ import annotations

from typing import Any


class HexcastError(Exception):
    """A fault in the input or the surroundings; its text names the value and the remedy."""

    exit_code = 70


class DataError(HexcastError):
    """The incidents are there, but cannot be used as they are."""

    exit_code = 65


class MissingInputError(HexcastError):
    """There are no incidents, or too few, where the configuration says they are."""

    exit_code = 66


class EmptyDeliveryError(MissingInputError):
    """What was delivered holds no rows."""


class BusyError(HexcastError):
    """Another run holds the store, or something passing is in the way: try again."""

    exit_code = 75


class ConfigError(HexcastError):
    """The configuration is wrong."""

    exit_code = 78


OF_THE_PROGRAM = 70  # exit code of what is nobody's fault but ours


def exit_code_of(fault: BaseException) -> int | None:
    """The code that our own errors carry; None for a fault of the program."""
    code: Any = getattr(fault, "exit_code", None)
    ours = type(fault).__module__.split(".")[0] in ("pipeline", "cluster", "forecasts", "grids")
    return int(code) if ours and isinstance(code, int) else None
