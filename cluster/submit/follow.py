"""The lines of a job's two files, said as they appear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

STREAMS = ("out", "err")


class Follower:
    """What is written to the files ``out`` and ``err`` of a folder, said line by line."""

    def __init__(self, folder: Path, say: Callable[[str, str], None]) -> None:
        self._folder = folder
        self._say = say
        self._read = dict.fromkeys(STREAMS, 0)
        self._rest = dict.fromkeys(STREAMS, b"")
        for stream in STREAMS:  # on NFS a name once not found is long not asked for again
            (folder / stream).touch()

    def say(self, line: str) -> None:
        """Say a line of whoever follows, on ``err``."""
        self._say("err", line)

    def look(self) -> None:
        """Say the lines that are complete by now."""
        for stream in STREAMS:
            with (self._folder / stream).open("rb") as file:
                file.seek(self._read[stream])
                text = file.read()
            self._read[stream] += len(text)
            *lines, self._rest[stream] = (self._rest[stream] + text).split(b"\n")
            for line in lines:
                self._say(stream, line.decode(errors="replace"))

    def finish(self) -> None:
        """Say what is left, also a line without an end."""
        self.look()
        for stream in STREAMS:
            if rest := self._rest[stream]:
                self._say(stream, rest.decode(errors="replace"))
                self._rest[stream] = b""
