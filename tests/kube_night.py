"""A night on Kubernetes that a test submits to a stand-in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from cities import Small, small_file
from jobs import small_job

from cluster.spec import ClusterSpec
from cluster.submit.dask_job import Night

PODS = {"kind": "kubernetes", "workers": 2}
HEXCAST = Path(sys.executable).with_name("hexcast")
NIGHT = """#!/bin/sh
echo "$DASK_SCHEDULER_ADDRESS"
echo "hexcast $*" >&2
printf '\\006to be read\\n'
i=0; while [ $i -lt $LOOPS ]; do echo "line $i"; i=$((i+1)); sleep 0.1; done
printf 'an end without one'
exit $CODE
"""


def a_night(folder: Path) -> Night:
    """A night as a command would have it submitted."""
    job = small_job(folder, HEXCAST, cluster="pods", limit_minutes=10)
    return Night(job, ClusterSpec(**PODS), "name: small\n", "hexcast:1")


def stand_in(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """The folder of a stand-in's objects, with kubectl and a night first on the PATH."""
    root, tools = folder / "kube", folder / "tools"
    root.mkdir()
    tools.mkdir()
    fake = Path(__file__).with_name("fake_kubectl.py")
    for name, text in (
        ("kubectl", f'#!/bin/sh\nexec "{sys.executable}" "{fake}" "$@"\n'),
        ("hexcast", NIGHT),
    ):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    for name, value in {
        "PATH": f"{tools}:/usr/bin:/bin", "FAKE_PATH": str(tools), "FAKE_KUBE": str(root),
        "CODE": "0", "LOOPS": "3",
    }.items():  # fmt: skip
        patch.setenv(name, value)
    patch.setattr("cluster.submit.asking.LOOK_SECONDS", 0.05)
    return root


def submittable(folder: Path, rows: pd.DataFrame | None = None, **changes: Any) -> Path:
    """A city's configuration, and the cluster ``pods`` beside it."""
    (folder / "clusters.yaml").write_text(yaml.safe_dump({"pods": PODS}))
    return small_file(folder, Small(days=1).rows() if rows is None else rows, **changes)


def hexcast(*words: object) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    command = [str(HEXCAST), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
