"""What a redelivery says that is new: edits, reverts, retractions, what a snapshot leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import BOX, CLOCK, NOW, City, dirty_rows, good_rows, incidents, make_config

from grids.hexgrid import HexGrid
from pipeline.errors import EmptyDeliveryError
from pipeline.ingest import delivering
from pipeline.ingest.bronze import ABSENT, AGAIN, ROW, SAID
from pipeline.ingest.delivering import bundled
from pipeline.ingest.recipe import IngestRecord
from pipeline.sources.parquet_parts import ParquetPart
from pipeline.sources.source import Part
from pipeline.tables import active_files


class Nights:
    """A city's nights one after the other, each with the files that were written before it."""

    def __init__(self, city: City) -> None:
        self.city = city
        self._days: Iterator[int] = count()

    def __call__(self, **files: pd.DataFrame | None) -> IngestRecord:
        """Deliver files part-<name>.csv; None takes one away. Counts have to add up."""
        for name, rows in files.items():
            path = self.city.folder / f"part-{name}.csv"
            path.unlink() if rows is None else self.city.write(rows, path.name)
        record = self.city.ingest(now=self.now())
        assert record.rows_in == record.kept + record.merged + sum(record.quarantined.values())
        return record

    def touched(self, *names: str) -> IngestRecord:
        """The files again as they are."""
        for name in names:
            self.city.touch(f"part-{name}.csv")
        return self()

    def now(self) -> datetime:
        return NOW + next(self._days) * timedelta(days=1)


@pytest.fixture
def nights(city: City) -> Nights:
    return Nights(city)


@pytest.fixture
def snapshots(city: City) -> Nights:
    return Nights(city.configured(delivers="snapshot"))


