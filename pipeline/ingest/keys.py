"""What is known last of every key, found without reading the history: an index beside silver.

SQLite, because a night looks up a few hundred keys among millions, in no order. The index is made
of silver and quarantine alone and can be made again from them: it holds the files that it has
seen, and catches up with what was committed since, so that a killed run leaves nothing to mend.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.store import Store
from pipeline.tables import active_files, table_id

LATEST = "id revision content known_at occurred_at revised_at cell group retracted source".split()
_CODED = ("group", "source")
_TIMES = ("known_at", "occurred_at", "revised_at")
# What such a row lacks may come by itself: when it is delivered again it is looked at again.
PASSING = ("in the future", "reported in the future", "revised in the future")
# The row is sound, but the place is not in the city (any more).
ELSEWHERE = ("outside the bounds", "outside the boundary")
DUPLICATE_KEY = "duplicate key"
_CACHE_KIB = 256 * 1024
_SCHEMA = """
create table if not exists latest (id text primary key, revision int, content int, known_at int,
    occurred_at int, revised_at int, cell int, "group" int, retracted int, source int)
    without rowid;
create table if not exists heard (content integer primary key);
create table if not exists refused (content int, reading text, primary key (content, reading))
    without rowid;
create table if not exists names (number integer primary key, name text unique);
create table if not exists taken (address text primary key, version int) without rowid;
create table if not exists files (path text primary key) without rowid;
create table if not exists made_of (silver text);
"""


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
        with closing(sqlite3.connect(f"{address}?mode=ro", uri=True)) as database:
            yield database

    def _catch_up(self, store: Store) -> None:
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path)) as database, database:
            database.execute(f"pragma cache_size = -{_CACHE_KIB}")
            _begin(database, table_id(store.silver))
            seen = {path for (path,) in database.execute("select path from files")}
            there = {*active_files(store.silver), *active_files(store.quarantine)}
            for path in active_files(store.silver):
                if path not in seen:
                    _learn(database, _read(path, [*LATEST[:-1], "delivery"]))
            for path in active_files(store.quarantine):
                if path not in seen:
                    _refuse(database, _read(path, ["reason", "content", "reading", "delivery"]))
            news = [(path,) for path in there - seen]
            database.executemany("insert into files values (?)", news)
            gone = [(path,) for path in seen - there]
            database.executemany("delete from files where path = ?", gone)


def _begin(database: sqlite3.Connection, silver: str) -> None:
    """Empty tables where there are none, or where they were made of another silver."""
    database.executescript(_SCHEMA)
    made_of = database.execute("select silver from made_of").fetchone()
    if made_of != (silver,):
        for table in ("latest", "heard", "refused", "names", "taken", "files", "made_of"):
            database.execute(f"delete from {table}")
        database.execute("insert into made_of values (?)", (silver,))


def _read(path: str, columns: list[str]) -> pd.DataFrame:
    rows: pd.DataFrame = pq.read_table(path, columns=columns).to_pandas()
    return rows.rename(columns={"delivery": "source"})


def _learn(database: sqlite3.Connection, rows: pd.DataFrame) -> None:
    """Take in revisions: the newest of a key stands, what it supersedes has been heard."""
    coded = rows.assign(retracted=rows["retracted"].astype("int64"))
    for name in _CODED:
        coded[name] = _codes(database, coded[name])
    for name in _TIMES:
        coded[name] = coded[name].astype("datetime64[us, UTC]").astype("int64")
        coded.loc[rows[name].isna(), name] = None
    newest = coded.sort_values(["id", "revision"])[LATEST]
    last = ~newest["id"].duplicated(keep="last")
    _hear(database, newest[~last])
    values = zip(*(_plain(newest.loc[last, name]) for name in LATEST), strict=True)
    insert = f"insert into latest values ({', '.join('?' * len(LATEST))}) on conflict do nothing"
    added = database.executemany(insert, values).rowcount
    if added < last.sum():
        _supersede(database, newest[last])


def _supersede(database: sqlite3.Connection, rows: pd.DataFrame) -> None:
    """Settle rows against those that are there, whichever of the two is newer."""
    database.execute("create temp table news as select * from latest limit 0")
    values = zip(*(_plain(rows[name]) for name in LATEST), strict=True)
    marks = ", ".join("?" * len(LATEST))
    database.executemany(f"insert into news values ({marks})", values)
    for old, new in (("latest", "news"), ("news", "latest")):
        database.execute(
            f"insert or ignore into heard select {old}.content from news "
            f"join latest using (id) where {old}.revision < {new}.revision"
        )
    database.execute(
        "insert or replace into latest select news.* from news join latest using (id) "
        "where news.revision > latest.revision"
    )
    database.execute("drop table news")


def _refuse(database: sqlite3.Connection, rows: pd.DataFrame) -> None:
    _codes(database, rows["source"])
    is_sound = rows["reason"].isin([DUPLICATE_KEY, *ELSEWHERE])
    _hear(database, rows[is_sound])
    lasting = rows[~is_sound & ~rows["reason"].isin(PASSING)]
    pairs = zip(lasting["content"].tolist(), lasting["reading"].tolist(), strict=True)
    database.executemany("insert or ignore into refused values (?, ?)", pairs)


def _hear(database: sqlite3.Connection, rows: pd.DataFrame) -> None:
    contents = ((content,) for content in rows["content"].tolist())
    database.executemany("insert or ignore into heard values (?)", contents)


def _codes(database: sqlite3.Connection, names: pd.Series) -> pd.Series:
    unique = [(name,) for name in names.unique().tolist()]
    database.executemany("insert or ignore into names (name) values (?)", unique)
    codes = dict(database.execute("select name, number from names").fetchall())
    return names.map(codes).astype("int64")


def _plain(column: pd.Series) -> list[object]:
    """Python values, None where there is none."""
    if not column.isna().any():
        return list(column.tolist())
    return [None if pd.isna(value) else int(value) for value in column.tolist()]


def _typed(found: pd.DataFrame, names: dict[int, str]) -> pd.DataFrame:
    kinds = {"id": "str", "revision": "int64", "content": "int64", "cell": "int64"}
    for name in found.columns.intersection([*_TIMES]):
        micros = pd.to_numeric(found[name]).astype("Int64")
        found[name] = pd.to_datetime(micros, unit="us", utc=True).astype("datetime64[us, UTC]")
    for name in found.columns.intersection([*_CODED]):
        is_code = found[name].map(lambda value: isinstance(value, int)).astype(bool)
        found[name] = found[name].where(~is_code, found[name].map(names)).astype("str")
    if "retracted" in found:
        found["retracted"] = found["retracted"].astype(bool)
    return found.astype({name: kind for name, kind in kinds.items() if name in found})
