"""Deliveries of a few rows, settled one after the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from pipeline.ingest.bronze import ROW
from pipeline.ingest.clean import CLEAN
from pipeline.ingest.key_tables import LATEST
from pipeline.ingest.revisions import Settled, settle

START, NEVER = datetime(2024, 5, 1, tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
BARE: dict[str, Any] = {"id": "A", "content": 1, "occurred_at": START, "known_at": START}
BARE |= {"revised_at": None, "retracted": False, "category": "theft", "group": "property"}
BARE |= {"cell": 617671331407200255, "delivery": "file", "reason": "", "lat": 39.7, "said": ROW}


def hours(count: float) -> datetime:
    return START + timedelta(hours=count)


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Clean incidents: the bare row with each of the changes."""
    values = [BARE | row for row in rows]
    columns = {name: pd.Series([row.get(name) for row in values], dtype="object") for name in CLEAN}
    filled = {name: False for name, kind in CLEAN.items() if kind == "bool"}
    filled |= {name: "" for name, kind in CLEAN.items() if kind == "str"}
    return pd.DataFrame(columns).fillna(filled).astype(CLEAN)


UNKNOWN = pd.DataFrame({name: pd.Series(dtype=CLEAN.get(name, "int64")) for name in LATEST[:-1]})
UNKNOWN = UNKNOWN.assign(source=pd.Series(dtype="str"))


def latest(kept: pd.DataFrame, before: pd.DataFrame = UNKNOWN) -> pd.DataFrame:
    """What is known last of every key, after revisions were added to what was."""
    rows = kept.rename(columns={"delivery": "source"})[LATEST]
    known = pd.concat([before, rows], ignore_index=True).sort_values("revision")
    return known.drop_duplicates("id", keep="last").astype(UNKNOWN.dtypes.to_dict())


def deliver(*deliveries: list[dict[str, Any]], after: pd.DataFrame = UNKNOWN) -> list[Settled]:
    """Ingestions after each other, each knowing the newest revisions of those before."""
    out = []
    for rows in deliveries:
        out.append(settle(frame(rows), after))
        after = latest(out[-1].kept, after)
    return out
