"""The cube's repository and its nights: snapshots named by cutoff, kept until they are too old.

A night is let go in two steps: its name first, its data in a later call, so that a reader who has
it open when its name goes can read on until then.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import icechunk
import zarr

BRANCH = "main"
# Deleting data means reading what every night kept consists of: done once in so many nights.
COLLECT_NIGHTS = 7
# One process commits (the store's lock sees to it), so the warning that local folders do not
# guard against two says nothing new.
icechunk.set_logs_filter("error")

_TAG = "%Y%m%dT%H%M%SZ"
_TAG_PATTERN = r"\d{8}T\d{6}Z"


def open_repository(path: str) -> icechunk.Repository:
    """The Icechunk repository at a local path or s3:// address, made where there is none."""
    storage = _storage(path)
    if icechunk.Repository.exists(storage):
        return icechunk.Repository.open(storage)
    return icechunk.Repository.create(storage)


def _existing_repository(path: str) -> icechunk.Repository:
    # A reader must not leave an empty store behind where the path is misspelt.
    if _is_address(path) or Path(path).is_dir():
        storage = _storage(path)
        if icechunk.Repository.exists(storage):
            return icechunk.Repository.open(storage)
    raise FileNotFoundError(f"no cube at {path}: check the path, or run a night first")


def _storage(path: str) -> icechunk.Storage:
    if path.startswith("s3://"):
        bucket, _, prefix = path.removeprefix("s3://").partition("/")
        return icechunk.s3_storage(bucket=bucket, prefix=prefix, from_env=True)
    Path(path).mkdir(parents=True, exist_ok=True)
    return icechunk.local_filesystem_storage(path)


def _is_address(path: str) -> bool:
    return "://" in path


def tag_of(cutoff: datetime) -> str:
    """The name under which the night of ``cutoff`` (aware) is kept: its time in UTC."""
    return cutoff.astimezone(UTC).strftime(_TAG)


def night_tags(repository: icechunk.Repository) -> list[str]:
    """The names of the nights kept, oldest first; tags that others have made are left out."""
    return sorted(tag for tag in repository.list_tags() if re.fullmatch(_TAG_PATTERN, tag))


def open_night(
    path: str, tag: str | None = None, as_of: datetime | None = None
) -> icechunk.Session:
    """A session that reads the night ``tag``, or the newest with a cutoff at or before ``as_of``.

    Cutoffs decide, not the times of commits: a night made late is found by what it is of. Without
    either the last commit is read. Raises FileNotFoundError where there is no cube or no such night
    is kept, and ValueError for both at once and for a naive ``as_of``.
    """
    if tag and as_of:
        raise ValueError(f"tag {tag} and as_of {as_of}: give one of them")
    if as_of and as_of.tzinfo is None:
        raise ValueError(f"as_of {as_of} has no timezone: give an aware datetime")
    repository = _existing_repository(path)
    if tag:
        return _open_tag(repository, tag)
    latest = repository.readonly_session(BRANCH)
    return _open_before(repository, latest, as_of) if as_of else latest


def _open_before(
    repository: icechunk.Repository, latest: icechunk.Session, as_of: datetime
) -> icechunk.Session:
    # The last night counts by its own record: a crash may have left it without a name.
    watermark = zarr.open_group(latest.store, mode="r").attrs.get("watermark")
    if watermark and datetime.fromisoformat(str(watermark)) <= as_of:
        return latest
    tags = night_tags(repository)
    before = [name for name in tags if name <= tag_of(as_of)]
    if not before:
        raise FileNotFoundError(f"no night at or before {tag_of(as_of)} is kept: {_kept(tags)}")
    return _open_tag(repository, before[-1])


def _open_tag(repository: icechunk.Repository, tag: str) -> icechunk.Session:
    try:
        return repository.readonly_session(tag=tag)
    except icechunk.IcechunkError as fault:
        if tag in repository.list_tags():
            raise
        kept = _kept(night_tags(repository))
        raise FileNotFoundError(f"no night {tag} is kept: {kept}") from fault


def _kept(tags: list[str]) -> str:
    if not tags:
        return "run a night first"
    return f"the earliest of {len(tags)} is {tags[0]}, the newest {tags[-1]}"


def expire_nights(path: str, keep_days: int, now: datetime) -> list[str]:
    """Let go of all nights but those of the newest ``keep_days`` days; returns their tags.

    Days (UTC) that have nights are counted, not days up to today: a store that has stood still
    loses nothing, and the newest night always stays. Once more than ``COLLECT_NIGHTS`` nights have
    been let go, the next call deletes what they alone consisted of, as far as it was made before
    ``now`` (aware; when this run began); tags of others keep what they name. Killed anywhere, the
    next call completes it. Only for the one process that writes nights.
    """
    if keep_days < 1:
        raise ValueError(f"keep_days {keep_days}: keep at least 1 day of nights")
    repository = _existing_repository(path)
    tags = night_tags(repository)
    if not tags:
        return []
    _collect(repository, tags[0], now)
    if not _is_address(path):
        _sweep_deleted_tags(Path(path))
    kept = sorted({tag[:8] for tag in tags})[-keep_days:]
    gone = [tag for tag in tags if tag[:8] < kept[0]]
    for tag in gone:
        repository.delete_tag(tag)
    return gone


def _collect(repository: icechunk.Repository, oldest: str, now: datetime) -> None:
    """Take what came before the night ``oldest`` out of the history, and delete what it alone had.

    The tags are gone by then: Icechunk's own choice of expired tags can take one that it keeps.
    """
    history = repository.ancestry(tag=oldest)
    first = next(history)
    before = len(list(islice(history, COLLECT_NIGHTS + 2)))
    if before > COLLECT_NIGHTS + 1:  # beside nights there is the root
        repository.expire_snapshots(older_than=first.written_at)
        repository.garbage_collect(now)


def _sweep_deleted_tags(folder: Path) -> None:
    """Delete what Icechunk leaves of deleted tags, or listing tags would take longer every night.

    The mark of deletion goes after the tag itself: the other way round the tag would be back.
    """
    for mark in folder.glob("refs/tag.*/ref.json.deleted"):
        (mark.parent / "ref.json").unlink(missing_ok=True)
        mark.unlink()
        mark.parent.rmdir()
