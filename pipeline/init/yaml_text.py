"""Lines of commented YAML: values as the YAML library writes them, reasons behind or above."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

import yaml

WIDTH = 98


def scalar(value: object) -> str:
    """A value in one line of YAML that reads back as itself, text as text."""
    if isinstance(value, str) and re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]", value):
        return _escaped(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_in_flow(item) for item in value) + "]"
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _escaped(text: str) -> str:
    dumped = yaml.safe_dump(text, default_style='"', width=10**6)
    return str(dumped).removesuffix("\n")


def _in_flow(value: object) -> str:
    text = scalar(value)
    if isinstance(value, str) and text == value and re.search(r"[,\[\]{}]|: |%", value):
        return _escaped(value)
    return text


def comment(text: str, indent: int = 0) -> list[str]:
    """A text as lines of comment."""
    plain = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)
    start = " " * indent + "# "
    return textwrap.wrap(
        plain, WIDTH, initial_indent=start, subsequent_indent=start, break_on_hyphens=False
    )


def line(indent: int, key: str, value: object, why: str = "") -> list[str]:
    """A key with its value and, behind it or above it, the reason."""
    text = f"{' ' * indent}{scalar(key)}: {scalar(value)}"
    if not why:
        return [text]
    behind = f"{text}  # {why}"
    if len(behind) <= WIDTH and "\n" not in why:
        return [behind]
    return [*comment(why, indent), text]


def doubts(texts: Iterable[str], indent: int = 0) -> list[str]:
    """Texts as lines of comment that begin with ``doubt:``."""
    return [part for text in texts for part in comment(f"doubt: {text}", indent)]
