"""The GeoPackage: every geometry once, every hour's facts once, and views that join them.

``cells`` (features) holds a hexagon per cell, ``periods_of_hours`` (attributes) what the rows of
one hour share, ``values_of_hours`` (attributes) the rest; the features ``hours`` are a view of the
three with the columns of the layer, and ``shifts`` are made alike. Repeating geometry and text in
every row makes the file four times as large. ``hotspots`` are features of their own. Times are text
with milliseconds, as the GeoPackage standard has them.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyogrio

from forecasts.frames import RUN, VALID
from forecasts.layers import Layers
from forecasts.style import default_styles

ROOM = 2**24  # bytes: with less, what went wrong is that there is no room
_SQL_TYPES = {
    "str": "TEXT",
    "datetime64[us, UTC]": "DATETIME",
    "int16": "SMALLINT",
    "float32": "FLOAT",
    "bool": "BOOLEAN",
}
_SHARED = ("shift", *VALID, "hours", *RUN)  # by the rows of an hour, or of a shift
_LAYER_STYLES = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256),
    f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
)"""


def write_geopackage(layers: Layers, path: Path) -> None:
    """Write a run's layers as a GeoPackage with default QGIS styles, replacing what is there.

    QGIS applies the styles by itself: what is forecast of the first target, temporal control by
    ``valid_start`` and ``valid_end``.
    """
    path.unlink(missing_ok=True)
    _write(layers.cells, path, "cells", "Hexagons and their long-run rates")
    _write(layers.hotspots, path, "hotspots", "Hottest areas of every shift")
    views = {"hours": layers.hours, "shifts": layers.shifts}
    for name, frame in views.items():
        _write(_values(frame), path, f"values_of_{name}", f"Forecast per cell, of {name}")
    with closing(sqlite3.connect(path)) as database, database:
        for name, frame in views.items():
            _write_periods(database, name, frame[: _periods(frame)])
            _write_view(database, name, frame)
        _write_styles(database, layers)


def _periods(frame: pd.DataFrame) -> int:
    """How many rows every cell has."""
    return int((frame["hex_id"] == frame["hex_id"].iloc[0]).sum())


def _write(rows: pd.DataFrame, path: Path, layer: str, about: str = "") -> None:
    """Rows as a table of features or attributes; its key ``fid`` counts them from 1."""
    try:
        pyogrio.write_dataframe(
            rows,
            path,
            layer=layer,
            driver="GPKG",
            use_arrow=True,
            # The newest that GDAL 3.6 (Debian 12, QGIS 3.22) reads without a warning.
            dataset_options={"VERSION": "1.3"},
            layer_options={"DESCRIPTION": about},
        )
    except RuntimeError as fault:  # GDAL tells of a full disk only what came of it
        if shutil.disk_usage(path.parent).free < ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from fault
        raise


def _values(frame: geopandas.GeoDataFrame) -> pd.DataFrame:
    """By the keys of the two other tables, so that the join needs no index."""
    row, count = np.arange(len(frame), dtype=np.int32), _periods(frame)
    shared = {"hex_id", "geometry", *_SHARED}
    values = pd.DataFrame(frame[[name for name in frame if name not in shared]])
    values.insert(0, "cell", row // count + 1)
    values.insert(1, "period", row % count)
    return values


def _write_periods(database: sqlite3.Connection, name: str, rows: pd.DataFrame) -> None:
    """What the rows of an hour or shift share, by its number from 0."""
    rows = rows[[column for column in _SHARED if column in rows]]
    kinds = [_SQL_TYPES[str(dtype)] + " NOT NULL" for dtype in rows.dtypes]
    fields = ", ".join(f'"{column}" {kind}' for column, kind in zip(rows, kinds, strict=True))
    table = f"periods_of_{name}"
    database.execute(f"CREATE TABLE {table} (period INTEGER PRIMARY KEY NOT NULL, {fields})")
    marks = ", ".join("?" * (1 + len(rows.columns)))
    values = zip(range(len(rows)), *(_sql_values(rows[column]) for column in rows), strict=True)
    database.executemany(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608
    _register(database, table, "attributes", f"Valid times and run, of {name}")


def _sql_values(column: pd.Series) -> list[object]:
    if str(column.dtype) == "datetime64[us, UTC]":
        column = column.dt.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    values: list[object] = column.tolist()
    return values


def _write_view(database: sqlite3.Connection, name: str, frame: pd.DataFrame) -> None:
    """The layer, whose columns carry the types of the tables they come from."""
    source = {"hex_id": "c"} | dict.fromkeys(_SHARED, "p")
    columns = [column for column in frame if column != "geometry"]
    fields = ", ".join(f'{source.get(column, "v")}."{column}" AS "{column}"' for column in columns)
    rows = (
        f"values_of_{name} v JOIN periods_of_{name} p ON p.period = v.period"
        " JOIN cells c ON c.fid = v.cell"
    )
    database.execute(
        f"CREATE VIEW {name} AS SELECT v.fid AS OGC_FID, c.geom AS geom, {fields} FROM {rows}"  # noqa: S608
    )
    _register(database, name, "features", f"Forecast per cell, of {name}")
    database.execute(
        "INSERT INTO gpkg_geometry_columns SELECT ?, column_name, geometry_type_name,"
        " srs_id, z, m FROM gpkg_geometry_columns WHERE table_name = 'cells'",
        (name,),
    )


def _register(database: sqlite3.Connection, table: str, kind: str, about: str) -> None:
    """Enter a table in ``gpkg_contents``; features have the extent of ``cells``."""
    database.execute(
        "INSERT INTO gpkg_contents SELECT ?, ?, ?, ?, last_change, min_x, min_y, max_x, max_y,"
        " srs_id FROM gpkg_contents WHERE table_name = 'cells'"
        if kind == "features"
        else "INSERT INTO gpkg_contents (table_name, data_type, identifier, description)"
        " VALUES (?, ?, ?, ?)",
        (table, kind, table, about),
    )


def _write_styles(database: sqlite3.Connection, layers: Layers) -> None:
    database.execute(_LAYER_STYLES)
    _register(database, "layer_styles", "attributes", "QGIS styles")
    styles = [(name, *each) for name, each in default_styles(layers).items()]
    database.executemany(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name,"
        " f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner)"
        " VALUES ('', '', ?, 'geom', ?, ?, '', 1, 'hexcast', '')",
        styles,
    )
