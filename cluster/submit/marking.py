"""Standard output told from standard error where one log holds both, as Kubernetes' does."""

from __future__ import annotations

import io
import os
import sys

MARK = "\x06"  # before each line of standard output; terminals do not show it
VARIABLE = "HEXCAST_MARKED"  # set where what a command prints is to be marked


class Marked(io.TextIOWrapper):
    """A stream of text with the mark before each line."""

    _is_within = False

    def write(self, text: str) -> int:
        """Write the text, marked; returns its length."""
        if not text:
            return super().write(text)  # which refuses bytes: so streams of text are told
        begin = "" if self._is_within else MARK
        self._is_within = not text.endswith("\n")
        super().write(begin + text[:-1].replace("\n", f"\n{MARK}") + text[-1])
        return len(text)


def mark_output() -> None:
    """Mark what this process prints from now on, where the variable asks for it."""
    if os.environ.get(VARIABLE):
        sys.stdout = Marked(sys.stdout.buffer, encoding="utf-8", line_buffering=True)


def stream_of(line: str) -> tuple[str, str]:
    """``out`` or ``err``, and the line as it was written."""
    return ("out", line[len(MARK) :]) if line.startswith(MARK) else ("err", line)
