"""Dresses of places: metres and feet of projections that have to be told from each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from init_cities import DENVER, MEXICO, VANCOUVER, Dressed, incidents, projected, text, write


def in_parts(folder: Path) -> Dressed:
    """Vancouver: years to minutes in columns, UTM, no key, offences against persons at (0, 0)."""
    r = incidents(VANCOUVER)
    x, y = projected(r, "EPSG:26910")
    private = (r["offense"] == "SIMPLE ASSAULT").to_numpy() & (np.arange(len(r)) % 3 == 0)
    rows = pd.DataFrame(
        {
            "TYPE": r["offense"].replace("SIMPLE ASSAULT", "Offence Against a Person"),
            **{n: [str(int(t)) for t in text(r["occurred"], f)] for n, f in
               {"YEAR": "%Y", "MONTH": "%m", "DAY": "%d", "HOUR": "%H", "MINUTE": "%M"}.items()},
            "HUNDRED_BLOCK": r["block"],
            "NEIGHBOURHOOD": r["district"].map(lambda d: f"Area {d}"),
            "X": np.where(private, "0", x),
            "Y": np.where(private, "0", y),
        }
    )  # fmt: skip
    rows.loc[private, ["HOUR", "MINUTE"]] = "0"
    columns = {
        "key": [["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "TYPE", "X", "Y"]],
        "occurred_at": ["YEAR", "MONTH", "DAY", "HOUR", "MINUTE"], "category": "TYPE", "x": "X",
        "y": "Y", "district": "NEIGHBOURHOOD",
    }  # fmt: skip
    return Dressed(
        write(rows, folder / "crimedata_csv_vancouver.csv"), columns, "America/Vancouver",
        VANCOUVER, {"crs": "EPSG:26910"}, kept=0.93, formats=["%Y %m %d %H %M"],
        doubts=("no column numbers the incidents", "no report time"),
    )  # fmt: skip


def state_plane(folder: Path) -> Dressed:
    """Feet of Colorado Central and nothing else that says where it is, but the file's name."""
    r = incidents()
    x, y = projected(r, "EPSG:2232")
    rows = pd.DataFrame(
        {
            "incident_id": r["case"],
            "first_occurrence": text(r["occurred"], "%Y-%m-%d %H:%M:%S"),
            "reported": text(r["reported"], "%Y-%m-%d %H:%M:%S"),
            "offense_category": r["offense"].str.lower().str.replace(" ", "-"),
            "geo_x": x,
            "geo_y": y,
        }
    )
    columns = {
        "key": ["incident_id"], "occurred_at": "first_occurrence", "reported_at": "reported",
        "category": "offense_category", "x": "geo_x", "y": "geo_y",
    }  # fmt: skip
    return Dressed(
        write(rows, folder / "denver_crime.csv"), columns, "America/Denver", DENVER,
        {"crs": "EPSG:2232"}, formats=["ISO8601"],
    )  # fmt: skip


def utm_by_place(folder: Path) -> Dressed:
    """UTM metres that could lie in any zone; the user names the city."""
    r = incidents(MEXICO)
    x, y = projected(r, "EPSG:32614", 1)
    delitos = {"THEFT": "HURTO", "ROBBERY": "ROBO A TRANSEUNTE"}
    rows = pd.DataFrame(
        {
            "folio": r["case"],
            "fecha_hecho": text(r["occurred"], "%Y-%m-%d"),
            "hora_hecho": text(r["occurred"], "%H:%M:%S"),
            "fecha_inicio": text(r["reported"], "%Y-%m-%d"),
            "hora_inicio": text(r["reported"], "%H:%M:%S"),
            "delito": r["offense"].map(delitos).fillna("LESIONES"),
            "sexo": "Femenino",
            "alcaldia": "BENITO JUAREZ",
            "coord_x": x,
            "coord_y": y,
        }
    )  # fmt: skip
    columns = {
        "key": ["folio"], "occurred_at": ["fecha_hecho", "hora_hecho"],
        "reported_at": ["fecha_inicio", "hora_inicio"], "category": "delito", "x": "coord_x",
        "y": "coord_y",
    }  # fmt: skip
    return Dressed(
        write(rows, folder / "carpetas.csv"), columns, "America/Mexico_City", MEXICO,
        {"crs": "EPSG:32614"}, place="Mexico City, Mexico", formats=["%Y-%m-%d %H:%M:%S"],
    )  # fmt: skip
