"""A configuration for whoever does its work: where SLURM starts many processes, for one of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.errors import ClusterUnavailableError
from cluster.pods import found_in_pod
from cluster.ranks import own_step, require_step, take_part
from pipeline.errors import ConfigError
from pipeline.load import load_config
from pipeline.locks import make_folder

if TYPE_CHECKING:
    from pipeline.config import Config


def config_to_work(
    path: Path, out: Path | None = None, cluster: str | None = None, works: bool = True
) -> Config:
    """As load_config; for every command that may need its cluster, before it does anything.

    In a step of SLURM it returns in one process alone; the others serve that one, and end with it.
    ``works``: the command cannot do without the cluster. Raises ConfigError, and
    ClusterUnavailableError where the cluster is an allocation, or pods, and this is in none.
    """
    step = own_step()
    try:
        config = load_config(path, out, cluster)
        if config.cluster.kind == "kubernetes" and works:
            found_in_pod(config.cluster)
        alone = step is None or step.tasks == 1
        if config.cluster.kind != "slurm" or (alone and not works):
            return config
        step = require_step(config.cluster)
        folder = make_folder(Path(config.output.path), "output.path")
    except (ConfigError, ClusterUnavailableError) as fault:
        if step is None or step.speaks:
            raise
        sys.exit(fault.exit_code)  # another process of the step says why
    take_part(step, config.cluster, folder)
    return config
