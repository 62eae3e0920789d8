"""A newcomer's first minute: what is found in many cities' files, and that it can be used."""

from __future__ import annotations

import gzip
import tempfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from init_cities import (
    CLOCK_12,
    DENVER,
    DRESSES,
    Dressed,
    drifting_files,
    in_parts,
    incidents,
    month_first,
    split_window,
    state_plane,
    text,
    two_formats_and_revisions,
    utm_by_place,
    write,
)

from pipeline.check import check_city
from pipeline.errors import ConfigError, DataError, MissingInputError
from pipeline.init.recipe import InitResult, init_city
from pipeline.load import load_config

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)


def init(path: list[str], folder: Path, **changes: Any) -> tuple[InitResult, dict[str, Any]]:
    """What is written for files, and its values."""
    given_ = {"boundary": None, "place": None, "now": NOW} | changes
    result = init_city(path, folder / "city.yaml", **given_)
    return result, yaml.safe_load(result.path.read_text(encoding="utf-8"))


def plain_rows(count: int = 2600) -> pd.DataFrame:
    """A file without quirks."""
    r = incidents(DENVER, count)
    return pd.DataFrame(
        {
            "case_number": r["case"],
            "occurred": text(r["occurred"], "%Y-%m-%d %H:%M"),
            "reported": text(r["reported"], "%Y-%m-%d %H:%M"),
            "offense": r["offense"],
            "latitude": r["lat"].map("{:.6f}".format),
            "longitude": r["lon"].map("{:.6f}".format),
        }
    )


@pytest.mark.parametrize("dress", DRESSES, ids=lambda dress: dress.__name__)
def test_finds_what_is_there(dress: Callable[[Path], Dressed], tmp_path: Path) -> None:
    dressed = dress(tmp_path)
    result, found = init(dressed.path, tmp_path, place=dressed.place)
    source, written = found["source"], result.path.read_text(encoding="utf-8")
    assert source["columns"] == dressed.columns
    assert found["timezone"] == dressed.zone
    assert {key: source[key] for key in dressed.source} == dressed.source
    if dressed.formats is not None:
        assert source["date_formats"] == dressed.formats
    west, south, east, north = found["grid"]["bounds"]
    lat, lon = dressed.at
    covered = shapely.box(lon - 0.12, lat - 0.09, lon + 0.12, lat + 0.09)
    assert shapely.box(west, south, east, north).contains(covered)
    assert shapely.box(lon - 0.25, lat - 0.2, lon + 0.25, lat + 0.2).contains_properly(
        shapely.box(west, south, east, north)
    )
    assert str(source["start"]) == "2023-01-01"
    assert result.kept >= dressed.kept
    for doubt in dressed.doubts:
        assert doubt in " ".join(written.replace("#", " ").split())
    assert written.count("doubt:") == len(dressed.doubts) == len(result.doubts)
    check_city(load_config(result.path), NOW)


def test_groups_follow_the_names_of_the_offences(tmp_path: Path) -> None:
    _, found = init(month_first(tmp_path).path, tmp_path)
    groups = {name: set(group["categories"]) for name, group in found["groups"].items()}
    assert groups == {
        "violent": {"SIMPLE ASSAULT", "ROBBERY", "HOMICIDE"},
        "property": {"THEFT", "BURGLARY", "MOTOR VEHICLE THEFT", "CRIMINAL DAMAGE"},
        "police_initiated": {"NARCOTICS"},
    }
    assert found["targets"] == {
        "all": ["violent", "property", "other"],
        "violent": ["violent"],
        "property": ["property"],
    }


def test_a_group_of_few_incidents_gets_no_target(tmp_path: Path) -> None:
    rows = plain_rows()
    rows.loc[rows["offense"].isin(["SIMPLE ASSAULT", "HOMICIDE"]), "offense"] = "FRAUD"
    _, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert 0 < (rows["offense"] == "ROBBERY").sum() < 200
    assert found["groups"]["violent"] == {"categories": ["ROBBERY"]}
    assert list(found["targets"]) == ["all", "property"]