def both(*rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(rows, ignore_index=True)


def nothing_new(record: IngestRecord) -> bool:
    return (record.kept, record.quarantined, record.absent) == (0, {}, 0)


# Stories of one key each, told together: what its rows say in the files of every night.
#
# A, B, C: categories, of which A was reported first and C last; a, b: take it back; o: A outside
# the city; x: A without a place; digits: versions in the order of their revision times, 0 without,
# = at the time of 1 and with another category, u after 3 and takes back. A file may hold several
# or none (.) of them; what is live after each night is told in the same letters, - for nothing.

ROWS = {
    "A": {"OFFENSE": "assault", "REPORTED": "5/1/2024 2:00:00 AM"},
    "B": {"OFFENSE": "theft", "REPORTED": "5/1/2024 3:00:00 AM"},
    "C": {"OFFENSE": "fraud", "REPORTED": "5/1/2024 4:00:00 AM"},
}
ROWS |= {"a": ROWS["A"] | {"COUNT": "-1"}, "b": ROWS["B"] | {"COUNT": "-1"}}
ROWS |= {"o": ROWS["A"] | {"LAT": "39.9"}}
ROWS |= {"x": ROWS["A"] | {"LAT": ""}, "0": ROWS["A"] | {"OFFENSE": "v0"}}
ROWS |= {n: ROWS["A"] | {"OFFENSE": f"v{n}", "UPDATED": f"6/{n}/2024 1:00:00 AM"} for n in "1234"}
ROWS |= {"=": ROWS["1"] | {"OFFENSE": "v="}, "u": ROWS["4"] | {"COUNT": "-1"}}
ROWS["4"] = ROWS["4"] | {"UPDATED": "6/5/2024 1:00:00 AM"}
LETTER = {"assault": "A", "theft": "B", "fraud": "C"} | {
    f"v{letter}": letter for letter in "01234="
}


@dataclass(frozen=True)
class Story:
    """``told``: night by night the rows in its files; ``revisions``, ``bad``: rows kept of it."""

    told: str
    live: str
    revisions: int
    bad: int = 0


def tell(
    city: City, plan: list[str], stories: dict[str, Story]
) -> tuple[dict[str, str], Counter[str], Counter[str]]:
    """What was live night after night, revisions and rows in quarantine, by story."""
    nights, base = Nights(city), incidents(z="theft").assign(COUNT="1", UPDATED="")
    base = base.assign(FROM="5/1/2024 1:00:00 AM", TO="")
    live = dict.fromkeys(stories, "")
    for number, files in enumerate(plan):
        delivered = {}
        for place, file in enumerate(files):
            rows = [base]
            for name, story in stories.items():
                letters = story.told.split()[number].split(",")[place].strip(".")
                rows += [base.assign(CASE=name, **ROWS[letter]) for letter in letters]
            delivered[file] = both(*rows)
        nights(**delivered)
        now = city.live()
        for name in stories:
            live[name] += LETTER[now[name]] if name in now else "-"
    return live, Counter(city.silver()["id"]), Counter(city.quarantine()["id"])


def check(folder: Path, stories: dict[str, Story], plan: list[str], **changes: Any) -> None:
    path = {"path": str(folder / "part*.csv"), "retracted": ["-1"]}
    columns = {"status": "COUNT"} | changes.pop("columns", {})
    config = make_config(folder, columns, source=path | changes)
    live, revisions, bad = tell(City(folder, config, HexGrid.from_extent(*BOX, 9)), plan, stories)
    found = {name: (live[name], revisions[name], bad[name]) for name in stories}
    assert found == {name: (s.live, s.revisions, s.bad) for name, s in stories.items()}


@pytest.fixture(autouse=True)
def may_be_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.enough.MIN_INCIDENTS", 1)


def test_two_files_that_are_edited_and_touched(tmp_path):
    plan = ["ab", "a", "b", "a", "ab", "b", "ab"]
    stories = {
        "there and back": Story("A,. B . A B,. . A,.", "ABBABBA", 5),
        "a third content": Story("A,. B . C A,. . C,.", "ABBCAAC", 5),
        "there and back by the other": Story("A,. A B A A,A A A,B", "AABBAAB", 4),
        "touched after the other": Story("A,. A B A A,B B A,B", "AABBBBB", 2),
        "touched, had said the same": Story("A,A B A B B,A A B,A", "ABBBBBB", 2),
        "touched, had repeated": Story("A,. A A B B,A A B,A", "AAABBBB", 2),
        "touched in the same night": Story("A,A A A A B,A A B,A", "AAAABBB", 2),
        "repeated first": Story(".,A A B A A,B B A,B", "AABBBBB", 2),
        "one of two goes on": Story("A,. A . A B,C C B,C", "AAAACCC", 3),
        "corrected in one, added in the other": Story("A,A A A A AB,B B AB,B", "AAAABBB", 2),
        "gone from an increment": Story("A,. . . . .,. . A,.", "AAAAAAA", 1),
        "gone from the later file": Story("A,. A B A A,. . A,.", "AABBBBB", 2),
        "conflict": Story("AB,. AB . AB AB,. . AB,.", "AAAAAAA", 1, 1),
        "conflict of two files": Story("A,B A B A A,B B A,B", "AAAAAAA", 1, 1),
        "conflict that comes later": Story("A,. AB . AB A,. . AB,.", "AAAAAAA", 1, 1),
        "conflict that is left": Story("AB,. AB . B B,. . AB,.", "AAABBBB", 2, 1),
        "unusable at first": Story("x,. x . A A,. . x,.", "---AAAA", 1, 1),
        "unusable later": Story("A,. x . x A,. . x,.", "AAAAAAA", 1, 1),
        "moves in": Story("o,. o . A o,. . A,.", "---A--A", 3, 1),
        "moves out": Story("A,. o . A o,. . o,.", "A--A---", 4),
        "outside beside": Story("Ao,. Ao . Ao A,. . Ao,.", "AAAAAAA", 1, 1),
        "outside comes beside": Story("A,. Ao . o o,. . A,.", "AAA---A", 3, 1),
        "taken back at once": Story("Aa,. Aa . Aa Aa,. . Aa,.", "-------", 2),
        "taken back later": Story("A,. Aa . Aa Aa,. . Aa,.", "A------", 2),
        "taken back by the other": Story("A,. A a A A,a a A,a", "AA-----", 2),
        "taken back, never known": Story(".,a . a . .,a a .,a", "-------", 1),
        "comes back": Story("A,. a . A a,. . A,.", "A--A--A", 5),
        "comes back otherwise": Story("A,. a . B B,. . B,.", "A--BBBB", 3),
        "comes back by the other": Story("A,. Aa B Aa Aa,B B Aa,B", "A-BBBBB", 3),
        "taken back by two rows": Story("A,. Aab . Aab Aab,. . Aab,.", "A------", 3),
        "taken back twice": Story("A,. Aa . A Aa,. . A,.", "A--A--A", 5),
    }
    check(tmp_path, stories, plan)


def test_a_new_file_every_day(tmp_path):
    stories = {
        "the same": Story("A A A A A", "AAAAA", 1),
        "there and back": Story("A B A A B", "ABAAB", 4),
        "conflict": Story("AB AB AB AB AB", "AAAAA", 1, 1),
        "conflict that comes later": Story("A AB AB AB AB", "AAAAA", 1, 1),
        "conflict that is left": Story("AB B B AB B", "ABBBB", 2, 1),
        "moves out": Story("A o A A o", "A-AA-", 4),
        "never inside": Story("o o o o o", "-----", 0, 1),
        "never usable": Story("x x x x x", "-----", 0, 1),
        "taken back": Story("Aa Aa Aa A Aa", "---A-", 4),
    }
    check(tmp_path, stories, list("abcde"))


def test_revisions_that_have_their_times(tmp_path):
    plan = ["ab", "a", "b", "a", "ab", "b", "ab"]
    stories = {
        "in order": Story("1,. 2 . 3 4,. . 4,.", "1223444", 4),
        "an older one returns": Story("1,. 2 . 1 1,. . 2,.", "1222222", 2),
        "older ones come later": Story("3,. 3 1 3 3,2 1 3,4", "3333334", 2),
        "all in one file": Story("12,. 12 . 123 123,. . 1234,.", "2223334", 4),
        "all in another": Story("2,. 12 12 12 12,123 123 2,1", "2222333", 2),
        "the first comes later": Story("2,. 2 0 2 2,0 0 2,0", "2222222", 1),
        "the first returns": Story("0,. 1 . 0 0,. . 1,.", "0111111", 2),
        "two of one time": Story("1,. 1= . 1= 1=,. . 1=,.", "1======", 2),
        "taken back in between": Story("1,. 1u . 1u 1u4,. . 1u4,.", "1---444", 3),
        "taken back, older returns": Story("1,. u 2 1 1,2 3 4,.", "1-----4", 3),
    }
    check(tmp_path, stories, plan, columns={"revised_at": "UPDATED"})


def test_snapshots(tmp_path):
    stories = {
        "comes and goes": Story("A,. .,. A,. .,. A,. A,. .,.", "A-A-AA-", 6),
        "moves between files": Story("A,. .,A A,. A,A .,A A,. A,.", "AAAAAAA", 1),
        "twice in it": Story("AA,A AA,A A,. .,AA A,A A,A A,.", "AAAAAAA", 1),
        "returns changed": Story("A,. .,. B,. .,. .,A A,. A,.", "A-B-AAA", 5),
        "there and back": Story("A,. B,. A,. .,B .,A A,. B,.", "ABABAAB", 6),
        "unusable is not missing": Story("A,. x,. A,. x,. .,. x,. A,.", "AAAA--A", 3, 1),
        "one file is corrected": Story("A,A B,A B,A B,A A,A B,. .,A", "ABBBABA", 5),
        "conflict of two files": Story("A,B A,B .,B .,B A,B A,. A,.", "AABBBAA", 3, 1),
        "conflict in one file": Story("AB,. B,. AB,. A,. .,. .,. A,.", "ABBA--A", 5, 1),
        "taken back": Story("A,. Aa,. a,. A,. .,. Aa,. A,.", "A--A--A", 7),
        "taken back by the other": Story("A,. A,a B,a B,a B,a B,. A,.", "A-BBBBA", 4),
        "moves out": Story("A,. o,. .,. o,. A,. o,. .,o", "A---A--", 4),
        "moves in": Story("o,. .,. o,. A,. .,. o,. A,.", "---A--A", 4, 1),
        "comes later": Story(".,. .,. A,. A,. A,. A,. A,.", "--AAAAA", 1),
    }
    check(tmp_path, stories, ["ab"] * 7, delivers="snapshot")


# An unchanged or grown file


def test_an_unchanged_or_grown_file_adds_what_it_grew_by(nights):
    rows = dirty_rows()
    rows = rows[~rows["FATE"].str.contains("future")]
    first = nights(a=rows)
    bronze, silver, quarantine = nights.city.sizes()
    for again in (nights.touched("a"), nights(b=rows)):
        assert nothing_new(again)
        assert again.merged == first.rows_in == len(rows)
    assert nights.city.sizes() == (bronze, silver, quarantine)
    more = both(incidents(new="theft"), incidents(bad="theft").assign(LAT=""))
    record = nights(a=both(rows, more))
    assert (record.kept, record.merged) == (1, len(rows))
    assert record.quarantined == {"no coordinates": 1}
    assert nights.city.sizes() == (bronze + 2, silver + 1, quarantine + 1)


def test_a_row_from_the_future_is_looked_at_again(nights):
    ahead = (NOW + timedelta(days=1)).strftime(CLOCK)
    row = incidents(k="theft").assign(FROM=ahead, REPORTED=ahead)
    assert nights(a=both(incidents(x="theft"), row)).quarantined == {"in the future": 1}
    assert nights.touched("a").kept == 0
    assert nights.touched("a").kept == 1
    assert nights.city.live() == {"k": "theft", "x": "theft"}


def test_files_without_rows_are_an_error_and_change_nothing(nights):
    nights(a=incidents(k="theft"))
    sizes = nights.city.sizes()
    with pytest.raises(EmptyDeliveryError, match="holds no rows: deliver it again"):
        nights(b=incidents(k="theft")[:0])
    assert nights.city.sizes() == sizes


def test_a_correction_says_whether_another_file_still_says_the_old(nights):
    old, new = incidents(k="assault", x="fraud"), incidents(k="theft", x="fraud")
    nights(a=old, b=old)
    nights.city.touch("part-b.csv")
    nights(a=new)
    rows = nights.city.bronze()
    again = rows[rows[SAID] == AGAIN]
    assert Counter(rows[SAID]) == {ROW: 5, AGAIN: 1}
    assert again["_delivery"].str.endswith("part-b.csv").all()
    assert (again["_key"].tolist(), again["OFFENSE"].tolist()) == (["k"], [""])


def test_one_that_moves_leaves_its_old_place(nights):
    row = incidents(k="theft").assign(LAT="39.7455", LON="-104.985")
    nights(a=row)
    nights(a=row.assign(LAT="39.735", LON="-104.975", OFFENSE="assault"))
    first, second = nights.city.silver().to_dict("records")
    assert first["cell"] == second["was_cell"] != second["cell"]
    assert (second["was_group"], second["was_occurred_at"]) == ("property", first["occurred_at"])


# Snapshots


def test_of_an_unchanged_snapshot_nothing_is_read_of_a_changed_one_all(snapshots, monkeypatch):
    snapshots(a=incidents(k="assault"), b=incidents(x="theft"))
    with monkeypatch.context() as patch:
        patch.setattr(Part, "read", lambda *_: pytest.fail("rows were read"))
        assert snapshots() == IngestRecord()
    record = snapshots(b=incidents(x="theft", y="fraud"))
    assert (record.rows_in, record.kept, record.absent) == (3, 1, 0)


def test_what_is_absent_is_counted_and_stated(snapshots):
    snapshots(a=incidents(k="assault", x="theft"), b=incidents(x="theft", y="fraud", z="theft"))
    record = snapshots(a=None)
    assert (record.rows_in, record.kept, record.merged, record.absent) == (3, 0, 3, 1)
    gone = snapshots.city.silver().query("retracted").iloc[0]
    assert (gone["id"], gone["cell"], gone["was_group"]) == ("k", gone["was_cell"], "violent")
    assert gone["known_at"] == gone["ingested_at"] == NOW + timedelta(days=1)
    rows = snapshots.city.bronze()
    assert rows.loc[rows[SAID] == ABSENT, "_key"].tolist() == ["k"]


def test_an_increment_may_become_a_snapshot(city):
    Nights(city)(a=incidents(k="assault", x="theft"))
    nights = Nights(city.configured(delivers="snapshot"))
    assert nights(a=incidents(k="assault")).absent == 1
    assert city.live() == {"k": "assault"}


# Many files


def part(size: int) -> Part:
    return Part("file", ParquetPart("file", 0, 0, 1, size), ())


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ([], []),
        ([5], [[5]]),
        ([4, 4, 4], [[4, 4], [4]]),
        ([20, 1, 1], [[20], [1, 1]]),
        ([1, 20, 1], [[1], [20], [1]]),
        ([0, 0, 0], [[0, 0, 0]]),
    ],
)
def test_small_parts_are_bundled_in_their_order(monkeypatch, sizes, found):
    monkeypatch.setattr(delivering, "BUNDLE_BYTES", 8)
    bundles = bundled([part(size) for size in sizes])
    assert [[one.rows.size for one in bundle] for bundle in bundles] == found


def test_many_small_files_are_read_together(nights, monkeypatch):
    rows = good_rows(200)
    text = rows.to_csv(index=False).splitlines(keepends=True)
    for number, line in enumerate(text[1:]):
        (nights.city.folder / f"part-{number:04d}.csv").write_text(text[0] + line)
    calls: list[Any] = []
    take = delivering.take
    monkeypatch.setattr(delivering, "take", lambda *a, **k: calls.append(1) or take(*a, **k))
    record = nights()
    assert (record.rows_in, record.kept, len(record.deliveries)) == (200, 200, 200)
    assert len(calls) == 1
    assert len(active_files(nights.city.store.bronze)) == 1
    nights.city.touch("part-0007.csv")
    assert nothing_new(nights())
    assert len(calls) == 2
