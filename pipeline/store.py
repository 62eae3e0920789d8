"""Where everything of one city lies, below its output path."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable

from pipeline.errors import BusyError, ConfigError


@dataclass(frozen=True)
class Store:
    """The tables, the cube and the models of a city, as fsspec addresses."""

    root: str

    @property
    def landing(self) -> Path:
        """Folder of what is being fetched from elsewhere."""
        return Path(self.root) / "landing"

    @property
    def bronze(self) -> str:
        """Delta table of the rows as they were delivered."""
        return f"{self.root}/bronze"

    @property
    def silver(self) -> str:
        """Delta table of incident revisions."""
        return f"{self.root}/silver/incidents"

    @property
    def quarantine(self) -> str:
        """Delta table of rows that could not be used, with the reason."""
        return f"{self.root}/silver/quarantine"

    @property
    def keys(self) -> str:
        """The index of what is known last of every key."""
        return f"{self.root}/silver/keys.sqlite"

    @property
    def cube(self) -> str:
        """Icechunk repository of cube and state."""
        return f"{self.root}/cube"

    @property
    def models(self) -> Path:
        """Folder of the models."""
        return Path(self.root) / "models"

    @property
    def has_silver(self) -> bool:
        """Whether anything was ever ingested."""
        return bool(DeltaTable.is_deltatable(self.silver))

    def clear(self) -> None:
        """Forget the tables of a store whose first ingestion was not finished."""
        for path in (self.bronze, str(Path(self.silver).parent)):
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process writes a store. Raises BusyError where another does."""
        folder = Path(self.root)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise ConfigError(f"output.path: {folder} cannot be made ({fault})") from fault
        with (folder / ".night.lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as fault:
                raise BusyError(
                    f"another run writes {self.root}: try again when it is done"
                ) from fault
            yield