def test_what_is_about_persons_is_never_mapped(tmp_path: Path) -> None:
    rows = plain_rows().rename(columns={"case_number": "victim_id", "offense": "suspect"})
    rows["case"] = rows["victim_id"] + "x"
    rows["crime"] = rows["suspect"]
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert found["source"]["columns"]["key"] == ["case"]
    assert found["source"]["columns"]["category"] == "crime"
    assert "never read, for they are about persons: victim_id, suspect" in (result.path.read_text())


@pytest.mark.parametrize("pack", ["gz", "zip", "pattern", "list", "tab.txt.gz"])
def test_reads_packed_and_several_files(pack: str, tmp_path: Path) -> None:
    rows = plain_rows()
    half = len(rows) // 2
    separator = "\t" if pack.startswith("tab") else ","
    first, second = (part.to_csv(index=False, sep=separator) for part in (rows[:half], rows[half:]))
    if pack.endswith("gz"):
        paths = [str(tmp_path / f"denver.{pack}"), str(tmp_path / f"more.{pack}")]
        for path, content in zip(paths, (first, second), strict=True):
            Path(path).write_bytes(gzip.compress(content.encode()))
    elif pack == "zip":
        paths = [str(tmp_path / "denver.zip")]
        with zipfile.ZipFile(paths[0], "w") as archive:
            archive.writestr("2022.csv", first)
            archive.writestr("2023.csv", second)
    else:
        paths = [str(tmp_path / "denver1.csv"), str(tmp_path / "denver2.csv")]
        for path, content in zip(paths, (first, second), strict=True):
            Path(path).write_text(content)
        paths = [str(tmp_path / "denver*.csv")] if pack == "pattern" else paths
    result, found = init(paths, tmp_path)
    assert found["source"].get("delimiter", ",") == separator
    assert [*np.atleast_1d(found["source"]["path"])] == [Path(p).name for p in paths]
    assert "all 2,600 rows" in result.path.read_text()
    check_city(load_config(result.path), NOW)


def test_leaves_files_of_another_kind_out(tmp_path: Path) -> None:
    rows = plain_rows()
    for number in range(4):
        write(rows[number::4], tmp_path / "in" / f"crime_{number}.csv")
    areas = pd.DataFrame({"area": ["a", "b"], "officers": ["1", "2"], "phone": ["3", "4"]})
    write(areas, tmp_path / "in" / "areas.csv")
    result, found = init([str(tmp_path / "in")], tmp_path)
    assert found["source"]["path"] == "in/crime_*.csv"
    assert "1 files are of another kind" in result.path.read_text()
    check_city(load_config(result.path), NOW)


def test_takes_the_outline_that_lies_beside(tmp_path: Path) -> None:
    path = write(plain_rows(), tmp_path / "denver.csv")
    lat, lon = DENVER
    city = geopandas.GeoSeries(
        [shapely.box(lon - 0.1, lat - 0.08, lon + 0.1, lat + 0.08)], crs=4326
    )
    city.to_crs(2232).to_file(tmp_path / "denver.gpkg")
    result, found = init(path, tmp_path)
    assert found["grid"] == {"boundary": "denver.gpkg"}
    assert 0.97 < result.kept < 1
    assert "outside the boundary" in result.path.read_text()


def test_an_outline_elsewhere_is_not_used(tmp_path: Path) -> None:
    path = write(plain_rows(), tmp_path / "denver.csv")
    geopandas.GeoSeries([shapely.box(2, 48, 3, 49)], crs=4326).to_file(tmp_path / "paris.geojson")
    result, found = init(path, tmp_path, boundary=tmp_path / "paris.geojson")
    assert "boundary" not in found["grid"]
    assert any("paris.geojson" in doubt for doubt in result.doubts)
    assert result.kept > 0.97


def test_the_outline_tells_the_coordinate_system(tmp_path: Path) -> None:
    path = utm_by_place(tmp_path).path  # UTM metres that also lie in other zones' cities
    box = shapely.box(-99.35, 19.2, -98.95, 19.6)
    geopandas.GeoSeries([box], crs=4326).to_file(tmp_path / "outline.geojson")
    _, found = init(path, tmp_path, boundary=tmp_path / "outline.geojson")
    assert found["source"]["crs"] == "EPSG:32614"
    assert found["grid"] == {"boundary": "outline.geojson"}


