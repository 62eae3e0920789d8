"""What cities deliver, in the shape that is published: a row each, and where and when it was.

``row``: as the portal prints it. ``place``: longitude and latitude of the row, where they are known
from elsewhere; ``at``: its instant, UTC. ``groups``: categories and what they belong to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class City:
    kind: str
    row: Mapping[str, Any]
    place: tuple[float, float]
    at: str
    groups: Mapping[str, str]
    unusable: tuple[Mapping[str, Any], ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)


_NIBRS = {
    "13A": "violent",
    "120": "violent",
    "23F": "property",
    "35A": "police_initiated",
    "520": "police_initiated",
    "26A": "other",
}
_DATE = "esriFieldTypeDate"

CITIES = {
    "los-angeles": City(
        "socrata",
        {
            "uniquenibrno": "2500001-1",
            "date_occ": "2025-07-04T00:00:00.000",
            "time_occ": "0130",
            "date_rptd": "2025-07-05T19:52:00.000",
            "nibr_code": "23F",
            "hndrdth_lat": "34.0500",
            "hndrdth_lon": "-118.2500",
            "area_name": "Central",
        },
        (-118.25, 34.05),
        "2025-07-04T08:30Z",
        _NIBRS,
        ({"hndrdth_lat": "0", "hndrdth_lon": "0"},),
    ),
    "los-angeles-2020": City(
        "socrata",
        {
            "dr_no": "200106753",
            "date_rptd": "2020-02-09T00:00:00.000",
            "date_occ": "2020-02-08T00:00:00.000",
            "time_occ": "1800",
            "area": "01",
            "crm_cd_desc": "BATTERY - SIMPLE ASSAULT",
            "lat": "34.0459",
            "lon": "-118.2545",
        },
        (-118.2545, 34.0459),
        "2020-02-09T02:00Z",
        {
            "BATTERY - SIMPLE ASSAULT": "violent",
            "ATTEMPTED ROBBERY": "violent",
            "VEHICLE - STOLEN": "property",
            "THEFT PLAIN - PETTY ($950 & UNDER)": "property",
            "THEFT OF IDENTITY": "other",
            "WEAPONS POSSESSION/BOMBING": "police_initiated",
        },
        ({"lat": "0", "lon": "0"},),
    ),
    "new-york": City(
        "socrata",
        {
            "cmplnt_num": "321141941",
            "addr_pct_cd": "123",
            "cmplnt_fr_dt": "2026-03-02T00:00:00.000",
            "cmplnt_fr_tm": "00:08:00",
            "cmplnt_to_dt": "2026-03-02T00:00:00.000",
            "cmplnt_to_tm": "(null)",
            "ofns_desc": "FELONY ASSAULT",
            "rpt_dt": "2026-03-02T00:00:00.000",
            "latitude": "40.526814",
            "longitude": "-74.177565",
        },
        (-74.177565, 40.526814),
        "2026-03-02T05:08Z",
        {
            "FELONY ASSAULT": "violent",
            "PETIT LARCENY": "property",
            "DANGEROUS DRUGS": "police_initiated",
            "HARRASSMENT 2": "other",
        },
        ({"cmplnt_fr_tm": "(null)"},),
    ),
    "san-francisco": City(
        "socrata",
        {
            "incident_datetime": "2026-08-19T15:10:00.000",
            "report_datetime": "2026-08-19T15:18:00.000",
            "incident_number": "260476786",
            "incident_code": "04134",
            "incident_category": "Assault",
            "police_district": "Northern",
            "latitude": "37.79669189453125",
            "longitude": "-122.42359924316406",
        },
        (-122.4236, 37.7967),
        "2026-08-19T22:10Z",
        {
            "Assault": "violent",
            "Larceny Theft": "property",
            "Warrant": "police_initiated",
            "Lost Property": "not_criminal",
            "Fraud": "other",
        },
        ({"latitude": "", "longitude": ""},),
    ),
    "seattle": City(
        "socrata",
        {
            "report_date_time": "2026-01-27T17:32:26.000",
            "offense_id": "12338382264",
            "offense_date": "2026-01-27T00:00:00.000",
            "latitude": "47.62604294",
            "longitude": "-122.307308241278",
            "beat": "C2",
            "nibrs_offense_code": "26A",
        },
        (-122.3073, 47.6260),
        "2026-01-27T08:00Z",
        {**_NIBRS, "999": "not_criminal"},
        ({"latitude": "REDACTED", "longitude": "REDACTED"}, {"latitude": "-1", "longitude": "-1"}),
    ),
    "chicago-portal": City(
        "socrata",
        {
            "id": "14295750",
            "date": "2026-08-16T00:00:00.000",
            "primary_type": "THEFT",
            "arrest": False,
            "district": "006",
            "latitude": "41.744201882",
            "longitude": "-87.665713523",
        },
        (-87.6657, 41.7442),
        "2026-08-16T05:00Z",
        {
            "THEFT": "property",
            "BATTERY": "violent",
            "WEAPONS VIOLATION": "police_initiated",
            "NON-CRIMINAL (SUBJECT)": "not_criminal",
        },
        ({"latitude": "", "longitude": ""},),
    ),
    "baltimore": City(
        "arcgis",
        {
            "CCNumber": "24A01234",
            "CrimeDateTime": 1704164640000,
            "CrimeCode": "4E",
            "Description": "COMMON ASSAULT",
            "Latitude": "39.2904",
            "Longitude": "-76.6122",
            "New_District": "Central",
        },
        (-76.6122, 39.2904),
        "2024-01-02T03:04Z",
        {
            "AGG. ASSAULT": "violent",
            "ROBBERY - CARJACKING": "violent",
            "LARCENY FROM AUTO": "property",
            "DRUG/NARCOTIC VIOLATIONS": "police_initiated",
        },
        types={"CrimeDateTime": _DATE},
    ),
    "denver-portal": City(
        "arcgis",
        {
            "OFFENSE_ID": 20246000012299900,
            "OFFENSE_CATEGORY_ID": "larceny",
            "FIRST_OCCURRENCE_DATE": 1704164640000,
            "LAST_OCCURRENCE_DATE": None,
            "REPORTED_DATE": 1704251040000,
            "GEO_LAT": 39.74,
            "GEO_LON": -104.99,
            "DISTRICT_ID": "6",
        },
        (-104.99, 39.74),
        "2024-01-02T03:04Z",
        {"larceny": "property", "murder": "violent", "drug-alcohol": "police_initiated"},
        types=dict.fromkeys(
            ("FIRST_OCCURRENCE_DATE", "LAST_OCCURRENCE_DATE", "REPORTED_DATE"), _DATE
        ),
    ),
    "boston": City(
        "ckan",
        {
            "INCIDENT_NUMBER": "I252059",
            "OFFENSE_CODE": "613",
            "OFFENSE_DESCRIPTION": "LARCENY SHOPLIFTING",
            "OCCURRED_ON_DATE": "2026-07-28 14:30:00+00",
            "DISTRICT": "D4",
            "Lat": "42.3476",
            "Long": "-71.0776",
        },
        (-71.0776, 42.3476),
        "2026-07-28T18:30Z",
        {
            "ASSAULT - SIMPLE": "violent",
            "LARCENY SHOPLIFTING": "property",
            "SICK ASSIST": "not_criminal",
            "DRUGS - POSSESSION": "police_initiated",
            "WEAPON VIOLATION - CARRY/ POSSESSING/ SALE/ TRAFFICKING/ OTHER": "police_initiated",
            "FIREARM/WEAPON - FOUND OR CONFISCATED": "police_initiated",
            "FIREARM/WEAPON - LOST": "other",
            "FIRE REPORT": "not_criminal",
        },
        ({"Lat": None, "Long": None}, {"Lat": "0", "Long": "0"}),
    ),
    "philadelphia": City(
        "csv",
        {
            "dc_key": "202501022026",
            "dispatch_date": "2025-08-10",
            "dispatch_time": "20:34:00",
            "text_general_code": "Robbery No Firearm",
            "lat": "39.91725669",
            "lng": "-75.18023931",
            "dc_dist": "1",
        },
        (-75.1802, 39.9173),
        "2025-08-11T00:34Z",
        {
            "Robbery No Firearm": "violent",
            "Thefts": "property",
            "Narcotic / Drug Law Violations": "police_initiated",
            "Fraud": "other",
        },
        ({"lat": "", "lng": ""},),
    ),
    "st-louis": City(
        "csv",
        {
            "Complaint": "14-055458",
            "CodedMonth": "2014-11",
            "DateOccur": "1/1/2014 10:45",
            "Count": "1",
            "Crime": "121000",
            "District": "4",
            "XCoord": "901374.6",
            "YCoord": "1019237",
        },
        (-90.2158, 38.6324),  # 1 N Jefferson Avenue
        "2014-01-01T16:45Z",
        {
            "10000": "violent",
            "31111": "violent",
            "64701": "property",
            "185120": "police_initiated",
            "152000": "police_initiated",
            "121000": "other",
        },
        ({"XCoord": "0", "YCoord": "0"},),
    ),
    "st-louis-nibrs": City(
        "csv",
        {
            "IncidentDate": "2024-03-01",
            "OccurredFromTime": "22:15:00",
            "IncidentNum": "24009876",
            "NIBRS": "240",
            "Latitude": "38.6270",
            "Longitude": "-90.1994",
            "District": "4",
        },
        (-90.1994, 38.6270),
        "2024-03-02T04:15Z",
        _NIBRS,
    ),
    "vancouver": City(
        "zip",
        {
            "TYPE": "Theft from Vehicle",
            "YEAR": "2019",
            "MONTH": "6",
            "DAY": "3",
            "HOUR": "7",
            "MINUTE": "5",
            "HUNDRED_BLOCK": "3XX MAIN ST",
            "NEIGHBOURHOOD": "Strathcona",
            "X": "492757.5",
            "Y": "5458792",
        },
        (-123.0996, 49.2818),  # 312 Main Street
        "2019-06-03T14:05Z",
        {"Mischief": "property", "Homicide": "violent"},
        ({"TYPE": "Offence Against a Person", "HOUR": "", "MINUTE": "", "X": "0", "Y": "0"},),
    ),
    "london": City(
        "zip",
        {
            "Crime ID": "a9b1",
            "Month": "2023-09",
            "Longitude": "-0.190000",
            "Latitude": "51.500000",
            "LSOA code": "E01002850",
            "Crime type": "Burglary",
        },
        (-0.19, 51.5),
        "2023-08-31T23:00Z",
        {
            "Robbery": "violent",
            "Bicycle theft": "property",
            "Drugs": "police_initiated",
            "Anti-social behaviour": "not_criminal",
        },
        ({"Longitude": "", "Latitude": ""},),
    ),
}
