"""The same made-up incidents in the dress of many police exports, and what has to be found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyproj import Transformer

DENVER, VANCOUVER, LONDON, MEXICO = (
    (39.74, -104.95),
    (49.26, -123.11),
    (51.52, -0.1),
    (19.4, -99.15),
)
BERLIN, BALTIMORE, LOS_ANGELES, NEW_YORK = (
    (52.5, 13.4),
    (39.3, -76.61),
    (34.05, -118.3),
    (40.7, -73.95),
)
START, DAYS, COUNT = pd.Timestamp("2023-01-02"), 150, 2600
OFFENSES = {
    "THEFT": 0.3, "BURGLARY": 0.12, "MOTOR VEHICLE THEFT": 0.1, "CRIMINAL DAMAGE": 0.13,
    "SIMPLE ASSAULT": 0.12, "ROBBERY": 0.06, "HOMICIDE": 0.01, "NARCOTICS": 0.06, "FRAUD": 0.06,
    "DISORDERLY CONDUCT": 0.04,
}  # fmt: skip


@dataclass(frozen=True)
class Dressed:
    """``columns``: what source.columns has to be (keys that are absent must not be there)."""

    path: list[str]
    columns: dict[str, Any]
    zone: str
    at: tuple[float, float]
    source: dict[str, Any] = field(default_factory=dict)
    kept: float = 0.97
    place: str | None = None
    doubts: tuple[str, ...] = ()
    formats: list[str] | None = None


@cache
def _incidents(at: tuple[float, float], count: int = COUNT, seed: int = 7) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    clock = 1 + 0.8 * np.cos(2 * np.pi * (np.arange(24) - 18) / 24)
    minute = 1440 * rng.integers(0, DAYS, count) + 60 * rng.choice(24, count, p=clock / clock.sum())
    occurred = pd.Series(START + pd.to_timedelta(np.sort(minute), unit="min"))
    occurred += pd.to_timedelta(rng.choice([0, 5, 15, 30, 42], count), unit="min")
    occurred = occurred.where(rng.random(count) > 0.04, occurred.dt.normalize())
    delay = rng.exponential(rng.choice([2.0, 40.0], count, p=[0.8, 0.2])) + 0.2
    reported = occurred + pd.to_timedelta((delay * 60).astype(int), unit="min")
    offense = rng.choice(list(OFFENSES), count, p=list(OFFENSES.values()))
    return pd.DataFrame(
        {
            "occurred": occurred,
            "reported": reported,
            "until": (occurred + pd.to_timedelta(rng.integers(5, 600, count), unit="min")).where(
                rng.random(count) < 0.6
            ),
            "offense": offense,
            "detail": [
                f"{name} - KIND {k}"
                for name, k in zip(offense, rng.integers(0, 9, count), strict=True)
            ],
            "lat": at[0] + rng.normal(0, 0.03, count),
            "lon": at[1] + rng.normal(0, 0.04, count),
            "district": rng.choice(["1", "2", "3", "4", "5", "6"], count),
            "case": [f"23-{i:06d}" for i in rng.permutation(count) + 1000],
            "block": [f"{n * 100} BLOCK OF MAIN ST" for n in rng.integers(1, 90, count)],
        }
    )


def incidents(at: tuple[float, float] = DENVER, count: int = COUNT) -> pd.DataFrame:
    """Times (naive local), offence, place, district, number of the case, in order of time."""
    return _incidents(at, count).copy()


def projected(rows: pd.DataFrame, crs: str, digits: int = 2) -> tuple[list[str], list[str]]:
    """Eastings and northings as text."""
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(rows["lon"], rows["lat"])
    return [f"{v:.{digits}f}" for v in x], [f"{v:.{digits}f}" for v in y]


def text(times: pd.Series, form: str) -> pd.Series:
    """Times in a format, blanks where there is none."""
    return times.dt.strftime(form).fillna("").astype("str")


def unpadded(texts: pd.Series) -> pd.Series:
    """1/8/2020 5:05 for 01/08/2020 05:05, and 130 for 0130."""
    return texts.str.replace(r"(?<!\d)0+(?=\d)", "", regex=True)


def write(rows: pd.DataFrame, path: Path, encoding: str = "utf-8", **options: Any) -> list[str]:
    """The rows as CSV, and its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(path, index=False, encoding=encoding, **options)
    return [str(path)]


def _places(rows: pd.DataFrame) -> dict[str, pd.Series]:
    return {"lat": rows["lat"].map("{:.6f}".format), "lon": rows["lon"].map("{:.6f}".format)}


CLOCK_12 = "%m/%d/%Y %I:%M:%S %p"


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
            "Latitude": _places(r)["lat"],
            "Longitude": _places(r)["lon"],
            "Location": "(" + _places(r)["lat"] + ", " + _places(r)["lon"] + ")",
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
            "Breitengrad": _places(r)["lat"],
            "Längengrad": _places(r)["lon"],
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
            "latitude": _places(versions)["lat"],
            "longitude": _places(versions)["lon"],
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
            "LAT": _places(r)["lat"],
            "LON": _places(r)["lon"],
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
            "Latitude": _places(r)["lat"],
            "Longitude": _places(r)["lon"],
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


def padded_with_mark(folder: Path) -> Dressed:
    """A byte-order mark, tabs, blanks around every field, coordinates the wrong way round."""
    r = incidents(LONDON)
    rows = pd.DataFrame(
        {
            "Crime Ref": r["case"],
            "Occurred": text(r["occurred"], "%d/%m/%Y %H:%M"),
            "Recorded": text(r["reported"], "%d/%m/%Y %H:%M"),
            "Crime type": r["offense"],
            "Latitude": _places(r)["lon"],
            "Longitude": _places(r)["lat"],
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
            "Latitude": _places(both)["lat"],
            "Longitude": _places(both)["lon"],
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
            "Latitude": _places(r)["lat"],
            "Longitude": _places(r)["lon"],
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
            "lat": _places(r)["lat"],
            "lng": _places(r)["lon"],
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
            "point_x": _places(both)["lon"],
            "point_y": _places(both)["lat"],
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
            "latitude": _places(r)["lat"],
            "longitude": _places(r)["lon"],
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
            "LONG_WGS84": _places(r)["lon"],
            "LAT_WGS84": _places(r)["lat"],
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


DRESSES: list[Callable[[Path], Dressed]] = [
    month_first, day_first, two_formats_and_revisions, unpadded_clock, split_window, in_parts,
    state_plane, utm_by_place, padded_with_mark, reversing, utc_by_name_only, truly_utc,
    cases_of_several_offences, drifting_files, flag_of_hours,
]  # fmt: skip
