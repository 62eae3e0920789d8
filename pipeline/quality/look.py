"""What ``hexcast quality`` shows of a store: nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grids.snapshots import BRANCH, open_repository
from pipeline.config import Config
from pipeline.errors import MissingInputError
from pipeline.quality.history import read_past, read_refused
from pipeline.quality.record import QualityRecord
from pipeline.quality.report import city_delay, quality_lines, trend_lines
from pipeline.store import Store

SHOWN = 14


def look(config: Config, count: int = SHOWN) -> dict[str, Any]:
    """The newest deliveries, the one refused since, and the city's delays, as plain values.

    Raises MissingInputError where nothing was ever delivered.
    """
    store = Store(config.output.path)
    past, refused = read_past(store.root, count=count), read_refused(store.root)
    if not past and not refused:
        raise MissingInputError(f"{store.root} holds no delivery yet: run hexcast nightly first")
    return {
        "deliveries": [record.model_dump(mode="json") for record in past],
        "refused": refused.model_dump(mode="json") if refused else None,
        "city_delay": _city_delay(store),
    }


def _city_delay(store: Store) -> dict[str, float] | None:
    """None until a night has made a state."""
    if not Path(store.cube).is_dir():
        return None
    from pipeline.cubing import read_state

    try:
        state = read_state(open_repository(store.cube).readonly_session(BRANCH).store)
    except FileNotFoundError:
        return None
    return city_delay(state.delay, state.as_of)


def look_lines(config: Config, found: dict[str, Any]) -> Iterator[str]:
    """The newest delivery in full, then the table of the last ones."""
    records = [QualityRecord.model_validate(record) for record in found["deliveries"]]
    refused = QualityRecord.model_validate(found["refused"]) if found["refused"] else None
    newest = refused or records[-1]
    yield f"{newest.made_at.astimezone(config.zone):%Y-%m-%d %H:%M %Z}: {_names(newest)}"
    yield from quality_lines(newest, found["city_delay"])
    yield ""
    yield from trend_lines([*records, refused] if refused else records, config.zone)


def _names(record: QualityRecord) -> str:
    return ", ".join(record.deliveries[:3]) + (", ..." if record.deliveries[3:] else "")
