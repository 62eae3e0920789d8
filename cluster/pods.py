"""The pod of a night on Kubernetes, which the Dask operator tells where its scheduler is."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from cluster.errors import ClusterUnavailableError
from cluster.spec import ENCRYPTED, ClusterSpec

ADDRESS = "DASK_SCHEDULER_ADDRESS"  # set by the operator in the pods of a DaskJob


def in_pod() -> bool:
    """Whether this process was given a scheduler by the operator."""
    return bool(os.environ.get(ADDRESS))


def found_in_pod(spec: ClusterSpec) -> ClusterSpec:
    """``spec`` with its scheduler's address.

    Raises ClusterUnavailableError outside such a pod, and where nothing would be encrypted,
    which nobody has allowed.
    """
    if not in_pod():
        raise ClusterUnavailableError(
            f"kind: kubernetes, but this is no pod of a DaskJob ({ADDRESS} is not set): use "
            "hexcast submit CONFIG --cluster NAME, which makes one"
        )
    address = os.environ[ADDRESS]
    if urlsplit(address).scheme not in ENCRYPTED and not spec.insecure:
        raise ClusterUnavailableError(
            f"{ADDRESS} is {address}, and a scheduler runs any code it is sent: update the Dask "
            "operator, which has written over tls://, or, where the DaskJob is your own, say "
            "insecure: true"
        )
    return spec.model_copy(update={"address": address})