def test_a_feed_that_ended_is_tried_as_of_its_end(tmp_path: Path) -> None:
    result, _ = init(month_first(tmp_path).path, tmp_path)
    assert result.as_of == "2023-06-01T06:00-06:00"
    assert result.lines[-1].endswith("city.yaml --as-of 2023-06-01T06:00-06:00")
    assert "--as-of 2023-06-01T06:00-06:00" in result.path.read_text().split("name:")[0]


def test_a_live_feed_is_tried_as_it_is_and_lags_as_it_does(tmp_path: Path) -> None:
    now = datetime(2023, 6, 8, 12, tzinfo=UTC)  # the last full day is May 31
    result, found = init(month_first(tmp_path).path, tmp_path, now=now)
    assert result.as_of is None
    assert found["source"]["delivery_lag_days"] == 7
    assert "--as-of" not in result.lines[-1]


def test_says_where_there_is_too_little(tmp_path: Path) -> None:
    result, _ = init(write(plain_rows()[:150], tmp_path / "a.csv"), tmp_path)
    assert "too little for a forecast: about 150 rows" in result.doubts[0]


def test_stray_early_rows_are_not_the_start(tmp_path: Path) -> None:
    rows = plain_rows()
    rows.loc[rows.index[:4], "occurred"] = ["1900-01-01 00:00", "1970-01-01 00:00"] * 2
    rows.loc[5, "occurred"] = "2099-01-01 00:00"
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert str(found["source"]["start"]) == "2023-01-01"
    assert result.as_of == "2023-06-01T06:00-06:00"


def test_fillers_do_not_move_the_bounds(tmp_path: Path) -> None:
    rows = plain_rows()
    rows.loc[rows.index[:600], ["latitude", "longitude"]] = ["0", "0"]
    rows.loc[rows.index[600:700], ["latitude", "longitude"]] = ["-1", "-1"]
    rows.loc[rows.index[700:800], ["latitude", "longitude"]] = ["39.99", "-105.4"]
    rows.loc[rows.index[800], ["latitude", "longitude"]] = ["41.5", "-104.9"]
    _, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    west, south, east, north = found["grid"]["bounds"]
    assert -105.2 < west < east < -104.7
    assert 39.5 < south < north < 39.95


def test_an_open_order_of_days_and_months_is_settled_and_doubted(tmp_path: Path) -> None:
    r = incidents()
    r = r[r["occurred"].dt.day <= 12]
    rows = plain_rows().loc[r.index].drop(columns="reported")
    rows["occurred"] = text(r["occurred"], "%d/%m/%Y %H:%M")
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert found["source"]["date_formats"] == ["%m/%d/%Y %H:%M"]  # as is usual in Denver
    assert any("no day above 12" in doubt for doubt in result.doubts)


def test_mixed_orders_are_doubted(tmp_path: Path) -> None:
    r, rows = incidents(), plain_rows().drop(columns="reported")
    form = np.where(np.arange(len(r)) < 1800, "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M")
    rows["occurred"] = [at.strftime(f) for at, f in zip(r["occurred"], form, strict=True)]
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert found["source"]["date_formats"] == ["%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M"]
    assert any("month-first and day-first" in doubt for doubt in result.doubts)


def test_blank_report_times_cost_no_rows(tmp_path: Path) -> None:
    rows = plain_rows()
    rows.loc[::4, "reported"] = ""
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert "reported_at" not in found["source"]["columns"]
    assert "not used: reported: blank in 25% of the rows" in result.path.read_text()
    assert result.kept == 1


def test_the_first_night_is_not_stopped_by_what_is_known(tmp_path: Path) -> None:
    rows = plain_rows()
    rows.loc[::2, ["latitude", "longitude"]] = ""
    rows.loc[1::8, ["latitude", "longitude"]] = "0"
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert result.kept < 0.4
    assert found["quality"]["stop_quarantined"] > 1 - result.kept
    assert any("only 3" in doubt and "can be used" in doubt for doubt in result.doubts)


def test_odd_names_of_columns_survive(tmp_path: Path) -> None:
    odd = {"case_number": "no", "occurred": "When: occurred #1", "offense": "Délit, 'catégorie'",
           "latitude": "lat [°]", "longitude": "lon {°}", "reported": "{reported}: at"}  # fmt: skip
    result, found = init(write(plain_rows().rename(columns=odd), tmp_path / "a.csv"), tmp_path)
    columns = found["source"]["columns"]
    assert columns["occurred_at"] == "When: occurred #1"
    assert columns["category"] == "Délit, 'catégorie'"
    assert columns["latitude"] == "lat [°]"
    check_city(load_config(result.path), NOW)


