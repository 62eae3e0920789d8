"""A real QGIS, Debian's in its own Python, without a screen."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

PYTHON = Path("/usr/bin/python3")
BEFORE = """
import json, sys
from qgis.core import *
from qgis.PyQt.QtCore import QDateTime, QSize, Qt
from qgis.PyQt.QtGui import QColor

QgsApplication.setPrefixPath("/usr", True)
application = QgsApplication([], False)
application.initQgis()
"""
AFTER = """
print(json.dumps(said))
sys.stdout.flush()
import os
os._exit(0)  # QGIS without a screen may crash while it takes itself apart
"""


def run_qgis(probe: str, *arguments: str) -> dict[str, Any]:
    """What a probe, PyQGIS that names a dictionary ``said``, found; and its ``warnings``.

    Skips the test where there is no QGIS.
    """
    if not PYTHON.exists() or _python("-c", "import qgis.core").returncode:
        pytest.skip(f"{PYTHON} has no qgis: apt-get install python3-qgis")
    result = _python("-c", BEFORE + probe + AFTER, *arguments)
    assert result.returncode == 0, result.stderr
    # GDAL's complaints about what it reads go there; Qt's about the missing screen session do too.
    said = [line for line in result.stderr.splitlines() if not line.startswith("QStandardPaths")]
    found: dict[str, Any] = json.loads(result.stdout)
    return found | {"warnings": said}


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "QT_QPA_PLATFORM": "offscreen", "LANG": "C.UTF-8"}
    command = [str(PYTHON), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
