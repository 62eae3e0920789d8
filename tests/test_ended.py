"""A night that is asked to end: it closes what it holds, and the next one goes on."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from cities import Small, small_file
from lived import LOCAL, MODEL, NIGHT
from waiting import until

HEXCAST = Path(sys.executable).with_name("hexcast")
# The first process of a container, or of such a namespace, gets no signal that it does not handle.
FIRST = ("unshare", "--pid", "--fork", "--mount-proc")


def no_namespaces() -> bool:
    return shutil.which(FIRST[0]) is None or bool(
        subprocess.run([*FIRST, "true"], capture_output=True, check=False).returncode
    )


@pytest.mark.parametrize(
    "before",
    [
        pytest.param((), id="by itself"),
        pytest.param(
            FIRST,
            id="first of a container",
            marks=pytest.mark.skipif(no_namespaces(), reason="no namespaces of processes here"),
        ),
    ],
)
def test_a_night_ends_when_it_is_asked_to(before: tuple[str, ...], tmp_path: Path) -> None:
    city = small_file(tmp_path, Small().rows(), model=MODEL, cluster=LOCAL)
    words = [*before, str(HEXCAST), "nightly", str(city), "--as-of", NIGHT.isoformat()]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        until((tmp_path / "store/silver").exists, "silver")
        own = psutil.Process(process.pid)
        night = own.children()[0] if before else own
        beside = night.children(recursive=True)
        night.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 143, said
    assert "Traceback" not in said
    assert not psutil.wait_procs(beside, timeout=10)[1]
    ended = (tmp_path / "store/logs/attempts.jsonl").read_text().splitlines()[-1]
    assert json.loads(ended)["exit_code"] == 143
    assert not (tmp_path / "store/latest").exists()
    after = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert after.returncode == 0, after.stderr
    assert (tmp_path / "store/latest").exists()
