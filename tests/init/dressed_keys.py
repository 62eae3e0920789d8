"""Dresses of keys: rows that revise, take back or share the number of a case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from init_cities import (
    CLOCK_12,
    DENVER,
    OFFENSES,
    Dressed,
    incidents,
    places,
    text,
    unpadded,
    write,
)


def month_first(folder: Path) -> Dressed:
    """Two keys, of which the first is blank at first; a bulk stamp of the last revision."""
    r = incidents()
    old = np.arange(len(r)) < len(r) // 3
    r.loc[len(r) - 3 :, "case"] = "23-777777"  # one case, three victims, three IDs
    rows = pd.DataFrame(
        {
            "ID": np.where(old, "", [str(900000 + i) for i in range(len(r))]),
            "Case Number": "HX" + r["case"].str[3:],
            "Date": text(r["occurred"], CLOCK_12),
            "Block": r["block"],
            "IUCR": r["offense"].map({name: f"{110 + i}" for i, name in enumerate(OFFENSES)}),
            "Primary Type": r["offense"],
            "Description": r["detail"],
            "Arrest": np.where(np.arange(len(r)) % 7, "false", "true"),
            "Domestic": "false",
            "Beat": "0" + r["district"] + "12",
            "District": r["district"],
            "Updated On": text(r["occurred"] + pd.Timedelta("900D"), CLOCK_12),
            "Latitude": places(r)["lat"],
            "Longitude": places(r)["lon"],
            "Location": "(" + places(r)["lat"] + ", " + places(r)["lon"] + ")",
        }
    )
    columns = {
        "key": ["ID", "Case Number"], "occurred_at": "Date", "category": "Primary Type",
        "latitude": "Latitude", "longitude": "Longitude", "district": "District",
        "arrest": "Arrest",
    }  # fmt: skip
    return Dressed(
        write(rows, folder / "windy.csv"), columns, "America/Denver", DENVER, formats=[CLOCK_12],
        doubts=("no report time",),
    )  # fmt: skip


def two_formats_and_revisions(folder: Path) -> Dressed:
    """Rows of one report are its revisions; some are unfounded; two formats in one column."""
    r = incidents()
    again = r.sample(frac=0.08, random_state=1)
    later = again["reported"] + pd.Timedelta("3D")
    first, second = r.assign(v=1, updated=r["reported"]), again.assign(v=2, updated=later)
    versions = pd.concat([first, second])
    versions = versions.reset_index(drop=True)
    in_march = versions["occurred"].dt.month == 3
    forms = "%Y-%m-%d %H:%M", "%m/%d/%Y %I:%M %p"

    def both(times: pd.Series) -> pd.Series:
        return text(times, forms[0]).where(~in_march, text(times, forms[1]))

    rows = pd.DataFrame(
        {
            "report_no": versions["case"],
            "version": versions["v"].astype("str"),
            "status": np.where(
                (versions["v"] == 2) & (versions.index % 3 == 0), "UNFOUNDED", "OPEN"
            ),
            "offense": versions["offense"],
            "occurred_from": both(versions["occurred"]),
            "occurred_to": both(versions["until"]),
            "reported": both(versions["reported"]),
            "updated": both(versions["updated"]),
            "latitude": places(versions)["lat"],
            "longitude": places(versions)["lon"],
        }
    )
    columns = {
        "key": ["report_no"], "occurred_at": "occurred_from", "occurred_until": "occurred_to",
        "reported_at": "reported", "category": "offense", "latitude": "latitude",
        "longitude": "longitude", "revised_at": "updated", "status": "status",
    }  # fmt: skip
    return Dressed(
        write(rows, folder / "meridian.csv"), columns, "America/Denver", DENVER,
        {"retracted": ["UNFOUNDED"]}, formats=["ISO8601", forms[1]],
    )  # fmt: skip


def reversing(folder: Path) -> Dressed:
    """St. Louis: a row of -1 takes an earlier one of the same complaint back."""
    r = incidents()
    back = r.sample(frac=0.03, random_state=2)
    both = pd.concat([r.assign(n="1"), back.assign(n="-1")], ignore_index=True)
    rows = pd.DataFrame(
        {
            "Complaint": both["case"],
            "CodedMonth": text(both["occurred"], "%Y-%m"),
            "DateOccur": unpadded(text(both["occurred"], "%m/%d/%Y %H:%M")),
            "FlagCrime": "Y",
            "Count": both["n"],
            "Crime": both["offense"].map({n: str(10000 + 999 * i) for i, n in enumerate(OFFENSES)}),
            "District": both["district"],
            "Description": both["offense"],
            "ILEADSAddress": "1200",
            "Neighborhood": both["district"],
            "Latitude": places(both)["lat"],
            "Longitude": places(both)["lon"],
        }
    )
    columns = {
        "key": ["Complaint"], "occurred_at": "DateOccur", "category": "Description",
        "latitude": "Latitude", "longitude": "Longitude", "district": "District", "status": "Count",
    }  # fmt: skip
    return Dressed(
        write(rows, folder / "stl.csv"), columns, "America/Denver", DENVER, {"retracted": ["-1"]},
        formats=["%m/%d/%Y %H:%M"], doubts=("no report time",),
    )  # fmt: skip


def cases_of_several_offences(folder: Path) -> Dressed:
    """The number of a case repeats with another offence; OBJECTID tells rows apart today."""
    r = incidents()
    more = r.sample(frac=0.2, random_state=3)
    more = more.assign(offense=np.where(more["offense"] == "THEFT", "FRAUD", "THEFT"))
    both = pd.concat([r, more], ignore_index=True).sample(frac=1, random_state=4, ignore_index=True)
    rows = pd.DataFrame(
        {
            "OBJECTID": [str(i) for i in range(len(both))],
            "incident_number": both["case"],
            "offense_start": text(both["occurred"], "%d-%b-%y %H.%M").str.replace(".", ":"),
            "report_date": text(both["reported"], "%d-%b-%y %H:%M"),
            "offense_type": both["offense"],
            "point_x": places(both)["lon"],
            "point_y": places(both)["lat"],
        }
    )
    columns = {
        "key": [["incident_number", "offense_type"]], "occurred_at": "offense_start",
        "reported_at": "report_date", "category": "offense_type", "latitude": "point_y",
        "longitude": "point_x",
    }  # fmt: skip
    return Dressed(
        write(rows, folder / "several.txt", sep="|"), columns, "America/Denver", DENVER,
        {"delimiter": "|"}, formats=["%d-%b-%y %H:%M"],
    )  # fmt: skip
