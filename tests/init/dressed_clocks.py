"""Dresses of clocks: dates and hours apart, windows, offsets that are meant or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from init_cities import (
    BALTIMORE,
    CLOCK_12,
    LOS_ANGELES,
    NEW_YORK,
    OFFENSES,
    Dressed,
    incidents,
    places,
    projected,
    text,
    write,
)


def unpadded_clock(folder: Path) -> Dressed:
    """Los Angeles: the date with a fixed clock, the clock as a bare number, a report date."""
    r = incidents(LOS_ANGELES)
    rows = pd.DataFrame(
        {
            "DR_NO": "23" + r["case"].str[3:] + "01",
            "Date Rptd": text(r["reported"], "%m/%d/%Y 12:00:00 AM"),
            "DATE OCC": text(r["occurred"], "%m/%d/%Y 12:00:00 AM"),
            "TIME OCC": [str(int(t)) for t in text(r["occurred"], "%H%M")],
            "AREA": r["district"],
            "AREA NAME": r["district"].map({str(i): f"Area {i}" for i in range(9)}),
            "Part 1-2": "1",
            "Crm Cd": r["offense"].map({n: str(300 + i) for i, n in enumerate(OFFENSES)}),
            "Crm Cd Desc": r["offense"],
            "Vict Age": "34",
            "Vict Sex": "F",
            "Vict Descent": "H",
            "Premis Desc": "STREET",
            "Status Desc": "Invest Cont",
            "LOCATION": r["block"],
            "LAT": places(r)["lat"],
            "LON": places(r)["lon"],
        }
    )
    columns = {
        "key": ["DR_NO"], "occurred_at": ["DATE OCC", "TIME OCC"], "reported_at": "Date Rptd",
        "category": "Crm Cd Desc", "latitude": "LAT", "longitude": "LON", "district": "AREA NAME",
    }  # fmt: skip
    return Dressed(
        write(rows, folder / "la.csv"), columns, "America/Los_Angeles", LOS_ANGELES,
        {"delivery_lag_days": 1}, formats=["%m/%d/%Y 12:00:00 AM %H%M", CLOCK_12],
    )  # fmt: skip


def split_window(folder: Path) -> Dressed:
    """New York: from and to in two columns each, null written as text, state plane beside."""
    r = incidents(NEW_YORK)
    x, y = projected(r, "EPSG:2263", 0)
    rows = pd.DataFrame(
        {
            "CMPLNT_NUM": r["case"].str.replace("-", ""),
            "CMPLNT_FR_DT": text(r["occurred"], "%m/%d/%Y"),
            "CMPLNT_FR_TM": text(r["occurred"], "%H:%M:%S"),
            "CMPLNT_TO_DT": text(r["until"], "%m/%d/%Y").replace("", "(null)"),
            "CMPLNT_TO_TM": text(r["until"], "%H:%M:%S").replace("", "(null)"),
            "ADDR_PCT_CD": r["district"],
            "RPT_DT": text(r["reported"], "%m/%d/%Y"),
            "KY_CD": r["offense"].map({n: str(100 + i) for i, n in enumerate(OFFENSES)}),
            "OFNS_DESC": r["offense"],
            "PD_DESC": r["detail"],
            "CRM_ATPT_CPTD_CD": "COMPLETED",
            "LAW_CAT_CD": np.where(r["offense"] == "ROBBERY", "FELONY", "MISDEMEANOR"),
            "BORO_NM": r["district"].map(lambda d: ["BRONX", "QUEENS"][int(d) % 2]),
            "SUSP_RACE": "UNKNOWN",
            "VIC_SEX": "M",
            "X_COORD_CD": x,
            "Y_COORD_CD": y,
            "Latitude": places(r)["lat"],
            "Longitude": places(r)["lon"],
        }
    )
    columns = {
        "key": ["CMPLNT_NUM"], "occurred_at": ["CMPLNT_FR_DT", "CMPLNT_FR_TM"],
        "occurred_until": ["CMPLNT_TO_DT", "CMPLNT_TO_TM"], "reported_at": "RPT_DT",
        "category": "OFNS_DESC", "latitude": "Latitude", "longitude": "Longitude",
        "district": "ADDR_PCT_CD",
    }  # fmt: skip
    return Dressed(
        write(rows, folder / "ny.csv"), columns, "America/New_York", NEW_YORK,
        {"delivery_lag_days": 1}, formats=["%m/%d/%Y %H:%M:%S", "%m/%d/%Y"],
    )  # fmt: skip


def utc_by_name_only(folder: Path) -> Dressed:
    """ArcGIS: local clocks with +00 behind; load stamp, weekday and shift as decoys."""
    r = incidents(BALTIMORE)
    x, y = projected(r, "EPSG:2248")
    rows = pd.DataFrame(
        {
            "X": x,
            "Y": y,
            "RowID": [str(i) for i in range(len(r))],
            "CCNumber": "23A" + r["case"].str[3:],
            "CrimeDateTime": text(r["occurred"], "%Y/%m/%d %H:%M:%S+00"),
            "CrimeCode": "4E",
            "Description": r["offense"],
            "Weapon": "HANDS",
            "Gender": "F",
            "DayOfWeek": text(r["occurred"], "%A"),
            "New_District": r["district"].map(lambda d: f"D{d}"),
            "Load_Date": "2024/01/05 02:00:00+00",
            "Latitude": places(r)["lat"],
            "Longitude": places(r)["lon"],
            "PremiseType": "STREET",
        }
    )
    columns = {
        "key": ["CCNumber"], "occurred_at": "CrimeDateTime", "category": "Description",
        "latitude": "Latitude", "longitude": "Longitude", "district": "New_District",
    }  # fmt: skip
    return Dressed(
        write(rows, folder / "part1.csv"), columns, "America/New_York", BALTIMORE,
        formats=["%Y/%m/%d %H:%M:%S+00"], doubts=("no report time",),
    )  # fmt: skip


def truly_utc(folder: Path) -> Dressed:
    """The same with instants, and a date of arrest and of clearance as decoys."""
    r = incidents(BALTIMORE)

    def utc(times: pd.Series) -> pd.Series:
        local = times.dt.tz_localize(
            "America/New_York", ambiguous=True, nonexistent="shift_forward"
        )
        return text(local.dt.tz_convert("UTC"), "%Y-%m-%dT%H:%M:%S.000Z")

    rows = pd.DataFrame(
        {
            "arrest_date": utc(r["occurred"] + pd.Timedelta("5h")).where(r.index % 4 == 0, ""),
            "date_cleared": utc(r["occurred"] + pd.Timedelta("15D")),
            "case_id": r["case"],
            "entered_at": utc(r["reported"]),
            "happened_at": utc(r["occurred"]),
            "call_type": r["offense"],
            "lat": places(r)["lat"],
            "lng": places(r)["lon"],
        }
    )
    columns = {
        "key": ["case_id"], "occurred_at": "happened_at", "reported_at": "entered_at",
        "category": "call_type", "latitude": "lat", "longitude": "lng",
    }  # fmt: skip
    return Dressed(
        write(rows, folder / "calls.csv"),
        columns,
        "America/New_York",
        BALTIMORE,
        formats=["ISO8601"],
    )


def flag_of_hours(folder: Path) -> Dressed:
    """Toronto: dates at local midnight in UTC, the hour in a column, months by name."""
    r = incidents(BALTIMORE)
    rows = pd.DataFrame(
        {
            "OBJECTID": [str(i) for i in range(len(r))],
            "EVENT_UNIQUE_ID": "GO-2023" + r["case"].str[3:],
            "REPORT_DATE": text(r["reported"], "%Y/%m/%d 05:00:00+00"),
            "OCC_DATE": text(r["occurred"], "%Y/%m/%d 05:00:00+00"),
            "REPORT_YEAR": text(r["reported"], "%Y"),
            "OCC_YEAR": text(r["occurred"], "%Y"),
            "OCC_MONTH": text(r["occurred"], "%B"),
            "OCC_DAY": [str(int(d)) for d in text(r["occurred"], "%d")],
            "OCC_DOW": text(r["occurred"], "%A"),
            "OCC_HOUR": [str(int(h)) for h in text(r["occurred"], "%H")],
            "DIVISION": "D" + r["district"],
            "LOCATION_TYPE": "Streets, Roads, Highways",
            "OFFENCE": r["offense"],
            "LONG_WGS84": places(r)["lon"],
            "LAT_WGS84": places(r)["lat"],
        }
    )
    columns = {
        "key": ["EVENT_UNIQUE_ID"], "occurred_at": ["OCC_DATE", "OCC_HOUR"],
        "reported_at": "REPORT_DATE", "category": "OFFENCE", "latitude": "LAT_WGS84",
        "longitude": "LONG_WGS84", "district": "DIVISION",
    }  # fmt: skip
    return Dressed(
        write(rows, folder / "mci.csv"), columns, "America/New_York", BALTIMORE,
        {"delivery_lag_days": 1},
    )  # fmt: skip
