import json
import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import pytest

from forecasts import store
from forecasts.store import find_run, prune, publish, run_name, stage

SIX = datetime(2024, 9, 1, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def publish_text(root: Path, reference: datetime, text: str = "cells", **manifest) -> Path:
    with stage(root) as directory:
        (directory / "forecast.txt").write_text(text)
        return publish(root, reference, directory, {"run_id": text, **manifest})


def tree(root: Path) -> list[str]:
    """Every visible path in the store, links not followed."""
    paths = (path.relative_to(root).as_posix() for path in root.rglob("*"))
    return sorted(path for path in paths if not path.startswith("."))


def staged(root: Path) -> list[Path]:
    return list((root / ".staging").iterdir())


class PowerCutError(Exception):
    pass


@contextmanager
def power_cut(monkeypatch, function: str, reference: datetime | None = None):
    """The process dies just before ``function`` of the store runs.

    With ``reference``, it does so only once that run is in its place.
    """
    original = getattr(store, function)

    def die(root, *rest):
        if reference is None or (root / "runs" / run_name(reference)).exists():
            raise PowerCutError
        return original(root, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(store, function, die)
        with pytest.raises(PowerCutError):
            yield


def test_run_names_are_utc():
    assert run_name(SIX) == "20240901T0600Z"
    denver = timezone(timedelta(hours=-6))
    assert run_name(datetime(2024, 9, 1, 0, tzinfo=denver)) == "20240901T0600Z"


@pytest.mark.parametrize(
    ("reference", "message"),
    [(SIX.replace(tzinfo=None), "has no timezone"), (SIX.replace(minute=30), "no whole hour")],
)
def test_a_reference_time_is_an_aware_whole_hour(reference, message):
    with pytest.raises(ValueError, match=message):
        run_name(reference)


def test_publish_puts_the_run_in_its_place(tmp_path):
    run = publish_text(tmp_path, SIX)
    assert run == tmp_path / "runs" / "20240901T0600Z"
    assert tree(tmp_path) == [
        *("latest", "latest.json", "runs", "runs/20240901T0600Z"),
        *("runs/20240901T0600Z/forecast.txt", "runs/20240901T0600Z/manifest.json"),
    ]
    assert (tmp_path / "latest" / "forecast.txt").read_text() == "cells"
    assert json.loads((tmp_path / "latest.json").read_text()) == {
        "run": "runs/20240901T0600Z",
        "reference_time": "2024-09-01T06:00:00+00:00",
    }
    assert staged(tmp_path) == []


def test_the_link_survives_moving_the_store(tmp_path):
    publish_text(tmp_path / "here", SIX)
    (tmp_path / "here").rename(tmp_path / "there")
    assert (tmp_path / "there" / "latest" / "forecast.txt").read_text() == "cells"


def test_a_published_run_is_readable_by_others(tmp_path):
    before = os.umask(0o022)
    try:
        run = publish_text(tmp_path, SIX)
    finally:
        os.umask(before)
    assert run.stat().st_mode & 0o777 == 0o755
    assert (run / "manifest.json").stat().st_mode & 0o777 == 0o644


def test_the_manifest_lists_every_file(tmp_path):
    with stage(tmp_path) as directory:
        (directory / "deep").mkdir()
        (directory / "deep" / "model.ubj").write_bytes(b"abc")
        (directory / "map.png").write_bytes(b"")
        publish(tmp_path, SIX, directory, {"run_id": "r"})
    assert find_run(tmp_path, SIX) == {
        "run_id": "r",
        "files": {
            "deep/model.ubj": {"bytes": 3, "sha256": sha256(b"abc").hexdigest()},
            "map.png": {"bytes": 0, "sha256": sha256(b"").hexdigest()},
        },
    }


def test_numbers_beyond_json_become_null(tmp_path):
    scores = {"gain": float("nan"), "log": [float("-inf"), 1.5], "n": 3, "ok": True}
    publish_text(tmp_path, SIX, scores=scores)
    manifest = find_run(tmp_path, SIX)
    assert manifest is not None
    assert manifest["scores"] == {"gain": None, "log": [None, 1.5], "n": 3, "ok": True}


def test_find_run_knows_what_is_not_there(tmp_path):
    assert find_run(tmp_path, SIX) is None
    publish_text(tmp_path, SIX)
    assert find_run(tmp_path, SIX + DAY) is None


def test_find_run_names_a_damaged_manifest(tmp_path):
    run = publish_text(tmp_path, SIX)
    (run / "manifest.json").write_text('{"run_id": ')
    with pytest.raises(ValueError, match=r"20240901T0600Z/manifest\.json is damaged"):
        find_run(tmp_path, SIX)


def test_only_a_staged_directory_is_published(tmp_path):
    with stage(tmp_path / "one"), pytest.raises(ValueError, match="not a directory from stage"):
        publish(tmp_path / "one", SIX, tmp_path, {})
    with stage(tmp_path / "one") as directory, pytest.raises(ValueError, match="publish that"):
        publish(tmp_path / "two", SIX, directory, {})


def test_latest_is_the_newest_reference_time(tmp_path):
    publish_text(tmp_path, SIX)
    publish_text(tmp_path, SIX + DAY, "newer")
    publish_text(tmp_path, SIX - DAY, "backfilled")
    assert (tmp_path / "latest").readlink() == Path("runs/20240902T0600Z")
    assert json.loads((tmp_path / "latest.json").read_text())["run"] == "runs/20240902T0600Z"


def test_publishing_again_replaces_the_whole_run(tmp_path):
    with stage(tmp_path) as directory:
        (directory / "old-only.txt").write_text("old")
        publish(tmp_path, SIX, directory, {"run_id": "old"})
    publish_text(tmp_path, SIX, "new")
    assert tree(tmp_path / "latest") == ["forecast.txt", "manifest.json"]
    manifest = find_run(tmp_path, SIX)
    assert manifest is not None
    assert manifest["run_id"] == "new"
    assert list((tmp_path / "runs").iterdir()) == [tmp_path / "runs" / "20240901T0600Z"]


def test_a_stage_that_raises_leaves_nothing(tmp_path, monkeypatch):
    publish_text(tmp_path, SIX)
    before = tree(tmp_path)
    with power_cut(monkeypatch, "_describe"):
        publish_text(tmp_path, SIX, "half")
    assert tree(tmp_path) == before
    assert staged(tmp_path) == []


def test_a_killed_process_leaves_what_the_next_stage_sweeps(tmp_path):
    code = (
        "import os, pathlib, sys\n"
        "from forecasts.store import stage\n"
        "with stage(pathlib.Path(sys.argv[1])) as directory:\n"
        "    (directory / 'half.txt').write_text('half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    assert result.returncode == -9
    leftover = staged(tmp_path)
    assert [path.name for path in leftover[0].iterdir()] == ["half.txt"]
    assert not (tmp_path / "runs").exists()
    with stage(tmp_path) as directory:
        assert staged(tmp_path) == [directory]


def test_the_sweep_spares_the_living(tmp_path):
    with stage(tmp_path) as mine, stage(tmp_path) as other:
        assert sorted(staged(tmp_path)) == sorted([mine, other])
        elsewhere = tmp_path / ".staging" / "another-host.999999.0123abcd"
        elsewhere.mkdir()
        with stage(tmp_path):
            assert elsewhere.exists()  # whether its process lives cannot be known from here
        yesterday = datetime.now(UTC).timestamp() - 90_000
        os.utime(elsewhere, (yesterday, yesterday))
        with stage(tmp_path):
            assert not elsewhere.exists()
            assert mine.exists()


def test_a_cut_before_the_move_leaves_the_old_run(tmp_path, monkeypatch):
    publish_text(tmp_path, SIX, "old")
    with power_cut(monkeypatch, "_move_in"):
        publish_text(tmp_path, SIX, "new")
    assert (tmp_path / "latest" / "forecast.txt").read_text() == "old"


def test_a_cut_between_the_two_moves_is_undone(tmp_path):
    run = publish_text(tmp_path, SIX, "old")
    run.rename(tmp_path / "runs" / ".20240901T0600Z.replaced")
    assert find_run(tmp_path, SIX) is None
    with stage(tmp_path):
        manifest = find_run(tmp_path, SIX)
    assert manifest is not None
    assert manifest["run_id"] == "old"


def test_a_cut_after_the_moves_drops_the_replaced_run(tmp_path):
    run = publish_text(tmp_path, SIX, "new")
    (tmp_path / "runs" / ".20240901T0600Z.replaced").mkdir()
    with stage(tmp_path):
        assert list((tmp_path / "runs").iterdir()) == [run]


def test_a_cut_before_latest_is_made_good(tmp_path, monkeypatch):
    publish_text(tmp_path, SIX, "old")
    with power_cut(monkeypatch, "_point_latest", SIX + DAY):
        publish_text(tmp_path, SIX + DAY, "new")
    assert find_run(tmp_path, SIX + DAY) is not None
    assert (tmp_path / "latest" / "forecast.txt").read_text() == "old"
    with stage(tmp_path):
        assert (tmp_path / "latest" / "forecast.txt").read_text() == "new"


def test_a_stale_latest_is_made_good(tmp_path):
    publish_text(tmp_path, SIX)
    newer = publish_text(tmp_path, SIX + DAY)
    (tmp_path / "latest").unlink()
    (tmp_path / "latest.json").write_text("{}")
    (tmp_path / ".latest").symlink_to("runs/20240901T0600Z")  # a swap that did not come to its end
    assert prune(tmp_path, 30) == []
    assert (tmp_path / "latest").resolve() == newer.resolve()
    assert json.loads((tmp_path / "latest.json").read_text())["run"] == "runs/20240902T0600Z"


def test_an_open_file_outlives_its_replacement(tmp_path):
    run = publish_text(tmp_path, SIX, "old")
    with (run / "forecast.txt").open() as reader:
        publish_text(tmp_path, SIX, "new")
        assert reader.read() == "old"


def test_readers_never_see_half_a_run(tmp_path):
    publish_text(tmp_path, SIX, "0")
    code = (
        "import pathlib, sys\n"
        "from datetime import datetime\n"
        "from forecasts.store import publish, stage\n"
        "root, reference = pathlib.Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])\n"
        "for turn in map(str, range(1, 60)):\n"
        "    with stage(root) as directory:\n"
        "        (directory / 'forecast.txt').write_text(turn)\n"
        "        publish(root, reference, directory, {'run_id': turn})\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), SIX.isoformat()])
    seen = set()
    while writer.poll() is None:
        manifest = find_run(tmp_path, SIX)
        if manifest is not None:  # none for an instant, see publish
            assert set(manifest["files"]) == {"forecast.txt"}
            seen.add(manifest["run_id"])
    assert writer.returncode == 0
    assert len(seen) > 1


def test_prune_keeps_days_of_runs(tmp_path):
    for day in (0, 1, 2, 40):
        publish_text(tmp_path, SIX + day * DAY)
    publish_text(tmp_path, SIX + 2 * DAY + timedelta(hours=6))
    assert prune(tmp_path, 2) == ["20240901T0600Z", "20240902T0600Z"]
    kept = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert kept == ["20240903T0600Z", "20240903T1200Z", "20241011T0600Z"]
    assert prune(tmp_path, 2) == []
    assert prune(tmp_path, 1) == ["20240903T0600Z", "20240903T1200Z"]
    assert (tmp_path / "latest").resolve().name == "20241011T0600Z"


def test_prune_leaves_what_is_not_a_run(tmp_path):
    publish_text(tmp_path, SIX)
    (tmp_path / "runs" / "notes").mkdir()
    publish_text(tmp_path, SIX + DAY)
    assert prune(tmp_path, 1) == ["20240901T0600Z"]
    assert (tmp_path / "runs" / "notes").is_dir()


def test_prune_finishes_a_deletion_that_was_cut_short(tmp_path):
    run = publish_text(tmp_path, SIX)
    (tmp_path / "runs" / ".20240831T0600Z.deleted").mkdir()
    assert prune(tmp_path, 1) == []
    assert list((tmp_path / "runs").iterdir()) == [run]


def test_prune_of_an_empty_store(tmp_path):
    assert prune(tmp_path, 7) == []


def test_prune_refuses_to_keep_nothing(tmp_path):
    with pytest.raises(ValueError, match="keep_days 0: keep at least 1 day"):
        prune(tmp_path, 0)
