"""What schedulers are told of a night, read by the tools that read it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from cities import Small, small_file
from jobs import awkward_job

from cluster.schedules.cron import crontab
from cluster.schedules.job import NightlyJob
from cluster.schedules.kubernetes import cron_job
from cluster.schedules.slurm import batch
from cluster.schedules.systemd import units
from cluster.spec import ClusterSpec
from grids.clock import nightly_cutoffs
from pipeline.cli import main
from pipeline.errors import ConfigError
from pipeline.scheduling import carried, write_schedule

LATE = timedelta(minutes=66)


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


@pytest.fixture
def job(tmp_path: Path) -> NightlyJob:
    """A night of paths with whatever shells, cron and systemd take for their own."""
    job = awkward_job(tmp_path, "$DATA|$TOKEN|$*", workers=2)
    return replace(job, environment={"DATA": str(job.config.parent)})


def shell(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    paths = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "CODE": "0", **environment}
    return subprocess.run(command, env=paths, capture_output=True, text=True, check=False)


def line_of(text: str) -> str:
    """The command of the one line of a crontab, as cron hands it to the shell."""
    (line,) = [line for line in text.splitlines() if not line.startswith("#")]
    return line.split(maxsplit=5)[5].replace(r"\%", "%")


def test_a_crontab_line_runs_the_night_and_says_how_it_failed(job: NightlyJob) -> None:
    (text,) = crontab(job).values()
    assert "\n5 * * * *  mkdir" in text
    done = shell(["/bin/sh", "-c", line_of(text)])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    log = job.logs / "nightly.log"
    said = f"{job.config.parent}||nightly {job.config}\n"
    assert log.read_text() == said
    failed = shell(["/bin/sh", "-c", line_of(text)], CODE="65")
    assert failed.stdout == f"hexcast ended with exit code 65, see {log}\n"
    with subprocess.Popen(
        ["flock", str(job.logs / "nightly.lock"), "cat"], stdin=subprocess.PIPE
    ) as holder:
        while shell(["flock", "-n", str(job.logs / "nightly.lock"), "true"]).returncode == 0:
            pass  # until it holds the lock
        locked = shell(["/bin/sh", "-c", line_of(text)])
        holder.communicate()
    assert "exit code 75" in locked.stdout
    assert log.read_text() == 2 * said


@needs("crontab")
def test_debians_cron_reads_the_crontab(job: NightlyJob, tmp_path: Path) -> None:
    (text,) = crontab(job).values()
    for content, code in ((text, 0), (text.replace("5 * * * *", "65 * * * *"), 1)):
        (tmp_path / "fragment").write_text(content)
        found = shell(["crontab", "-n", str(tmp_path / "fragment")])
        if "invalid option" in found.stderr:
            pytest.skip("this crontab has no dry run")
        assert found.returncode == code, found.stderr


def verify(files: dict[str, str], folder: Path) -> str:
    """What systemd has against the units of these files."""
    for name, text in files.items():
        (folder / name).write_text(text)
    paths = [str(folder / name) for name in files]
    found = shell(["systemd-analyze", "verify", "--man=no", *paths])
    return "\n".join(line for line in found.stderr.splitlines() if "hexcast-" in line)


@needs("systemd-analyze")
def test_systemd_takes_the_units(job: NightlyJob, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    hexcast = tmp_path / "a b%c$HOME"  # quotes systemd refuses, and says so
    shutil.copy(job.hexcast, hexcast)
    files = units(replace(job, hexcast=hexcast), "root")
    assert verify(files, plain) == ""
    service, timer = files
    assert "Restart" in verify(
        {service: files[service].replace("on-failure", "always"), timer: files[timer]}, plain
    )
    assert "calendar" in verify(
        {service: files[service], timer: files[timer].replace("Denver", "Denvr")}, plain
    )


@needs("systemd-analyze")
@pytest.mark.parametrize("cutoff", [time(0), time(1, 57), time(2, 30), time(23, 58)])
@pytest.mark.parametrize("zone", ["America/Denver", "Australia/Lord_Howe"])
def test_every_night_of_a_year_starts_soon_after_its_cutoff(
    job: NightlyJob, cutoff: time, zone: str
) -> None:
    """Also those of which the clocks skip the cutoff."""
    first, last = datetime(2027, 1, 2, tzinfo=UTC), datetime(2027, 12, 30, tzinfo=UTC)
    timer = units(replace(job, cutoff=cutoff, timezone=zone), "root")["hexcast-small.timer"]
    starts: set[datetime] = set()
    for calendar in re.findall("OnCalendar=(.*)", timer):
        asked = ["calendar", "--base-time=2027-01-01", "--iterations=370", calendar]
        shown = shell(["systemd-analyze", *asked], TZ="UTC").stdout
        for text in re.findall(r"(\S+ \S+) UTC$", shown, re.MULTILINE):
            starts.add(datetime.fromisoformat(f"{text}+00:00"))
    cutoffs = nightly_cutoffs(first, last, cutoff, ZoneInfo(zone))
    assert len(cutoffs) > 360
    late = [at for at in cutoffs if not any(at < start <= at + LATE for start in starts)]
    assert late == []


def test_kubernetes_schedules_the_same_hours(job: NightlyJob) -> None:
    late = replace(job, cutoff=time(23, 10), timezone="Asia/Kolkata")
    *_, manifest = yaml.safe_load_all(cron_job(late, "a: 1\n", "hexcast:1")["hexcast-small.yaml"])
    assert manifest["spec"]["schedule"] == "15 23,0 * * *"
    assert manifest["spec"]["timeZone"] == "Asia/Kolkata"


@pytest.mark.parametrize("version", ["1.31", "1.35"])
@pytest.mark.parametrize("data", [False, True])
def test_kubernetes_takes_the_manifest(job: NightlyJob, version: str, data: bool) -> None:
    checker = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed"
    )
    config = 'name: small\n# a comment: "quoted"\n'
    found = list(yaml.safe_load_all(cron_job(job, config, "hexcast:1", data).popitem()[1]))
    assert [manifest["kind"] for manifest in found] == [
        "ConfigMap",
        "PersistentVolumeClaim",
        "CronJob",
    ]
    assert found[0]["data"]["city.yaml"] == config
    for manifest in found:
        checker.validate(manifest, version, strict=True)
    found[2]["spec"]["timezone"] = "America/Denver"
    with pytest.raises(checker.ValidationError):
        checker.validate(found[2], version, strict=True)


def test_every_volume_that_a_pod_mounts_is_there(job: NightlyJob) -> None:
    for data in (False, True):
        *_, manifest = yaml.safe_load_all(cron_job(job, "a: 1\n", "hexcast:1", data).popitem()[1])
        pod = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        assert ("data" in mounted) == data
        assert container["args"][-1].startswith(container["volumeMounts"][1]["mountPath"] + "/")


def test_a_batch_script_runs_the_night(job: NightlyJob, tmp_path: Path) -> None:
    files = batch(replace(job, cluster="gauss"), ClusterSpec(workers=2), tmp_path)
    script = tmp_path / "hexcast-small.sbatch"
    script.write_text(files[script.name])
    assert shell(["bash", "-n", str(script)]).stderr == ""
    job.secrets.write_text("TOKEN='x y'\n")
    # The line of scrontab names the script, and so does the shell that reads it.
    line = files["hexcast-small.scrontab"].splitlines()[-1]
    done = shell(["/bin/sh", "-c", line.split(maxsplit=5)[5]], CODE="75")
    assert done.returncode == 75, done.stderr
    said = f"{job.config.parent}|x y|nightly {job.config} --cluster gauss\n"
    assert (job.logs / "nightly.log").read_text() == said
    options = [line for line in files[script.name].splitlines() if line.startswith("#SBATCH")]
    assert "#SBATCH --cpus-per-task=2" in options
    assert "#SBATCH --mem=12288M" in options


def test_only_paths_are_carried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", str(tmp_path))
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.delenv("UNSET", raising=False)
    text = "a: ${PLACE}/x\nb: https://u:${SECRET}@host/${UNSET:-y}\n"
    found = carried(text)
    assert found.values == {"PLACE": str(tmp_path)}
    assert found.left == ("SECRET",)
    assert carried(text, elsewhere=True).left == ("PLACE", "SECRET")


def test_other_content_is_not_overwritten(tmp_path: Path) -> None:
    files = {"one": "1\n", "two": "2\n"}
    paths = write_schedule(files, tmp_path / "new")
    assert [path.read_text() for path in paths] == ["1\n", "2\n"]
    write_schedule(files, tmp_path / "new")
    with pytest.raises(ConfigError, match="two is there already"):
        write_schedule(
            {"one": "other\n", "zero": "0\n", "two": "3\n"} | {"one": "1\n"}, paths[0].parent
        )
    assert not (tmp_path / "new" / "zero").exists()


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """The configuration of a small city."""
    return small_file(tmp_path, Small(days=2).rows(), cluster={"workers": 2})


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["hexcast", "schedule", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.mark.parametrize(
    ("scheduler", "names"),
    [
        ("cron", ["hexcast-small.cron"]),
        ("systemd", ["hexcast-small.service", "hexcast-small.timer"]),
        ("slurm", ["hexcast-small.sbatch", "hexcast-small.scrontab"]),
        ("kubernetes", ["hexcast-small.yaml"]),
    ],
)
def test_the_command_prints_and_writes(
    city: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    scheduler: str,
    names: list[str],
) -> None:
    out = city.parent / "units"
    assert run(monkeypatch, city, "--for", scheduler, "--out", out) == 0
    assert capsys.readouterr().out.split() == [str(out / name) for name in names]
    assert run(monkeypatch, city, "--for", scheduler) == 0
    shown = capsys.readouterr().out
    written = "".join((out / name).read_text() for name in names)
    assert "hexcast" in written
    ours = [line for line in written.splitlines() if str(out) not in line]
    assert [line for line in ours if line not in shown] == []
    assert run(monkeypatch, city, "--for", scheduler, "--json") == 0
    assert list(json.loads(capsys.readouterr().out)) == names
    (out / names[0]).write_text("mine")
    assert run(monkeypatch, city, "--for", scheduler, "--out", out) == 78
    assert (out / names[0]).read_text() == "mine"


def test_an_allocation_needs_to_know_its_workers(
    city: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values: dict[str, Any] = yaml.safe_load(city.read_text())
    city.write_text(yaml.safe_dump(values | {"cluster": {}}))
    assert run(monkeypatch, city, "--for", "slurm") == 78
    assert "cluster.workers" in capsys.readouterr().err
    assert run(monkeypatch, city, "--for", "systemd") == 0
