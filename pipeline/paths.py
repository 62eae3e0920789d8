"""Paths in configurations: environment variables with defaults, relative to the file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def expand(text: str, folder: Path) -> str:
    """``${NAME}`` and ``${NAME:-default}`` filled in, and a relative path made absolute.

    What is written in the file is relative to the file's ``folder``; what a variable holds is
    relative to the working folder, as in a shell. Addresses (``s3://...``) stay as they are.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match.groups()
        found = os.environ.get(name) or default
        if found is None:
            raise ValueError(
                f"{text}: the environment has no {name}: set it, or write ${{{name}:-default}}"
            )
        given = bool(os.environ.get(name)) and match.start() == 0 and "://" not in found
        return str(Path(found).absolute()) if given else found

    filled = _VARIABLE.sub(value, text)
    return filled if "://" in filled else os.path.normpath(folder / filled)


def variables(text: str) -> list[str]:
    """The names of the environment's variables in a text, sorted."""
    return sorted({name for name, _ in _VARIABLE.findall(text)})


def _from_context(value: object, info: ValidationInfo) -> object:
    folder = (info.context or {}).get("folder", Path.cwd())
    return expand(value, folder) if isinstance(value, str) else value


ConfigPath = Annotated[str, BeforeValidator(_from_context)]


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for a message: the nearest known word, or the choice where it is short."""
    choice = sorted(known)
    close = get_close_matches(word, choice, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    return f": use one of {', '.join(choice)}" if 0 < len(choice) <= 30 else ""
