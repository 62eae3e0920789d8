"""How often the quality checks would have been wrong: a city's history as nightly deliveries.

    python benchmarks/quality.py configs/denver.yaml 2019-03-01 2024-10-27 [--gaps] [--out FILE]

Every night delivers what became known since the last one, as the configuration tells it; the city's
own grid is left out. Beside each, a tenth of its rows, drawn at random, is judged: it has to be
refused. `--gaps`: on two days of every fourth week nothing comes, and then three days at once.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.config import Config
from pipeline.ingest.bronze import as_bronze
from pipeline.ingest.clean import Cleaner
from pipeline.load import load_config
from pipeline.quality.assess import assess, judged
from pipeline.quality.drift import LEAST
from pipeline.quality.history import READ
from pipeline.quality.record import QualityRecord, measure
from pipeline.quality.tally import tally
from pipeline.sources.recipe import make_source


def clean(config: Config, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Cleaned rows known from ``first`` on, with the local ``day`` on which they became known."""
    source = make_source(config.source)
    cleaner = Cleaner(config, None, pd.Timestamp.now("UTC").to_pydatetime())
    found = []
    with tempfile.TemporaryDirectory() as landing:
        for part in source.fetch(source.deliveries(), Path(landing)):
            names = config.source.columns.names
            rows = cleaner(as_bronze(part.read(names), config.source.columns)).drop(columns="row")
            known = rows["known_at"].dt.tz_convert(config.zone).dt.tz_localize(None).dt.normalize()
            found.append(rows.assign(day=known)[known.between(first, last)])
    rows = pd.concat(found, ignore_index=True).drop_duplicates("id")
    return rows.assign(revision=0)


def replay(
    config: Config, rows: pd.DataFrame, first: pd.Timestamp, gaps: bool
) -> Iterator[tuple[str, pd.DataFrame, QualityRecord, list[QualityRecord]]]:
    """Each delivery from ``first`` on: its newest day, rows, record, and the records before it."""
    since = _midnight(first, config)
    past = [_measured(config, rows[rows["day"] < first], since, None)]
    waiting = []
    for day, delivered in rows[rows["day"] >= first].groupby("day"):
        waiting.append(delivered)
        if gaps and day.day_of_week in (4, 5) and (day - first).days // 7 % 4 == 0:
            continue
        at, news = _midnight(day + pd.Timedelta("1D"), config), pd.concat(waiting)
        found = _measured(config, news, at, since)
        yield f"{day:%Y-%m-%d}", news, found, past
        past = [*past, judged(found, past, config.quality, accept=True)][-READ:]
        since, waiting = at, []


def _midnight(day: pd.Timestamp, config: Config) -> datetime:
    return day.tz_localize(config.zone).tz_convert("UTC").to_pydatetime()


def _measured(
    config: Config, rows: pd.DataFrame, at: datetime, since: datetime | None
) -> QualityRecord:
    good, bad = rows[rows["reason"] == ""], rows.loc[rows["reason"] != "", "reason"]
    if since:  # a first delivery's rows were known when they were reported
        good = good.assign(known_at=pd.Timestamp(at).as_unit("us"))
    counts = tally(good, config.zone)
    return measure(
        counts, len(rows), len(good), Counter(bad), [config.name], at, config.zone, since
    )


def judge_all(config: Config, rows: pd.DataFrame, first: pd.Timestamp, gaps: bool) -> dict:
    """Counts of nights, stops and warnings, with what was said, and how the tenths fared."""
    rng, result = np.random.default_rng(0), Counter()
    stops: dict[str, list[str]] = {}
    warnings: dict[str, list[str]] = {}
    missed: dict[str, str] = {}
    for day, news, found, past in replay(config, rows, first, gaps):
        result["nights"] += 1
        judgment = assess(found, past, config.quality)
        if judgment.errors:
            stops[day] = [finding.text for finding in judgment.errors]
        elif judgment.warnings:
            warnings[day] = [finding.text for finding in judgment.warnings]
        if len(past) > LEAST:
            few = news[rng.random(len(news)) < 0.1]
            broken = _measured(config, few, found.made_at, past[-1].made_at)
            result["tenths"] += 1
            if not assess(broken, past, config.quality).errors:
                missed[day] = f"{broken.rows.news} of {found.rows.news} incidents"
    told = {"stopped": stops, "warned": warnings, "tenths taken": missed}
    return {"city": config.name, "gaps": gaps, **result, **told}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("first", type=pd.Timestamp)
    parser.add_argument("last", type=pd.Timestamp)
    parser.add_argument("--gaps", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    history = arguments.first - pd.Timedelta("90D")
    rows = clean(config, history, arguments.last)
    text = json.dumps(judge_all(config, rows, arguments.first, arguments.gaps), indent=1)
    if arguments.out:
        arguments.out.write_text(f"{text}\n")
    print(text)


if __name__ == "__main__":
    main()
