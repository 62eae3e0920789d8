"""A first configuration for a city, from a look at its data; asks nothing and says its doubts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import yaml

from pipeline.config import Config
from pipeline.errors import ConfigError, DataError
from pipeline.ingest.bronze import as_bronze
from pipeline.ingest.clean import Cleaner
from pipeline.init.draft import Draft, Judged
from pipeline.init.files import short_name
from pipeline.init.look import look
from pipeline.init.table import open_table
from pipeline.init.text import yaml_of
from pipeline.load import parse_config
from pipeline.place import make_grid
from pipeline.sources.source import DELIVERY, MALFORMED

_ROWS_TRIED = 100_000
_MOST_LOST_REPORTS = 0.02


@dataclass(frozen=True)
class InitResult:
    """What was written. ``lines``: the closing message, with the commands to run next."""

    path: Path
    name: str
    kept: float
    as_of: str | None
    doubts: tuple[str, ...]
    lines: tuple[str, ...]


def init_city(
    source: Sequence[str],
    out: Path | None,
    boundary: Path | None,
    place: str | None,
    now: datetime,
) -> InitResult:
    """Write a configuration for the data at ``source``, tried on a sample of its rows.

    ``source``: files, patterns, folders, or addresses of files and services. ``out``: the file to
    write, by default the source's name in the working folder. ``boundary``: a file with the city's
    outline. ``place``: the city's name, or latitude and longitude, where projected coordinates
    leave it open. ``now``: aware.

    Raises ConfigError where the file is there already, DataError where the data cannot be used,
    MissingInputError where there are none; nothing is written then.
    """
    if not source:
        raise ConfigError("no source is given: name a file, a folder, a pattern or an address")
    _require_new(out or Path(f"{short_name(source[0])}.yaml"))
    with open_table(source) as table:
        draft = look(table, out, boundary, place, now)
        _require_new(draft.out)
        draft = _judged(draft)
    text = yaml_of(draft)
    _parsed(text, draft)
    draft.out.parent.mkdir(parents=True, exist_ok=True)
    with draft.out.open("x", encoding="utf-8") as handle:
        handle.write(text)
    return _result(draft)


def _require_new(out: Path) -> None:
    if out.exists():
        raise ConfigError(f"{out} is there already: choose another with --out, or delete it")


def _parsed(text: str, draft: Draft) -> Config:
    return parse_config(yaml.safe_load(text), draft.out)


def _judged(draft: Draft) -> Draft:
    """The draft with what the cleaner makes of a sample; without reports that cost rows."""
    judged = _judge(draft)
    lost = sum(share for reason, share in judged.reasons.items() if "report" in reason)
    if lost > _MOST_LOST_REPORTS and draft.times.reported:
        name = draft.times.reported.name
        unused = {
            **draft.times.unused,
            name: f"{lost:.1%} of the rows would be lost for want of it",
        }
        draft = replace(draft, times=replace(draft.times, reported=None, unused=unused))
        judged = _judge(draft)
    if not judged.kept:
        reason, share = max(judged.reasons.items(), key=lambda item: item[1])
        raise DataError(
            f"none of {judged.rows:,} rows can be used; {share:.0%} of them: {reason}. See "
            "docs/configuration.md for how to write the configuration by hand"
        )
    doubts = draft.doubts
    if judged.kept < 0.9:
        doubts = (f"only {judged.kept:.0%} of the rows can be used", *doubts)
    return replace(draft, judged=judged, doubts=doubts)


def _judge(draft: Draft) -> Judged:
    """What the cleaner makes of a sample with the configuration as drafted."""
    config = _parsed(yaml_of(draft), draft)
    grid = make_grid(config, lambda: draft.place.bounds) if config.grid.boundary else None  # type: ignore[arg-type,return-value]
    rows = draft.table.rows
    some = rows.iloc[:: max(1, len(rows) // _ROWS_TRIED)]
    raw = some[[*config.source.columns.names, DELIVERY, MALFORMED]]
    cleaned = Cleaner(config, grid, draft.now)(
        as_bronze(raw.reset_index(drop=True), config.source.columns)
    )
    reasons: pd.Series = cleaned["reason"].value_counts(normalize=True)
    found = {str(reason): float(share) for reason, share in reasons.items() if reason}
    return Judged(len(cleaned), float((cleaned["reason"] == "").mean()), found)


def _result(draft: Draft) -> InitResult:
    assert draft.judged is not None
    doubts = draft.all_doubts
    span, place = draft.span, draft.place
    lines = [
        f"{draft.out}: {draft.name}, around {place.city}, {place.timezone}",
        f"about {draft.table.total:,} rows, {span.start} to {span.last}; "
        f"{draft.judged.kept:.1%} of {draft.judged.rows:,} tried can be used",
        f"doubts, which stand in the file: {len(doubts)}",
        *(f"doubt: {doubt}" for doubt in doubts),
        *(f"next: {command}" for command in draft.commands),
    ]
    as_of = draft.as_of if draft.is_old else None
    return InitResult(draft.out, draft.name, draft.judged.kept, as_of, doubts, tuple(lines))
