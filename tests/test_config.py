"""Configurations: those that ship, what contradicts, and what the fingerprint names."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from configurations import parse, refusal
from pydantic import ValidationError

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.groups import POLICE_INITIATED
from pipeline.load import load_config

CONFIGS = Path(__file__).parent.parent / "configs"
CITIES = tuple(sorted(path.stem for path in CONFIGS.glob("*.yaml") if path.stem != "clusters"))
VARIABLES = ("HEXCAST_DATA", "HEXCAST_HOME", "HEXCAST_DEMO")

# The configurations that ship


@pytest.fixture(params=CITIES)
def shipped(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Config:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return load_config(CONFIGS / f"{request.param}.yaml")


def test_shipped_configurations_load(shipped: Config) -> None:
    assert shipped.name in CITIES
    assert "all" in shipped.targets
    assert set(shipped.targets) <= {"all", "violent", "property"}
    assert Path(shipped.output.path).is_absolute()
    assert POLICE_INITIATED in shipped.grouping.names


DENVER = {
    "violent": "aggravated-assault murder robbery other-crimes-against-persons".split(),
    "property": "larceny theft-from-motor-vehicle auto-theft burglary arson".split(),
    "other": "public-disorder all-other-crimes white-collar-crime".split(),
    "left out": ["drug-alcohol"],
}
CHICAGO = {
    "violent": [
        "BATTERY",
        "ASSAULT",
        "ROBBERY",
        "HOMICIDE",
        "CRIM SEXUAL ASSAULT",
        "CRIMINAL SEXUAL ASSAULT",
    ],
    "property": ["THEFT", "BURGLARY", "MOTOR VEHICLE THEFT", "ARSON", "CRIMINAL DAMAGE"],
    "other": [
        "CRIMINAL TRESPASS",
        "DECEPTIVE PRACTICE",
        "DOMESTIC VIOLENCE",
        "HUMAN TRAFFICKING",
        "INTIMIDATION",
        "KIDNAPPING",
        "OBSCENITY",
        "OFFENSE INVOLVING CHILDREN",
        "OTHER OFFENSE",
        "PUBLIC INDECENCY",
        "PUBLIC PEACE VIOLATION",
        "RITUALISM",
        "SEX OFFENSE",
        "STALKING",
    ],
    "left out": [
        "NARCOTICS",
        "OTHER NARCOTIC VIOLATION",
        "PROSTITUTION",
        "GAMBLING",
        "LIQUOR LAW VIOLATION",
        "INTERFERENCE WITH PUBLIC OFFICER",
        "CONCEALED CARRY LICENSE VIOLATION",
        "WEAPONS VIOLATION",
        "NON-CRIMINAL",
        "NON - CRIMINAL",
        "NON-CRIMINAL (SUBJECT SPECIFIED)",
    ],
}


@pytest.mark.parametrize(("city", "kinds"), [("denver", DENVER), ("chicago", CHICAGO)])
def test_targets_of_a_city_are_exactly_these(city: str, kinds: dict[str, list[str]]) -> None:
    config = load_config(CONFIGS / f"{city}.yaml")
    categories = [category for names in kinds.values() for category in names]

    def of(target: str) -> list[str]:
        groups = config.targets[target]
        return [name for name in categories if config.grouping.group_of(name) in groups]

    assert of("violent") == kinds["violent"]
    assert of("property") == kinds["property"]
    assert of("all") == kinds["violent"] + kinds["property"] + kinds["other"]


# Values and contradictions


def test_defaults_are_those_of_the_documentation() -> None:
    config = parse()
    assert (config.cutoff, config.horizon_days, config.hotspot_share) == (time(6), 1, 0.05)
    assert (config.grid.resolution, config.output.keep_days) == (9, 365)
    assert (config.model.nights, config.cluster.kind) == (1095, "local")
    assert config.source.date_formats == ("ISO8601",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"timezone": "America/Denvr"}, "no IANA timezone; did you mean America/Denver?"),
        ({"timezone": "MT"}, "timezone: 'MT' is no IANA timezone"),
        ({"name": "Two Words"}, "name: "),
        ({"cutoff": 960}, 'cutoff: write the cutoff in quotes, as in "06:00" (found 960)'),
        ({"cutoff": "06:00:30"}, "local hours and minutes"),
        ({"cutoff": "06:00+02:00"}, "local hours and minutes"),
        ({"cutoff": "6 a.m."}, "cutoff: "),
        ({"horizon_days": 8}, "horizon_days: "),
        ({"hotspot_share": 1.0}, "hotspot_share: "),
        ({"shifts": {}}, "shifts: "),
        ({"shifts": {"closing": "02:00-03:00"}}, "one shift at least must have three hours"),
        ({"shifts": {"late": "22:30-06:00"}}, "shift late is '22:30-06:00': write whole hours"),
        ({"source.start": "soon"}, "source.start: "),
        ({"source.format": "xlsx"}, "source.format: "),
        ({"source.delivery_lag_days": -1}, "source.delivery_lag_days: "),
        ({"source.date_formats": ["DD/MM/YYYY"]}, "'DD/MM/YYYY' is no date format: write one as"),
        ({"source.crs": "EPSG:0"}, "'EPSG:0' is no coordinate system"),
        ({"source.crs": "EPSG:2232"}, "EPSG:2232 is projected, but columns has no x and y"),
        ({"source.retracted": ["X"]}, "columns.status and retracted go together"),
        ({"source.columns.status": "s"}, "columns.status and retracted go together"),
        ({"source.columns.x": "px"}, "latitude/longitude and x/y contradict each other"),
        ({"source.columns.longitude": None}, "a place needs latitude and longitude, or x and y"),
        ({"source.columns.key": []}, "source.columns.key: "),
        ({"grid.resolution": 12}, "grid.resolution: "),
        ({"grid.bounds": [1, 2, 0, 3]}, "write bounds as [west, south, east, north]"),
        ({"grid.bounds": [1, 2, 3, 91]}, "write bounds as [west, south, east, north]"),
        ({"groups.two words": {}}, "group 'two words': use letters, digits and _"),
        ({"groups.property.patterns": ["("]}, "pattern '(' is no regular expression"),
        ({"groups.property.categories": ["ASSAULT"]}, "'ASSAULT' stands in violent and in prop"),
        ({"targets": {}}, "targets: "),
        ({"targets.a-b": ["violent"]}, "target 'a-b' names columns"),
        ({"targets.all": ["violnt"]}, "target all: no group 'violnt'; did you mean violent?"),
        ({"model.device": "tpu"}, "model.device: "),
        ({"model.nights": 27}, "model.nights: "),
        ({"output.keep_days": 0}, "output.keep_days: "),
        ({"cluster.address": "tls://far:8786"}, "address and tls go with kind: address"),
    ],
)
def test_what_contradicts_is_refused(changes: dict[str, Any], words: str) -> None:
    assert words in refusal(changes)


def test_projected_places_need_their_projection() -> None:
    columns = {"key": ["id"], "occurred_at": "when", "category": "kind", "x": "px", "y": "py"}
    assert "need the EPSG code" in refusal({"source.columns": columns})
    config = parse({"source.columns": columns, "source.crs": "EPSG:2232"})
    assert config.source.columns.names == ("id", "when", "kind", "px", "py")


def test_only_mapped_columns_are_read_each_once() -> None:
    key = [["id", "part"], "when"]
    columns = parse({"source.columns.key": key, "source.columns.arrest": "id"}).source.columns
    assert columns.key_parts == (("id", "part"), ("when",))
    assert columns.names == ("id", "part", "when", "kind", "y", "x")


def test_what_follows_from_the_values() -> None:
    config = parse({"source.delivery_lag_days": 1.5, "cutoff": "16:30"})
    assert config.zone == ZoneInfo("America/Denver")
    assert config.cutoff == time(16, 30)
    assert config.source.start == date(2024, 1, 1)
    assert config.start == datetime(2024, 1, 1, 7, tzinfo=UTC)
    assert config.source.delivery_lag == timedelta(hours=36)


def test_a_configuration_is_frozen() -> None:
    config = parse()
    with pytest.raises(ValidationError, match="frozen"):
        config.name = "there"
    with pytest.raises(ValidationError, match="frozen"):
        config.source.columns.category = "other"


# Police-initiated categories


def test_police_initiated_categories_are_refused_in_targets() -> None:
    assert "allow_police_initiated" in refusal({"targets.all": ["violent", "police_initiated"]})
    named = {"groups.violent.categories": ["assault", "Drug-Possession"]}
    named["groups.police_initiated"] = {}
    assert "group violent: 'Drug-Possession' is recorded mainly because" in refusal(named)
    other = {"groups.other": {"categories": ["gambling"]}}
    assert "group other: 'gambling'" in refusal(other)


def test_police_initiated_categories_are_allowed_by_name() -> None:
    config = parse(
        {
            "groups.violent.categories": ["assault", "Drug-Possession"],
            "groups.police_initiated": {},
            "allow_police_initiated": ["drug possession"],
        }
    )
    assert config.grouping.group_of("DRUG POSSESSION") == "violent"


def test_police_initiated_categories_may_stand_where_no_target_is() -> None:
    config = parse({"groups.vice": {"categories": ["gambling"]}})
    assert config.grouping.group_of("gambling") == "vice"


def test_a_category_cannot_be_allowed_and_kept_out() -> None:
    message = refusal({"allow_police_initiated": ["DRUG POSSESSION"]})
    assert "'drug possession' stands in group police_initiated and in allow_police" in message


# The fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"source.path": "elsewhere.csv"},
        {"grid.boundary": "city.geojson", "grid.names": "nbhd"},
        {"output.path": "elsewhere", "output.keep_days": 9},
        {"cluster.workers": 3},
    ],
)
def test_paths_cluster_and_output_leave_the_fingerprint(changes: dict[str, Any]) -> None:
    assert parse(changes).fingerprint == parse().fingerprint
    assert parse(changes).store_fingerprint == parse().store_fingerprint


DECIDING: dict[str, Any] = {
    "source.start": "2024-01-02",
    "source.columns.category": "sort",
    "grid.resolution": 8,
    "groups.violent.categories": ["assault", "murder"],
    "allow_police_initiated": ["vice"],
}
FORECASTING: dict[str, Any] = {
    "cutoff": "07:00",
    "source.date_formats": ["%Y"],
    "targets.all": ["violent"],
    "hotspot_share": 0.1,
    "shifts": {"late": "22:00-06:00"},
    "horizon_days": 2,
    "model.rounds": 10,
}


@pytest.mark.parametrize("key", [*DECIDING, *FORECASTING])
def test_what_decides_a_forecast_changes_the_fingerprint(key: str) -> None:
    config = parse({key: (DECIDING | FORECASTING)[key]})
    assert config.fingerprint != parse().fingerprint
    assert (config.store_fingerprint != parse().store_fingerprint) == (key in DECIDING)


def test_how_a_forecast_is_summed_up_decides_no_model() -> None:
    for key in ("hotspot_share", "shifts"):
        assert parse({key: FORECASTING[key]}).model_fingerprint == parse().model_fingerprint
    assert parse({"model.rounds": 10}).model_fingerprint != parse().model_fingerprint


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("targets", {"Violent": ["violent"]}, "small letters"),
        ("targets.all", [], "name its groups"),
        ("targets.all", ["violent", "violent"], "each once"),
        ("model", {"nights": 30, "holdout_nights": 30}, "hold out fewer"),
        ("output.path", "s3://bucket/city", "no folder"),
    ],
)
def test_what_would_fail_late_or_mislead_is_refused(key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse({key: value})
