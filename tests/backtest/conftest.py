"""A backtest of the small city, of rivals that cost nothing."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from distributed import Client
from past import cheap_rivals, city_with_silver

from pipeline.backtest import recipe
from pipeline.backtest.folder import Folder
from pipeline.backtest.held import Backtest
from pipeline.backtest.recipe import collect
from pipeline.backtest.schedule import Request
from pipeline.backtest.summary import summarize
from pipeline.known import read_known

THREE_WEEKS = Request(date(2024, 3, 1), date(2024, 3, 21), 28)  # the 60th day to the 80th


@pytest.fixture(scope="module")
def backtest(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Backtest:
    folder = tmp_path_factory.mktemp("city")
    known = read_known(city_with_silver(folder, client))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "make_rivals", cheap_rivals)
        return collect(known, THREE_WEEKS, Folder(folder / "out"), str)


@pytest.fixture(scope="module")
def summary(backtest: Backtest) -> dict[str, Any]:
    return summarize(backtest)
