"""Lists of runs, and runs whose files are no longer what was published."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from configurations import parse

from forecasts.checking import faults_of
from forecasts.store import publish, stage
from pipeline.config import Config
from pipeline.errors import DataError, MissingInputError
from pipeline.published import describe_runs, require_whole, verify_runs

FIRST = datetime(2024, 9, 1, 6, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A city with three runs, the first of another configuration."""
    found = parse({"output.path": str(tmp_path / "city")})
    root = Path(found.output.path)
    root.mkdir()
    for day, fingerprint in enumerate(["other", found.fingerprint, found.fingerprint]):
        with stage(root) as folder:
            (folder / "layers.txt").write_text("cells" * 2**18)
            (folder / "maps").mkdir()
            (folder / "maps" / "map.txt").write_text("map")
            record = {
                "configuration": fingerprint,
                "made_at": "2024-09-01T06:01:30.123456+00:00",
                "models": [{"target": "all", "issued": "baseline blend"}],
            }
            publish(root, FIRST + timedelta(days=day), folder, record)
    return found


def runs_of(config: Config) -> list[Path]:
    return sorted((Path(config.output.path) / "runs").iterdir())


def test_runs_are_listed_with_what_they_issued(config):
    found = describe_runs(config, last=10)
    assert [row["run"] for row in found] == [path.name for path in runs_of(config)]
    assert all(row["issued"] == {"all": "baseline blend"} for row in found)
    assert {row["made"][:16] for row in found} == {"2024-09-01T06:01"}
    assert found[0]["mib"] == 1.3  # 1.25 and three bytes
    assert [row["remarks"] for row in found] == [["another configuration"], [], ["latest"]]
    assert describe_runs(config, last=1) == found[-1:]


def test_a_run_without_its_record_is_listed_as_damaged(config):
    (runs_of(config)[1] / "manifest.json").write_text("{")
    assert [row["remarks"] for row in describe_runs(config, 2)] == [["damaged"], ["latest"]]


def test_a_city_without_runs_has_none(tmp_path):
    config = parse({"output.path": str(tmp_path)})
    assert describe_runs(config, 10) == []
    assert verify_runs(tmp_path) == {}
    with pytest.raises(MissingInputError, match="has no run latest: hexcast nightly makes one"):
        verify_runs(tmp_path, "latest")


def test_runs_that_are_whole_are_said_to_be(config):
    found = verify_runs(Path(config.output.path))
    assert found == {path.name: [] for path in runs_of(config)}
    require_whole(found)
    assert list(verify_runs(Path(config.output.path), "latest")) == [runs_of(config)[-1].name]


def test_what_programs_leave_beside_is_no_fault(config):
    (runs_of(config)[0] / "layers.txt.aux.xml").write_text("statistics")
    assert faults_of(runs_of(config)[0]) == []


def lose(run: Path) -> None:
    (run / "layers.txt").unlink()


def cut(run: Path) -> None:
    (run / "layers.txt").chmod(0o644)
    with (run / "layers.txt").open("r+") as file:
        file.truncate(10)


def flip(run: Path) -> None:
    (run / "layers.txt").chmod(0o644)
    with (run / "layers.txt").open("r+b") as file:
        file.seek(1000)
        file.write(b"!")


def forget(run: Path) -> None:
    (run / "manifest.json").write_text(json.dumps({"files": None}))


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (lose, "layers.txt is missing"),
        (cut, "layers.txt has 10 bytes, published were 1,310,720"),
        (flip, "layers.txt has other contents than published"),
        (forget, "manifest.json is missing or damaged"),
    ],
)
def test_what_is_not_as_published_is_named(config, harm, fault):
    run = runs_of(config)[1]
    harm(run)
    assert faults_of(run) == [fault]
    found = verify_runs(Path(config.output.path))
    with pytest.raises(DataError, match=f"1 of 3 runs are not as published, the first {run.name}"):
        require_whole(found)


def test_a_run_that_is_not_there_is_named_with_the_newest(config):
    with pytest.raises(MissingInputError, match=r"no run 20200101T0000Z, the newest is 20240903T"):
        verify_runs(Path(config.output.path), "20200101T0000Z")
