"""A newcomer's first minute: what is found in many cities' files, and that it can be used."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import shapely
from drafting import NOW, init, plain_rows
from dressed_clocks import flag_of_hours, split_window, truly_utc, unpadded_clock, utc_by_name_only
from dressed_files import day_first, drifting_files, padded_with_mark
from dressed_keys import (
    cases_of_several_offences,
    month_first,
    reversing,
    two_formats_and_revisions,
)
from dressed_places import in_parts, state_plane, utm_by_place
from hypothesis import given, settings
from hypothesis import strategies as st
from init_cities import Dressed, write

from pipeline.check import check_city
from pipeline.errors import ConfigError, DataError
from pipeline.init.recipe import init_city
from pipeline.init.table import open_table
from pipeline.load import load_config
from pipeline.sources.services import Sample

DRESSES: list[Callable[[Path], Dressed]] = [
    month_first, day_first, two_formats_and_revisions, unpadded_clock, split_window, in_parts,
    state_plane, utm_by_place, padded_with_mark, reversing, utc_by_name_only, truly_utc,
    cases_of_several_offences, drifting_files, flag_of_hours,
]  # fmt: skip


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


def test_columns_about_persons_are_not_even_looked_at(tmp_path: Path) -> None:
    rows = plain_rows().assign(victim_age="31")
    with open_table(write(rows, tmp_path / "a.csv")) as table:
        assert table.persons == ("victim_age",)
        assert "victim_age" not in [*table.names, *table.rows.columns]


def test_says_where_there_is_too_little(tmp_path: Path) -> None:
    result, _ = init(write(plain_rows()[:150], tmp_path / "a.csv"), tmp_path)
    assert "too little for a forecast: about 150 rows" in result.doubts[0]


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


def test_a_service_is_asked_for_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, address = plain_rows(), "https://data.example.org/resource/abcd-1234"
    asked: list[tuple[str, int]] = []

    def sample_rows(asked_of: str, most: int) -> Sample:
        asked.append((asked_of, most))
        return Sample(rows, 90_000, ("victim_age",))

    monkeypatch.setattr("pipeline.sources.services.sample_rows", sample_rows)
    monkeypatch.chdir(tmp_path)
    result = init_city([address], None, None, None, NOW)
    config = load_config(result.path)
    assert asked == [(address, 200_000)]
    assert config.source.path == (address,)
    assert config.name == "denver"
    assert result.as_of is None  # where the data end is not known
    assert any("only the beginning" in doubt for doubt in result.doubts)
    assert "never read, for they are about persons: victim_age" in result.path.read_text()
