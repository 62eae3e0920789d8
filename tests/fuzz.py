"""Feeds dirt to whatever reads from outside: ``python tests/fuzz.py --minutes 30``.

Files, their text, typed columns, and configurations, made by Hypothesis from sound ones. Whatever
comes in, either every row comes out once, kept, merged or quarantined, or there is an error of
ours, on one line a fault. Anything else is a finding; it ends with the example that shows it.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from tiny import NOW, good_rows, make_config

from grids.hexgrid import HexGrid
from pipeline.config import Config
from pipeline.errors import ConfigError, HexcastError
from pipeline.ingest.bronze import as_bronze
from pipeline.ingest.clean import Cleaner
from pipeline.ingest.keys import Keys
from pipeline.ingest.revisions import settle
from pipeline.load import load_config
from pipeline.place import make_grid
from pipeline.sources.files import FileSource

EVENTS: Counter[str] = Counter()
CONFIGS = Path(__file__).parent.parent / "configs"

# Pieces that break parsers, beside what Hypothesis thinks of itself.
PIECES = st.one_of(
    st.sampled_from([b'"', b'""', b",", b";", b"\n", b"\r", b"\r\n", b"\x00", b"'", b"\t", b"\\"]),
    st.sampled_from([b"\xef\xbb\xbf", b"\xff\xfe", b"\x93", b"\xe2\x80\xa8"]),
    st.sampled_from([b"=1+1", b"-0", b"nan", b"1e400", b"9" * 400, b"null"]),
)
ODD_TEXT = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        "now today NaT inf -inf 1e309 0x10 24:00 00:60 2/30/2024 2024-W09-3 1709251200 ٣".split()
    ),
    st.sampled_from(["12/31/2024 12:00:00 PM", "2024-03-10 02:30", "2024-11-03T01:30:00+99:99"]),
    st.sampled_from(
        ["0", "-0.0", "39,75", "1.7976931348623157e308", "90.0000001", "\ufeff1", "１２"]
    ),
    st.floats().map(str),
    st.integers().map(str),
    st.datetimes().map(str),
)


@cache
def city() -> tuple[Config, HexGrid, Path]:
    """A tiny city in a folder of its own; its source is folder/incidents.csv."""
    folder = Path(tempfile.mkdtemp(prefix="hexcast-fuzz-"))
    config = make_config(folder, {"status": "DISTRICT"}, source={"retracted": ["2"]})
    return config, make_grid(config, lambda: (0, 0, 1, 1)), folder


def take_in(path: Path, **changes: Any) -> None:
    """Read a file as a night does, and account for every row of it."""
    config, grid, _ = city()
    source = config.source.model_copy(update={"path": (str(path),), **changes})
    reader, columns = FileSource(source), source.columns
    config = config.model_copy(update={"source": source})
    try:
        parts = reader.fetch(reader.deliveries(), path.parent / "landing")
        raw = pd.concat([part.read(columns.names) for part in parts], ignore_index=True)
    except HexcastError as fault:
        refused(fault)
        return
    cleaned = Cleaner(config, grid, NOW)(as_bronze(raw, columns))
    settled = settle(cleaned, Keys("/nowhere", source.reading).latest(cleaned["id"]))
    out = len(settled.kept) + len(settled.refused) + settled.merged
    assert out == len(raw), f"{len(raw)} rows in, {out} out"
    assert (settled.refused["reason"] != "").all()
    kept = settled.kept
    assert (kept["known_at"] > kept["occurred_at"]).all()
    assert grid.index_of(kept["cell"].to_numpy().astype("uint64")).min(initial=0) >= 0
    EVENTS["rows kept"] += len(kept)
    EVENTS["rows quarantined"] += len(settled.refused)


def refused(fault: HexcastError) -> None:
    """An error of ours says something, on one line a fault."""
    text = str(fault)
    assert text.strip(), "an error without a text"
    assert len(text) < 5000, f"an error of {len(text)} letters"
    EVENTS[f"refused as {type(fault).__name__}"] += 1


@st.composite
def broken_csv(draw: st.DrawFn) -> bytes:
    """A sound file with pieces put in, cut out and turned over."""
    text = good_rows(draw(st.integers(0, 12))).to_csv(index=False).encode()
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(text)))
        end = min(at + draw(st.integers(0, 60)), len(text))
        what = draw(st.sampled_from(["put", "cut", "turn", "double"]))
        piece = draw(st.one_of(PIECES, st.binary(max_size=8)))
        text = {
            "put": text[:at] + piece + text[at:],
            "cut": text[:at] + text[end:],
            "turn": text[:at] + text[at:end][::-1] + text[end:],
            "double": text[:end] + text[at:],
        }[what]
    return text


def broken_files(text: bytes, delimiter: str) -> None:
    """CSV files with anything in them."""
    path = city()[2] / "broken.csv"
    path.write_bytes(text)
    take_in(path, delimiter=delimiter)


def odd_values(data: st.DataObject) -> None:
    """Sound files with odd values in sound cells."""
    rows = good_rows(data.draw(st.integers(1, 8)))
    for _ in range(data.draw(st.integers(1, 12))):
        row = data.draw(st.integers(0, len(rows) - 1))
        column = data.draw(st.sampled_from(list(rows.columns)))
        rows.loc[row, column] = data.draw(ODD_TEXT).replace("\ud800", "")
    path = city()[2] / "odd.csv"
    path.write_bytes(rows.to_csv(index=False).encode("utf-8", errors="replace"))
    formats = data.draw(
        st.sampled_from([("ISO8601",), ("%m/%d/%Y %I:%M:%S %p", "ISO8601"), ("%Y %m %d %H%M",)])
    )
    take_in(path, date_formats=formats, aoristic=data.draw(st.booleans()))


ARROW_VALUES = st.sampled_from(
    [
        pa.array([1, None, -(2**62)]),
        pa.array([1.5, float("nan"), float("inf")]),
        pa.array([True, None, False]),
        pa.array([datetime(2024, 4, 1, 5), None, datetime(1, 1, 1)], pa.timestamp("us")),
        pa.array([datetime(2024, 4, 1, 5, tzinfo=UTC)] * 3, pa.timestamp("ns", "Asia/Tokyo")),
        pa.array([datetime(2024, 4, 1).date(), None, None]),
        pa.array([b"\xff\xfe", b"ok", None]),
        pa.array([[1, 2], [], None]),
        pa.array([{"a": 1}, {"a": None}, None]),
        pa.array(["39.74", "", None]).dictionary_encode(),
        pa.array([None, None, None], pa.null()),
        pa.array(["4/1/2024 5:00:00 AM", "x" * 70_000, "\x00"]),
        pa.array([1, 2, 3], pa.decimal128(20, 3)),
        pa.array([3_600_000_000, None, 0], pa.duration("us")),
        pa.array(["a", "b", None], pa.large_string()),
    ]
)


def typed_files(columns: dict[str, pa.Array], data: st.DataObject) -> None:
    """Parquet files of any types, whole and damaged."""
    table = pa.Table.from_pandas(good_rows(3), preserve_index=False)
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    body = bytearray(buffer.getvalue())
    if data.draw(st.booleans()):
        for _ in range(data.draw(st.integers(1, 5))):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        body = body[: data.draw(st.integers(1, len(body)))]
    path = city()[2] / "typed.parquet"
    path.write_bytes(bytes(body))
    take_in(path, format="parquet")


YAML_LEAVES = st.one_of(
    st.sampled_from(["${HOME}", "${NOWHERE}", "../..", "tcp://x", "%Y", "EPSG:2232", "(", "[a"]),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.dates()),
    ODD_TEXT,
)
YAML_VALUES = st.recursive(
    YAML_LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


def configurations(data: st.DataObject) -> None:
    """Configurations with values left out, put in and of other kinds; and broken YAML."""
    shipped = sorted(CONFIGS.glob("*.yaml"))
    text = data.draw(st.sampled_from(shipped)).read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    for _ in range(data.draw(st.integers(1, 4))):
        section = values
        while data.draw(st.booleans()):
            inner = [v for v in section.values() if isinstance(v, dict) and v]
            if not inner:
                break
            section = data.draw(st.sampled_from(inner))
        key = data.draw(st.sampled_from(sorted(map(str, section))) | st.text(max_size=10))
        if data.draw(st.booleans()):
            section.pop(key, None)
        else:
            section[key] = data.draw(YAML_VALUES)
        if not section:
            break
    text = yaml.safe_dump(values, allow_unicode=True)
    if data.draw(st.integers(0, 4)) == 0:
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.text(max_size=5)) + text[at:]
    path = city()[2] / "city.yaml"
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    try:
        load_config(path)
        EVENTS["configurations loaded"] += 1
    except ConfigError as fault:
        refused(fault)


TARGETS: dict[Callable[..., None], tuple[Any, ...]] = {
    broken_files: (broken_csv(), st.sampled_from([",", ";", "\t"])),
    odd_values: (st.data(),),
    typed_files: (
        st.dictionaries(st.sampled_from(list(good_rows(1).columns)), ARROW_VALUES),
        st.data(),
    ),
    configurations: (st.data(),),
}


def feed(target: Callable[..., None], examples: int, number: int, shrink: bool = True) -> None:
    """So many examples, the same for a number; raises at the first finding, made small."""
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    free = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=False,
        print_blob=True,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    seed(number)(free(given(*TARGETS[target])(target)))()
    EVENTS[f"examples of {target.__name__}"] += examples


def main() -> None:
    """Fuzz every target in turn until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    number = options.seed
    while time.monotonic() < end:
        for target in TARGETS:
            number += 1
            feed(target, 100, number)
    for name, count in sorted(EVENTS.items()):
        print(f"{count:>10,}  {name}")
    print(f"{options.minutes:g} minutes, no findings")


if __name__ == "__main__":
    main()