def test_writes_over_nothing(tmp_path: Path) -> None:
    path = write(plain_rows(), tmp_path / "a.csv")
    (tmp_path / "city.yaml").write_text("mine")
    with pytest.raises(ConfigError, match=r"there already: choose another with --out"):
        init(path, tmp_path)
    assert (tmp_path / "city.yaml").read_text() == "mine"


def test_is_named_after_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(plain_rows(), tmp_path / "Crimes - 2001 to Present.csv")
    monkeypatch.chdir(tmp_path)
    result = init_city(path, None, None, None, NOW)
    assert result.path == tmp_path / "crimes-2001-to-present.yaml"
    assert load_config(result.path).name == "crimes-2001-to-present"


FAULTS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "no place": (
        lambda rows: rows.drop(columns=["latitude", "longitude"]).assign(address="1 MAIN ST"),
        "geocode 'address' first",
    ),
    "months": (
        lambda rows: rows.assign(occurred=rows["occurred"].str[:7]).drop(columns="reported"),
        "'occurred' holds months",
    ),
    "flags": (
        lambda rows: rows.drop(columns="offense").assign(Theft="1", Robbery="0", Arson="0"),
        "columns of their own",
    ),
    "no category": (
        lambda rows: rows.drop(columns="offense"),
        "no column holds kinds of offences",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_says_what_is_missing(fault: str, tmp_path: Path) -> None:
    spoil, said = FAULTS[fault]
    path = write(spoil(plain_rows()), tmp_path / "a.csv")
    with pytest.raises(DataError, match=said):
        init(path, tmp_path)
    assert not (tmp_path / "city.yaml").exists()


def test_a_place_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no city on the list"):
        init(state_plane(tmp_path).path, tmp_path, place="Nowhereville")


def test_no_file_is_an_error(tmp_path: Path) -> None:
    write(plain_rows(), tmp_path / "other.csv")
    with pytest.raises(MissingInputError, match=r"check the path; beside it: other\.csv"):
        init([str(tmp_path / "a.csv")], tmp_path)


SYNONYMS = {
    "case_number": ["Case No", "INCIDENT_ID", "ReportNumber", "CCN", "complaint nr"],
    "occurred": ["Occurred On", "OCC_DT", "DateOccur", "Offense Start DateTime", "incident_date"],
    "reported": ["Date Rptd", "REPORT_DAT", "ReportedDateTime", "Received", "date_entered"],
    "offense": ["Primary Type", "OFFENSE_CATEGORY", "CrimeType", "UCR Description", "offence"],
    "latitude": ["LAT", "Y", "geo_lat", "LATITUDE_PUBLIC", "lat_wgs84"],
    "longitude": ["LON", "X", "geo_lon", "LONGITUDE_PUBLIC", "long_wgs84"],
}
DECOYS = {
    "arrest_date": "2023-07-01 10:00", "data_loaded_at": "2024-01-01 00:00", "weekday": "Monday",
    "precinct": "3", "location type": "STREET", "disposition": "OPEN", "weapon": "KNIFE",
    "zip": "80202", "race": "W",
}  # fmt: skip


@settings(max_examples=20)
@given(st.data())
def test_neither_order_nor_spelling_of_columns_matters(data: st.DataObject) -> None:
    rows = plain_rows(700)
    place = data.draw(st.integers(0, 4))  # both coordinates are spelled alike
    names = {n: SYNONYMS[n][place] for n in ("latitude", "longitude")}
    names |= {n: data.draw(st.sampled_from(SYNONYMS[n])) for n in SYNONYMS if n not in names}
    rows = rows.rename(columns=names).assign(**DECOYS)
    rows = rows[data.draw(st.permutations(list(rows.columns)))]
    with tempfile.TemporaryDirectory() as folder:
        path = write(rows, Path(folder) / "a.csv")
        _, found = init(path, Path(folder))
    assert found["source"]["columns"] == {
        "key": [names["case_number"]],
        "occurred_at": names["occurred"],
        "reported_at": names["reported"],
        "category": names["offense"],
        "latitude": names["latitude"],
        "longitude": names["longitude"],
    }


def test_drift_is_said_and_read(tmp_path: Path) -> None:
    dressed = drifting_files(tmp_path)
    result, _ = init(dressed.path, tmp_path)
    assert "the files have 2 different headers" in result.path.read_text()
    config = load_config(result.path)
    assert config.source.renamed["Crime Type"] == "offense"


def test_projected_places_agree_with_degrees_beside_them(tmp_path: Path) -> None:
    path = split_window(tmp_path).path
    rows = pd.read_csv(path[0], dtype=str, keep_default_na=False)
    rows.loc[::2, ["Latitude", "Longitude"]] = ""  # only half of the rows have degrees
    result, found = init(write(rows, tmp_path / "half.csv"), tmp_path)
    assert found["source"]["crs"] == "EPSG:2263"
    assert found["source"]["columns"]["x"] == "X_COORD_CD"
    assert "agrees with Latitude and Longitude" in result.path.read_text()
    assert result.kept > 0.99


def test_parts_of_time_have_a_key_of_all_that_is_read(tmp_path: Path) -> None:
    result, _ = init(in_parts(tmp_path).path, tmp_path)
    assert "HOUR" in load_config(result.path).source.columns.key_parts[0]


def test_revisions_need_keys_that_repeat(tmp_path: Path) -> None:
    dressed = two_formats_and_revisions(tmp_path)
    rows = pd.read_csv(dressed.path[0], dtype=str, keep_default_na=False)
    single = rows[rows["version"] == "1"]
    result, found = init(write(single, tmp_path / "single.csv"), tmp_path)
    assert "revised_at" not in found["source"]["columns"]
    assert "not used: updated as revised_at" in result.path.read_text()


def test_both_coordinates_in_one_text(tmp_path: Path) -> None:
    rows = plain_rows()
    point = "POINT (" + rows["longitude"] + " " + rows["latitude"] + ")"
    rows = rows.drop(columns=["latitude", "longitude"]).assign(Location=point)
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert found["source"]["columns"]["latitude"] == "Location"
    assert found["source"]["columns"]["longitude"] == "Location"
    assert result.kept == 1


def test_milliseconds_since_1970(tmp_path: Path) -> None:
    rows, r = plain_rows(), incidents()
    for name in ("occurred", "reported"):
        local = r[name].dt.tz_localize(
            "America/Denver", ambiguous=True, nonexistent="shift_forward"
        )
        rows[name] = (local.astype("datetime64[s, UTC]").astype("int64") * 1000).astype("str")
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert found["source"]["date_formats"] == ["epoch_ms"]
    assert not result.doubts
    assert result.kept == 1


def test_decimal_commas(tmp_path: Path) -> None:
    rows = plain_rows()
    for name in ("latitude", "longitude"):
        rows[name] = rows[name].str.replace(".", ",")
    result, _ = init(write(rows, tmp_path / "a.csv", sep=";"), tmp_path)
    assert result.kept == 1


def test_the_second_clock_format_of_a_column_is_found(tmp_path: Path) -> None:
    rows, r = plain_rows(), incidents()
    rows.loc[2000:, "occurred"] = text(r["occurred"], CLOCK_12)[2000:]
    result, found = init(write(rows, tmp_path / "a.csv"), tmp_path)
    assert found["source"]["date_formats"] == ["ISO8601", CLOCK_12]
    assert result.kept == 1


def test_a_service_is_asked_for_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, address = plain_rows(), "https://data.example.org/resource/abcd-1234"
    asked: list[tuple[str, int]] = []

    def sample_rows(asked_of: str, most: int) -> tuple[pd.DataFrame, int]:
        asked.append((asked_of, most))
        return rows, 90_000

    monkeypatch.setattr("pipeline.sources.services.sample_rows", sample_rows)
    monkeypatch.chdir(tmp_path)
    result = init_city([address], None, None, None, NOW)
    config = load_config(result.path)
    assert asked == [(address, 200_000)]
    assert config.source.path == (address,)
    assert config.name == "denver"
    assert result.as_of is None  # where the data end is not known
    assert any("only the beginning" in doubt for doubt in result.doubts)
