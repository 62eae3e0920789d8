"""The peak memory of a stage is its own, and the largest of all is not forgotten."""

from __future__ import annotations

import sys

import pytest

from cluster.lazy import own_peak_mib
from pipeline.log import StageLog

SIZE = 300  # MiB


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a peak only grows")
def test_a_stage_has_its_own_peak() -> None:
    log = StageLog("here-1")
    with log.stage("small before"):
        pass
    with log.stage("large"):
        filled = bytearray(SIZE << 20)
    del filled
    with log.stage("small after"):
        pass
    for small in ("small before", "small after"):
        assert log.peak_mib["large"] - log.peak_mib[small] > 0.8 * SIZE
    assert log.highest_mib >= log.peak_mib["large"]


def test_where_workers_share_a_process_nothing_is_measured() -> None:
    log = StageLog("here-1", measured=False)
    before = own_peak_mib()
    with log.stage("forecast"):
        pass
    assert (log.peak_mib, log.highest_mib) == ({}, 0)
    assert own_peak_mib() >= before


def test_a_stage_that_fails_is_named() -> None:
    log = StageLog("here-1")
    with log.stage("ingest"):
        assert log.at_work == "ingest"
    assert log.at_work is None
    with pytest.raises(ZeroDivisionError), log.stage("cube"):
        raise ZeroDivisionError
    assert log.at_work == "cube"
    assert log.seconds.keys() == {"ingest"}
