"""The layers of a run, from which every format is written."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas


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
