"""The GeoPackage: every geometry once, every hour's facts once, and a view that joins them.

``cells`` (features) holds a hexagon per cell, ``hours_of_run`` (attributes) what the rows of one
hour share, ``cell_hours`` (attributes) the values; the features ``hours`` are a view of the three
with the columns of the layer. Repeating geometry and text in every row makes the file four times
as large. Times are text with milliseconds, as the GeoPackage standard has them.
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

from forecasts.style import cells_style, hours_style

ROOM = 2**24  # bytes: with less, what went wrong is that there is no room
_SQL_TYPES = {
    "str": "TEXT",
    "datetime64[us, UTC]": "DATETIME",
    "int16": "SMALLINT",
    "float32": "FLOAT",
    "bool": "BOOLEAN",
}
_HOUR_COLUMNS = [
    "lead_hours",
    "valid_start",
    "valid_end",
    "valid_local",
    "run_id",
    "as_of",
    "model",
]
_LAYER_STYLES = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256),
    f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
)"""


def write_geopackage(frame: geopandas.GeoDataFrame, path: Path, target: str) -> None:
    """Write a layer's frame as a GeoPackage with its default QGIS style, replacing what is there.

    QGIS applies the style by itself: probability of ``target``, temporal control by
    ``valid_start`` and ``valid_end``.
    """
    path.unlink(missing_ok=True)
    hours = frame["valid_start"].nunique()
    _write(frame[::hours][["hex_id", "geometry"]], path, "cells")
    _write(_cell_hours(frame, hours), path, "cell_hours", "Forecast values per cell and hour")
    with closing(sqlite3.connect(path)) as database, database:
        _write_hours(database, frame[:hours][_HOUR_COLUMNS])
        _write_view(database, frame)
        _write_styles(database, frame, target)


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


def _cell_hours(frame: geopandas.GeoDataFrame, hours: int) -> pd.DataFrame:
    """By the keys of the two other tables, so that the join needs no index."""
    shared = {"hex_id", "geometry", *_HOUR_COLUMNS} - {"lead_hours"}
    values = pd.DataFrame(frame[[name for name in frame if name not in shared]])
    values.insert(0, "cell", np.arange(len(frame), dtype=np.int32) // hours + 1)
    return values


def _write_hours(database: sqlite3.Connection, rows: pd.DataFrame) -> None:
    """``hours_of_run``, whose first column is its key."""
    kinds = [_SQL_TYPES.get(str(dtype), "INTEGER") + " NOT NULL" for dtype in rows.dtypes]
    kinds[0] = "INTEGER PRIMARY KEY NOT NULL"
    fields = ", ".join(f'"{name}" {kind}' for name, kind in zip(rows, kinds, strict=True))
    database.execute(f"CREATE TABLE hours_of_run ({fields})")
    marks = ", ".join("?" * len(rows.columns))
    values = zip(*(_sql_values(rows[name]) for name in rows), strict=True)
    database.executemany(f"INSERT INTO hours_of_run VALUES ({marks})", values)  # noqa: S608
    _register(database, "hours_of_run", "attributes", "Valid times and run of every hour")


def _sql_values(column: pd.Series) -> list[object]:
    if str(column.dtype) == "datetime64[us, UTC]":
        column = column.dt.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    values: list[object] = column.tolist()
    return values


def _write_view(database: sqlite3.Connection, frame: pd.DataFrame) -> None:
    """``hours``, whose columns carry the types of the tables they come from."""
    source = {"hex_id": "c"} | dict.fromkeys(_HOUR_COLUMNS[1:], "h")
    names = [name for name in frame if name != "geometry"]
    fields = ", ".join(f'{source.get(name, "v")}."{name}" AS "{name}"' for name in names)
    rows = (
        "cell_hours v JOIN hours_of_run h ON h.lead_hours = v.lead_hours"
        " JOIN cells c ON c.fid = v.cell"
    )
    database.execute(
        f"CREATE VIEW hours AS SELECT v.fid AS OGC_FID, c.geom AS geom, {fields} FROM {rows}"  # noqa: S608
    )
    _register(database, "hours", "features", "Forecast per cell and hour")
    database.execute(
        "INSERT INTO gpkg_geometry_columns SELECT 'hours', column_name, geometry_type_name,"
        " srs_id, z, m FROM gpkg_geometry_columns WHERE table_name = 'cells'"
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


def _write_styles(database: sqlite3.Connection, frame: pd.DataFrame, target: str) -> None:
    database.execute(_LAYER_STYLES)
    _register(database, "layer_styles", "attributes", "QGIS styles")
    styles = (
        ("hours", f"{target}, probability per hour", hours_style(frame, target)),
        ("cells", "outline", cells_style()),
    )
    database.executemany(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name,"
        " f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner)"
        " VALUES ('', '', ?, 'geom', ?, ?, '', 1, 'hexcast', '')",
        styles,
    )
