"""The tables of the index of keys, made of the committed files of silver and quarantine."""

from __future__ import annotations

import sqlite3

import pandas as pd
import pyarrow.parquet as pq

from pipeline.store import Store
from pipeline.tables import listing

LATEST = "id revision content known_at occurred_at revised_at cell group retracted source".split()
CODED = ("group", "source")
TIMES = ("known_at", "occurred_at", "revised_at")
# The row is sound, but the place is not in the city (any more).
ELSEWHERE = ("outside the bounds", "outside the boundary")
DUPLICATE_KEY = "duplicate key"
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
create table if not exists origin (silver text, version int, refused int);
"""


def bring_up(database: sqlite3.Connection, store: Store) -> None:
    """Read what was committed since, within the transaction that the caller commits."""
    silver, quarantine = listing(store.silver), listing(store.quarantine)
    assert silver, "keys are of incidents"
    refused = set(quarantine.files) if quarantine else set()
    if _is_of(database, (silver.name, silver.version, quarantine.version if quarantine else 0)):
        return
    seen = {path for (path,) in database.execute("select path from files")}
    for path in set(silver.files) - seen:
        _learn(database, _read(path, [*LATEST[:-1], "delivery"]))
    for path in refused - seen:
        _refuse(database, _read(path, ["reason", "content", "reading", "delivery"]))
    there = refused.union(silver.files)
    database.executemany("insert into files values (?)", [(path,) for path in there - seen])
    database.executemany("delete from files where path = ?", [(path,) for path in seen - there])


def _is_of(database: sqlite3.Connection, now: tuple[str, int, int]) -> bool:
    """Whether the tables are of ``now``: silver's name and version, and quarantine's version.

    They are emptied where silver is another, or went back to an earlier version.
    """
    database.executescript(_SCHEMA)
    before = database.execute("select silver, version, refused from origin").fetchone()
    if before == now:
        return True
    if before is None or before[0] != now[0] or before[1] > now[1] or before[2] > now[2]:
        for table in ("latest", "heard", "refused", "names", "taken", "files"):
            database.execute(f"delete from {table}")
    database.execute("delete from origin")
    database.execute("insert into origin values (?, ?, ?)", now)
    return False


def _read(path: str, columns: list[str]) -> pd.DataFrame:
    rows: pd.DataFrame = pq.read_table(path, columns=columns).to_pandas()
    return rows.rename(columns={"delivery": "source"})


def _learn(database: sqlite3.Connection, rows: pd.DataFrame) -> None:
    """Take in revisions: the newest of a key stands, what it supersedes has been heard."""
    coded = rows.assign(retracted=rows["retracted"].astype("int64"))
    for name in CODED:
        coded[name] = _codes(database, coded[name])
    for name in TIMES:
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
    faulty = rows[~is_sound]
    pairs = zip(faulty["content"].tolist(), faulty["reading"].tolist(), strict=True)
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
