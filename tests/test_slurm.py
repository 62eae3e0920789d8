"""What may be asked of SLURM, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cluster.allocation import Allocation
from cluster.spec import ClusterSpec

TLS = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"workers": 0}, "how many workers"),
        ({"address": "tcp://127.0.0.1:8786"}, "address and tls go with kind: address"),
        ({"options": {"p": "short"}}, "'p' is no long option"),
        ({"options": {"--partition": "short"}}, "is no long option"),
        ({"options": {"ntasks": 3}}, "ntasks follows from workers"),
        ({"options": {"time": 3}}, "time follows from"),
        ({"options": {"comment": "two words"}}, "is no value of sbatch"),
        ({"options": {"partition": "a\n#SBATCH --uid=0"}}, "is no value of sbatch"),
        ({"options": {"exclusive": False}}, "is no value of sbatch"),
        ({"options": {"nodes": "2-4"}}, "nodes: '2-4' is no number"),
        ({"tls": TLS}, "address and tls go with kind: address"),
        ({"kind": "local", "options": {"nodes": 1}}, "options go with kind: slurm"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ClusterSpec(**{"kind": "slurm", "workers": 6, **changes})


@pytest.mark.parametrize(
    ("nodes", "on_each", "mib"),
    [(1, 8, (6 * 8 + 4 + 1) * 1024), (2, 4, (4 * 8 + 5) * 1024), (3, 3, (3 * 8 + 5) * 1024)],
)
def test_a_node_has_memory_for_its_workers(nodes: int, on_each: int, mib: int) -> None:
    assert Allocation.of(6, 8.0, 4.0, {"nodes": nodes}) == Allocation(8, nodes, on_each, mib)
