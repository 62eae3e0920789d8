"""The newest run's files under a path that never changes, and files that nobody changes."""

from datetime import datetime
from pathlib import Path

from test_store import DAY, SIX, power_cut, publish_text

from forecasts.store import FRONT, publish, stage


def publish_front(root: Path, reference: datetime, text: str) -> Path:
    with stage(root) as directory:
        for name in FRONT:
            (directory / name).write_text(f"{text} {name}")
        return publish(root, reference, directory, {})


def front(root: Path) -> list[str]:
    return [(root / name).read_text() for name in FRONT]


def test_the_newest_runs_front_lies_in_the_root(tmp_path):
    for reference, text in ((SIX + DAY, "second"), (SIX, "first")):
        publish_front(tmp_path, reference, text)
        assert front(tmp_path) == [f"second {name}" for name in FRONT]
    publish_front(tmp_path, SIX + DAY, "again")
    assert front(tmp_path) == [f"again {name}" for name in FRONT]
    assert (tmp_path / FRONT[0]).samefile(tmp_path / "latest" / FRONT[0])


def test_without_links_the_front_is_a_copy(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    publish_front(tmp_path, SIX, "first")
    publish_front(tmp_path, SIX + DAY, "second")
    assert front(tmp_path) == [f"second {name}" for name in FRONT]


def test_a_front_that_a_cut_left_behind_is_made_good(tmp_path, monkeypatch):
    publish_front(tmp_path, SIX, "first")
    with power_cut(monkeypatch, "_point_latest", SIX + DAY):
        publish_front(tmp_path, SIX + DAY, "second")
    assert front(tmp_path)[0].startswith("first")
    with stage(tmp_path):
        pass
    assert front(tmp_path) == [f"second {name}" for name in FRONT]


def test_published_files_are_read_only(tmp_path):
    run = publish_text(tmp_path, SIX)
    assert (run / "forecast.txt").stat().st_mode & 0o777 == 0o444
