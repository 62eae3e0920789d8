"""What a user can get wrong, each with the exit code of sysexits.h that a scheduler can act on."""

from __future__ import annotations


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
