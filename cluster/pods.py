"""The pod of a night on Kubernetes, which the Dask operator tells where its scheduler is."""

from __future__ import annotations

import os

from cluster.errors import ClusterUnavailableError
from cluster.spec import ClusterSpec

ADDRESS = "DASK_SCHEDULER_ADDRESS"  # set by the operator in the pods of a DaskJob


def in_pod() -> bool:
    """Whether this process was given a scheduler by the operator."""
    return bool(os.environ.get(ADDRESS))


def found_in_pod(spec: ClusterSpec) -> ClusterSpec:
    """``spec`` with its scheduler's address. Raises ClusterUnavailableError outside such a pod."""
    if not in_pod():
        raise ClusterUnavailableError(
            f"kind: kubernetes, but this is no pod of a DaskJob ({ADDRESS} is not set): use "
            "hexcast submit CONFIG --cluster NAME, which makes one"
        )
    return spec.model_copy(update={"address": os.environ[ADDRESS]})
