"""Dresses of files: code pages, separators, marks, and headers that change midway."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from init_cities import BERLIN, DENVER, LONDON, Dressed, incidents, places, text, write


def day_first(folder: Path) -> Dressed:
    """German: semicolons, a Windows code page, days first."""
    r = incidents(BERLIN)
    german = {
        "THEFT": "Diebstahl",
        "BURGLARY": "Einbruchdiebstahl",
        "SIMPLE ASSAULT": "Körperverletzung",
        "ROBBERY": "Raub",
        "CRIMINAL DAMAGE": "Sachbeschädigung",
        "FRAUD": "Betrug",
    }
    rows = pd.DataFrame(
        {
            "Aktenzeichen Nr": r["case"],
            "Tatzeit": text(r["occurred"], "%d.%m.%Y %H:%M"),
            "Anzeige Datum": text(r["reported"], "%d.%m.%Y %H:%M"),
            "Delikt": r["offense"].map(german).fillna("Übrige Straftaten"),
            "Straße": "Müllerstraße",
            "Breitengrad": places(r)["lat"],
            "Längengrad": places(r)["lon"],
        }
    )
    columns = {
        "key": ["Aktenzeichen Nr"], "occurred_at": "Tatzeit", "reported_at": "Anzeige Datum",
        "category": "Delikt", "latitude": "Breitengrad", "longitude": "Längengrad",
    }  # fmt: skip
    path = write(rows, folder / "berlin.csv", "cp1252", sep=";")
    return Dressed(
        path, columns, "Europe/Berlin", BERLIN, {"delimiter": ";"}, formats=["%d.%m.%Y %H:%M"]
    )


def padded_with_mark(folder: Path) -> Dressed:
    """A byte-order mark, tabs, blanks around every field, coordinates the wrong way round."""
    r = incidents(LONDON)
    rows = pd.DataFrame(
        {
            "Crime Ref": r["case"],
            "Occurred": text(r["occurred"], "%d/%m/%Y %H:%M"),
            "Recorded": text(r["reported"], "%d/%m/%Y %H:%M"),
            "Crime type": r["offense"],
            "Latitude": places(r)["lon"],
            "Longitude": places(r)["lat"],
        }
    ).apply(lambda column: "  " + column + " ")
    columns = {
        "key": ["Crime Ref"], "occurred_at": "Occurred", "reported_at": "Recorded",
        "category": "Crime type", "latitude": "Longitude", "longitude": "Latitude",
    }  # fmt: skip
    path = write(rows, folder / "met.tsv", "utf-8-sig", sep="\t")
    return Dressed(
        path, columns, "Europe/London", LONDON, {"delimiter": "\t"}, formats=["%d/%m/%Y %H:%M"],
        doubts=("whatever they are called",),
    )  # fmt: skip


def drifting_files(folder: Path) -> Dressed:
    """A folder of small files whose columns were renamed midway; a README lies with them."""
    r = incidents()
    rows = pd.DataFrame(
        {
            "case_number": r["case"],
            "occurred_date": text(r["occurred"], "%Y-%m-%d %H:%M:%S"),
            "reported_date": text(r["reported"], "%Y-%m-%d %H:%M:%S"),
            "offense": r["offense"],
            "district": r["district"],
            "latitude": places(r)["lat"],
            "longitude": places(r)["lon"],
        }
    )
    later = {"offense": "Crime Type", "latitude": "Y", "longitude": "X", "case_number": "Case No."}
    half_day = r["occurred"].dt.floor("12h")
    for number, (_, of_day) in enumerate(rows.groupby(half_day)):
        drifted = of_day.rename(columns=later) if number > 200 else of_day
        write(drifted, folder / "feed" / f"crime_{number:03d}.csv")
    (folder / "feed" / "README.md").write_text("about these files")
    columns = {
        "key": ["case_number"], "occurred_at": "occurred_date", "reported_at": "reported_date",
        "category": "offense", "latitude": "latitude", "longitude": "longitude",
        "district": "district",
    }  # fmt: skip
    renamed = {new: old for old, new in later.items()}
    return Dressed(
        [str(folder / "feed")], columns, "America/Denver", DENVER, {"renamed": renamed},
        formats=["ISO8601"],
    )  # fmt: skip
