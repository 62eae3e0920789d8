"""Rivals on held-out nights: judged together or apart, the same."""

from __future__ import annotations

import numpy as np
import pytest
from cities import BOUNDS, Small, midnight, small_config
from distributed import Client

from grids.hexgrid import HexGrid
from pipeline.baselines.recipe import BASELINES, forecaster
from pipeline.known import Known, read_known
from pipeline.learning.judging import play, together
from pipeline.nightly import run_night
from pipeline.replay import cut_blocks

RIVALS = {name: forecaster(name, {}) for name in ("reference", "blend")}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Known:
    cluster = {"kind": "address", "address": client.scheduler.address}
    config = small_config(tmp_path_factory.mktemp("city"), Small().rows(), cluster=cluster)
    run_night(config, midnight(400), midnight(129), until="ingest")
    return read_known(config)


def test_rivals_judged_apart_are_those_judged_together(known: Known) -> None:
    assert set(RIVALS) < set(BASELINES)
    nights = [midnight(day) for day in range(90, 104)]
    rivals = RIVALS | {"doubled": lambda night: 2 * night.reference}
    blocks = cut_blocks(known.city, known.arrivals, nights, 7)
    cells = len(HexGrid.from_extent(*BOUNDS, 9))
    what = known.city, blocks, nights[2:], (0, 1, 2)
    districts = np.arange(cells) % 2
    names = list(rivals)
    at_once = together([play(*what, rivals, districts)], names)
    parts = [play(*what, {n: rivals[n] for n in names[at::2]}, districts) for at in (0, 1)]
    apart = together(parts, names)
    assert apart.scores == at_once.scores
    assert list(apart.scores) == names
    assert apart.scores["reference"]["gain_over_reference"] == 0
    assert apart.scores["doubled"]["gain_over_reference"] < 0
    for name in names:
        np.testing.assert_array_equal(apart.log_score[name], at_once.log_score[name])
        assert apart.laws(name) == at_once.laws(name)
    np.testing.assert_array_equal(apart.incidents, at_once.incidents)
    assert len(apart.incidents) == 12
