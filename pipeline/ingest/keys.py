"""What is known last of every key, found without reading the history: an index beside silver.

SQLite, because a night looks up a few hundred keys among millions, in no order. The index is made
of silver and quarantine and can be made again from them: it holds the files that it has seen, and
catches up with what was committed since, so that a killed run leaves nothing to mend. Which
deliveries were taken in is all that is lost with it; they are then read once more.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline.errors import BusyError
from pipeline.ingest.key_tables import CODED, LATEST, TIMES, bring_up
from pipeline.store import Store

_CACHE_KIB = 256 * 1024


@dataclass(frozen=True)
class Keys:
    """The index of one store.

    ``latest``: the newest revision of every key. ``heard``: content of rows that were superseded,
    conflicted or lay elsewhere. ``refused``: content of rows in quarantine for what they say, as
    they were read. ``taken``: the deliveries that all this came from. ``reading``: how the
    source's text is read now (Source.reading).
    """

    path: str
    reading: str

    @classmethod
    def of(cls, store: Store, reading: str) -> Keys:
        """The index of a store, brought up to what is committed there.

        What was refused when it was read another way is looked at again. Only the process that
        holds the store's lock may call this.
        """
        keys = cls(store.keys, reading)
        if store.has_silver:
            keys._catch_up(store)
        return keys

    @property
    def is_empty(self) -> bool:
        """Whether no key was ever known: then nothing can have been said before."""
        return not Path(self.path).exists()

    def latest(self, ids: pd.Series) -> pd.DataFrame:
        """The newest revision of each of ``ids`` that is known; columns LATEST, times in UTC."""
        columns = ", ".join(f'"{name}"' for name in LATEST)
        return self._joined(f"select {columns} from wanted join latest using (id)", ids, LATEST)

    def said_before(self, rows: pd.DataFrame) -> pd.Series:
        """What each row (``id``, ``content``) is, after what was said before.

        ``new``; ``repeated``: it is the newest revision of its key; ``heard``: it was said before,
        and superseded, or it conflicted or lay elsewhere; ``refused``: it is in quarantine.
        """
        said = pd.Series("new", index=rows.index, dtype="str")
        if self.is_empty:
            return said
        query = "select id, content from wanted join latest using (id)"
        latest = self._joined(query, rows["id"], ["id", "content"])
        repeated = pd.MultiIndex.from_frame(rows[["id", "content"]]).isin(
            pd.MultiIndex.from_frame(latest)
        )
        for name in ("refused", "heard"):
            query = f"select content from wanted join {name} on content = id"
            query += " where reading = :reading" if name == "refused" else ""
            found = self._joined(query, rows["content"], ["content"])
            said[rows["content"].isin(found["content"]).to_numpy()] = name
        said[repeated] = "repeated"
        return said

    def sources(self) -> list[str]:
        """Addresses of all that was delivered before, among other names."""
        with self._open() as database:
            rows = database.execute("select name from names union select address from taken")
            return [name for (name,) in rows]

    def taken(self) -> dict[str, int]:
        """The version in which each delivery was taken in; fetching one again changes nothing."""
        if self.is_empty:
            return {}
        with self._open() as database:
            return dict(database.execute("select address, version from taken").fetchall())

    def take(self, versions: Mapping[str, int]) -> None:
        """Note the versions in which deliveries were taken in."""
        with closing(sqlite3.connect(self.path)) as database, database:
            database.executemany("insert or replace into taken values (?, ?)", versions.items())

    def live(self) -> pa.Array:
        """Keys of all incidents that are live, text."""
        with self._open() as database:
            rows = database.execute("select id from latest where not retracted")
            return pa.array([key for (key,) in rows], pa.string())

    def _joined(self, query: str, wanted: pd.Series, columns: list[str]) -> pd.DataFrame:
        if self.is_empty:
            return _typed(pd.DataFrame(columns=columns), {})
        with self._open() as database:
            database.execute("create temp table wanted (id primary key) without rowid")
            unique = sorted(wanted.unique().tolist())
            database.executemany("insert into wanted values (?)", ((key,) for key in unique))
            rows = database.execute(query, {"reading": self.reading}).fetchall()
            found = pd.DataFrame(rows, columns=columns)
            names = dict(database.execute("select number, name from names").fetchall())
        return _typed(found, names)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        address = Path(self.path).absolute().as_uri()
        try:
            with closing(sqlite3.connect(f"{address}?mode=ro", uri=True)) as database:
                yield database
        except sqlite3.OperationalError as fault:
            if not re.search("locked|readonly", str(fault)):
                raise
            raise BusyError(
                f"{self.path} is half written: a run is at work, or one was killed and the next "
                "night mends it: try again then"
            ) from fault

    def _catch_up(self, store: Store) -> None:
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        try:
            self._learn(store)
        except sqlite3.OperationalError:  # of the surroundings: a full disk, a closed folder
            raise
        except sqlite3.DatabaseError:  # of the file, which holds nothing that is not elsewhere
            Path(self.path).unlink()
            self._learn(store)

    def _learn(self, store: Store) -> None:
        with closing(sqlite3.connect(self.path)) as database, database:
            database.execute(f"pragma cache_size = -{_CACHE_KIB}")
            bring_up(database, store)


def _typed(found: pd.DataFrame, names: dict[int, str]) -> pd.DataFrame:
    kinds = {"id": "str", "revision": "int64", "content": "int64", "cell": "int64"}
    for name in found.columns.intersection([*TIMES]):
        micros = pd.to_numeric(found[name]).astype("Int64")
        found[name] = pd.to_datetime(micros, unit="us", utc=True).astype("datetime64[us, UTC]")
    for name in found.columns.intersection([*CODED]):
        is_code = found[name].map(lambda value: isinstance(value, int)).astype(bool)
        found[name] = found[name].where(~is_code, found[name].map(names)).astype("str")
    if "retracted" in found:
        found["retracted"] = found["retracted"].astype(bool)
    return found.astype({name: kind for name, kind in kinds.items() if name in found})
