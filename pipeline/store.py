"""Where everything of one city lies, below its output path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.locks import make_folder, only_one


@dataclass(frozen=True)
class Store:
    """The tables, the cube and the models of a city, each below ``root``, a local folder."""

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
    def tuning(self) -> Path:
        """Folder of the searches for parameters."""
        return Path(self.root) / "tuning"

    @property
    def has_silver(self) -> bool:
        """Whether anything was ever ingested."""
        return _is_table(self.silver)

    @property
    def has_bronze(self) -> bool:
        """Whether any delivered row is held."""
        return _is_table(self.bronze)

    def require_own(self) -> None:
        """Raise ConfigError where what is to become a table holds files of somebody else."""
        for table in (self.bronze, self.silver, self.quarantine):
            for path in Path(table).glob("*"):
                if not path.match("part-*.parquet"):  # left by a run that was killed
                    raise ConfigError(
                        f"output.path: {path} is none of ours: give the city a folder of its own"
                    )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process writes a store. Raises BusyError where another does."""
        folder = make_folder(Path(self.root), "output.path")
        with only_one(folder / ".night.lock", f"another run writes {self.root}"):
            yield


def _is_table(path: str) -> bool:
    """Whether a version of a Delta table was ever committed; looks at its log's folder alone."""
    return any(Path(path, "_delta_log").glob("*.json"))
