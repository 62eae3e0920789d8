"""Nights kept, found and let go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import icechunk
import pytest
from cubes import add_nights, begin, cutoff, is_whole

import grids.snapshots
from grids.cube import open_cube
from grids.snapshots import BRANCH, expire_nights, night_tags, open_repository, tag_of
from pipeline.place import is_created


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A cube without nights."""
    begin(str(tmp_path / "cube"))
    return str(tmp_path / "cube")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data are deleted once three nights have been let go."""
    monkeypatch.setattr(grids.snapshots, "COLLECT_NIGHTS", 2)


def later() -> datetime:
    """After everything that was made so far."""
    return datetime.now(UTC) + timedelta(minutes=1)


def tags(path: str) -> list[str]:
    return night_tags(open_repository(path))


def of(*days: float) -> list[str]:
    return [tag_of(cutoff(day)) for day in days]


def files(path: str) -> int:
    return sum(1 for file in Path(path).rglob("*") if file.is_file())


# Found


def test_as_of_opens_the_newest_night_not_after_it(path: str) -> None:
    # All are committed within a second: only their cutoffs can tell them apart.
    add_nights(path, [0, 1, 5])
    for as_of, night in ((0, 0), (0.99, 0), (1, 1), (4.99, 1), (5, 5), (900, 5)):
        cube = open_cube(path, as_of=cutoff(as_of))
        assert cube.attrs["watermark"] == cutoff(night).isoformat()
        assert is_whole(cube)


def test_the_offset_of_as_of_does_not_matter(path: str) -> None:
    add_nights(path, [0, 1])
    there = cutoff(0.5).astimezone(ZoneInfo("Pacific/Auckland"))
    assert open_cube(path, as_of=there).attrs["watermark"] == cutoff(0).isoformat()


def test_a_last_night_without_its_name_is_found_all_the_same(path: str) -> None:
    add_nights(path, [0])
    add_nights(path, [1], named=False)
    for as_of in (1, 3):
        assert open_cube(path, as_of=cutoff(as_of)).attrs["watermark"] == cutoff(1).isoformat()
    assert open_cube(path, as_of=cutoff(0.9)).attrs["watermark"] == cutoff(0).isoformat()


def test_what_is_not_kept_is_named_with_what_is(path: str) -> None:
    with pytest.raises(FileNotFoundError, match="run a night first"):
        open_cube(path, as_of=cutoff(0))
    add_nights(path, [0, 1])
    kept = "is kept: the earliest of 2 is 20240901T060000Z, the newest 20240902T060000Z"
    with pytest.raises(FileNotFoundError, match=f"no night at or before 20240901T054500Z {kept}"):
        open_cube(path, as_of=cutoff(-1 / 96))
    with pytest.raises(FileNotFoundError, match=f"no night 20240907T060000Z {kept}"):
        open_cube(path, tag="20240907T060000Z")


def test_a_night_is_asked_for_in_one_way(path: str) -> None:
    add_nights(path, [0])
    with pytest.raises(ValueError, match="give one of them"):
        open_cube(path, tag=tag_of(cutoff(0)), as_of=cutoff(0))
    with pytest.raises(ValueError, match="no timezone"):
        open_cube(path, as_of=cutoff(0).replace(tzinfo=None))


def test_tags_of_others_are_no_nights(path: str) -> None:
    add_nights(path, [0, 1])
    repository = open_repository(path)
    repository.create_tag("0-draft", snapshot_id=repository.lookup_branch(BRANCH))
    assert tags(path) == of(0, 1)
    with pytest.raises(FileNotFoundError, match="earliest of 2"):
        open_cube(path, as_of=cutoff(-1))
    assert is_whole(open_cube(path, tag="0-draft"))


# Let go


def test_days_that_have_nights_count(path: str) -> None:
    add_nights(path, [0, 1, 1.25, 1.5, 40, 41])
    assert expire_nights(path, 3, later()) == of(0)
    assert tags(path) == of(1, 1.25, 1.5, 40, 41)
    assert expire_nights(path, 3, later()) == []
    # However much time has passed since.
    assert expire_nights(path, 3, later() + timedelta(days=9000)) == []
    assert expire_nights(path, 1, later()) == of(1, 1.25, 1.5, 40)
    assert expire_nights(path, 1, later()) == []
    assert is_whole(open_cube(path, tag=tag_of(cutoff(41))))


def test_no_night_no_day_no_cube(path: str, tmp_path: Path) -> None:
    assert expire_nights(path, 1, later()) == []
    assert open_cube(path).sizes["time"] == 0
    with pytest.raises(ValueError, match="keep_days 0: keep at least 1 day"):
        expire_nights(path, 0, later())
    with pytest.raises(FileNotFoundError, match="no cube at"):
        expire_nights(str(tmp_path / "typo"), 1, later())
    assert not (tmp_path / "typo").exists()


@pytest.mark.usefixtures("hasty")
def test_kept_nights_stay_as_they_were(path: str) -> None:
    for day in range(20):
        add_nights(path, [day])
        expire_nights(path, 4, later())
        first = max(day - 3, 0)
        assert tags(path) == of(*range(first, day + 1))
        for kept in range(first, day + 1):
            cube = open_cube(path, tag=tag_of(cutoff(kept)))
            assert (cube.attrs["nights"], is_whole(cube)) == (kept + 1, True)
            assert open_cube(path, as_of=cutoff(kept + 0.5)).attrs == cube.attrs
        history = past(path)
        assert history[: day - first + 1] == of(*range(day, first - 1, -1))
        assert len(history) <= 4 + 2 + 1, "kept, waiting, let go now"
        assert is_created(open_repository(path))


def past(path: str) -> list[str]:
    """The nights in the history of the last commit, newest first."""
    history = open_repository(path).ancestry(branch=BRANCH)
    return [snapshot.message for snapshot in history if snapshot.message.endswith("Z")]


@pytest.mark.usefixtures("hasty")
def test_the_store_stops_growing(path: str) -> None:
    counted = []
    for day in range(30, 70):  # by then the time axis is a file of its own, too
        add_nights(path, [day])
        expire_nights(path, 4, later())
        counted.append(files(path))
    assert counted[31:40] == counted[10:19]
    # main, nights kept, one just let go: nothing of those before.
    assert len(list(Path(path, "refs").iterdir())) == 1 + 4 + 1


@pytest.mark.usefixtures("hasty")
def test_the_only_night_kept_has_a_history_that_ends(path: str) -> None:
    add_nights(path, list(range(9)))
    for _ in range(3):
        expire_nights(path, 1, later())
    repository = open_repository(path)
    assert is_created(repository)
    assert len(list(repository.ancestry(branch=BRANCH))) == 2
    add_nights(path, [9])
    assert is_whole(open_cube(path))
    assert is_whole(open_cube(path, tag=tag_of(cutoff(8))))


@pytest.mark.usefixtures("hasty")
def test_a_reader_goes_on_after_its_night_was_let_go(path: str) -> None:
    add_nights(path, list(range(6)))
    opened, newest = open_cube(path, tag=tag_of(cutoff(0))), open_cube(path)
    assert expire_nights(path, 1, later()) == of(0, 1, 2, 3, 4)
    assert is_whole(opened)
    assert is_whole(newest)


@pytest.mark.usefixtures("hasty")
def test_a_reader_whose_night_is_deleted_is_told_so(path: str) -> None:
    add_nights(path, list(range(6)))
    opened = open_cube(path, tag=tag_of(cutoff(0)))
    for _ in range(2):
        expire_nights(path, 1, later())
    with pytest.raises(icechunk.IcechunkError, match="not found"):  # no hour reads as empty
        opened["counts"].load()


@pytest.mark.usefixtures("hasty")
def test_a_tag_of_others_keeps_its_night(path: str) -> None:
    add_nights(path, [0, 1, 2])
    repository = open_repository(path)
    repository.create_tag("paper", snapshot_id=repository.lookup_tag(tag_of(cutoff(1))))
    add_nights(path, list(range(3, 9)))
    for _ in range(2):
        expire_nights(path, 2, later())
    cube = open_cube(path, tag="paper")
    assert (cube.attrs["nights"], is_whole(cube)) == (2, True)
    with pytest.raises(FileNotFoundError):
        open_cube(path, tag=tag_of(cutoff(0)))


@pytest.mark.usefixtures("hasty")
def test_nothing_made_since_the_run_began_is_deleted(path: str) -> None:
    add_nights(path, list(range(6)))
    began = datetime.now(UTC) - timedelta(hours=1)
    before = files(path)
    expire_nights(path, 1, began)
    expire_nights(path, 1, began)
    assert files(path) == before - 5, "the tags alone are gone"
    assert is_whole(open_cube(path))


def test_few_nights_let_go_are_not_yet_worth_a_collection(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for name in ("expire_snapshots", "garbage_collect"):
        count(monkeypatch, icechunk.Repository, name, lambda name=name: calls.append(name))
    for day in range(30):
        add_nights(path, [day])
        expire_nights(path, 2, later())
    assert calls == ["expire_snapshots", "garbage_collect"] * 3


# Killed


def count(patch: pytest.MonkeyPatch, owner: type, name: str, note: Callable[[], object]) -> None:
    """Let ``note`` know of every call of a method, before it is made."""
    method = getattr(owner, name)

    def noted(self: object, *args: object, **kwargs: object) -> object:
        note()
        return method(self, *args, **kwargs)

    patch.setattr(owner, name, noted)


class Killed(BaseException):
    """What no code catches."""


STEPS: list[tuple[type, str]] = [
    (icechunk.Repository, "expire_snapshots"),
    (icechunk.Repository, "garbage_collect"),
    (icechunk.Repository, "delete_tag"),
    (Path, "unlink"),
    (Path, "rmdir"),
]
ALL_STEPS = 15  # to expire and collect, 3 x 3 to sweep, 4 tags to delete


def kill_at(patch: pytest.MonkeyPatch, step: int) -> Callable[[], int]:
    """Before its ``step``-th change to the store the process dies; returns how many it came to."""
    made = 0

    def note() -> None:
        nonlocal made
        made += 1
        if made > step:
            raise Killed

    for owner, name in STEPS:
        count(patch, owner, name, note)
    return lambda: made


def half_expired(path: str) -> None:
    """Three nights were let go and wait to be collected; four more are to go."""
    add_nights(path, list(range(5)))
    expire_nights(path, 2, later())
    add_nights(path, [5, 6, 7, 8])


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("step", range(ALL_STEPS))
def test_killed_anywhere_the_next_call_completes_it(
    path: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_expired(path)
    with monkeypatch.context() as patch:
        kill_at(patch, step)
        with pytest.raises(Killed):
            expire_nights(path, 2, later())
    for tag in tags(path):
        assert is_whole(open_cube(path, tag=tag)), "whatever is named can be read"
    expire_nights(path, 2, later())
    assert tags(path) == of(7, 8)
    expire_nights(path, 2, later())
    add_nights(path, [9])
    assert is_whole(open_cube(path))
    assert all(is_whole(open_cube(path, tag=tag)) for tag in tags(path))
    history = list(open_repository(path).ancestry(branch=BRANCH))
    assert len(history) <= 3 + 2 + 1, "kept, waiting to be collected, the root"
    assert len(list(Path(path).glob("refs/*/ref.json"))) == 1 + 3, "main and the nights kept"


@pytest.mark.usefixtures("hasty")
def test_that_was_every_step(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    half_expired(path)
    with monkeypatch.context() as patch:
        made = kill_at(patch, 999)
        expire_nights(path, 2, later())
    assert made() == ALL_STEPS
