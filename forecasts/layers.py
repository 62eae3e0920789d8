"""The layers of a run, checked: what every format is written from."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas

from forecasts.frames import cells_frame, hours_frame, shifts_frame
from forecasts.hotspots import hotspots_frame
from forecasts.schema import Forecast
from forecasts.validation import validate


@dataclass(frozen=True, eq=False)
class Layers:
    """``hours``, ``shifts``, ``cells`` as of `frames`, ``hotspots`` as of `hotspots`.

    ``targets``: names; the first is what styles show.
    """

    targets: tuple[str, ...]
    hours: geopandas.GeoDataFrame
    shifts: geopandas.GeoDataFrame
    cells: geopandas.GeoDataFrame
    hotspots: geopandas.GeoDataFrame

    def named(self) -> dict[str, geopandas.GeoDataFrame]:
        """The layers by name, in the order of a legend."""
        return {name: getattr(self, name) for name in ("hotspots", "shifts", "hours", "cells")}


def make_layers(forecast: Forecast) -> Layers:
    """All layers of a run. Raises ValueError where one is not what its columns promise."""
    layers = Layers(
        forecast.target_names,
        hours_frame(forecast),
        shifts_frame(forecast),
        cells_frame(forecast),
        hotspots_frame(forecast),
    )
    validate(layers)
    return layers
