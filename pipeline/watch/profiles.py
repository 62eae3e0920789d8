"""Where Dask's reports of a cluster's work are kept."""

from __future__ import annotations

from pathlib import Path

from cluster.profiling import can_profile
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.plainly import plainly

PROFILES = "profiles"


def profile_path(config: Config, name: str) -> Path:
    """Where the report of that name goes, of which older ones are deleted.

    Raises ConfigError where bokeh, which draws it, is missing.
    """
    if not can_profile():
        raise ConfigError(
            "--profile needs bokeh, which is not installed: pip install hexcast[profile]"
        )
    path = Path(config.output.path) / PROFILES / f"{name}.html"
    with plainly(config.output.path):
        for old in path.parent.glob(f"{name}*.html"):
            old.unlink(missing_ok=True)
    return path


def profile_line(path: Path) -> str:
    """Whether there is one, in words."""
    return f"profile: {path}" if path.exists() else "no profile: no cluster was needed"
