"""Columns about persons, by the names that cities give them."""

from __future__ import annotations

import pytest

from pipeline.privacy import is_person_column, refuse_person_columns

CITIES = {
    "Chicago": "ID|Case Number|Date|Block|IUCR|Primary Type|Description|Location Description|"
    "Arrest|Domestic|Beat|District|Ward|Community Area|FBI Code|X Coordinate|Y Coordinate|Year|"
    "Updated On|Latitude|Longitude|Location",
    "Los Angeles": "DR_NO|Date Rptd|DATE OCC|TIME OCC|AREA|AREA NAME|Rpt Dist No|Part 1-2|Crm Cd|"
    "Crm Cd Desc|Mocodes|Premis Cd|Premis Desc|Weapon Used Cd|Weapon Desc|Status|Status Desc|"
    "Crm Cd 1|LOCATION|Cross Street|LAT|LON",
    "New York": "CMPLNT_NUM|ADDR_PCT_CD|BORO_NM|CMPLNT_FR_DT|CMPLNT_FR_TM|CMPLNT_TO_DT|"
    "CRM_ATPT_CPTD_CD|HADEVELOPT|HOUSING_PSA|JURISDICTION_CODE|JURIS_DESC|KY_CD|LAW_CAT_CD|"
    "LOC_OF_OCCUR_DESC|OFNS_DESC|PARKS_NM|PATROL_BORO|PD_CD|PD_DESC|PREM_TYP_DESC|RPT_DT|"
    "STATION_NAME|TRANSIT_DISTRICT|X_COORD_CD|Lat_Lon",
    "Denver": "OBJECTID|INCIDENT_ID|OFFENSE_ID|OFFENSE_CODE|OFFENSE_CODE_EXTENSION|OFFENSE_TYPE_ID|"
    "OFFENSE_CATEGORY_ID|FIRST_OCCURRENCE_DATE|LAST_OCCURRENCE_DATE|REPORTED_DATE|INCIDENT_ADDRESS|"
    "GEO_X|GEO_LON|DISTRICT_ID|PRECINCT_ID|NEIGHBORHOOD_ID|IS_CRIME|IS_TRAFFIC|VICTIM_COUNT|x|y",
    "San Francisco": "Incident Datetime|Incident Day of Week|Report Datetime|Row ID|Incident ID|"
    "Incident Number|CAD Number|Report Type Code|Report Type Description|Filed Online|"
    "Incident Category|Incident Subcategory|Incident Description|Resolution|Intersection|CNN|"
    "Police District|Analysis Neighborhood|Supervisor District|Point",
    "Seattle": "Report Number|Offense ID|Offense Start DateTime|Offense End DateTime|"
    "Report DateTime|Group A B|Crime Against Category|Offense Parent Group|Offense|Offense Code|"
    "Precinct|Sector|Beat|MCPP|100 Block Address",
    "Boston": "INCIDENT_NUMBER|OFFENSE_CODE|OFFENSE_CODE_GROUP|OFFENSE_DESCRIPTION|REPORTING_AREA|"
    "SHOOTING|OCCURRED_ON_DATE|DAY_OF_WEEK|UCR_PART|STREET",
    "Philadelphia": "dc_dist|psa|dispatch_date_time|dc_key|location_block|ucr_general|"
    "text_general_code|point_x",
    "England": "Crime ID|Month|Reported by|Falls within|LSOA code|LSOA name|Crime type|"
    "Last outcome category|Context",
    "Montgomery": "Dispatch Date / Time|NIBRS Code|Victims|Crime Name1|Police District Name|Agency|"
    "Place|Sector|PRA|Address Number|Street Prefix|Street Name|Street Type|Start_Date_Time",
    "Cincinnati": "INSTANCEID|INCIDENT_NO|DATE_REPORTED|CLSD|UCR|DST|OFFENSE|THEFT_CODE|FLOOR|SIDE|"
    "OPENING|HATE_BIAS|DAYOFWEEK|WEAPONS|TOTALNUMBERVICTIMS|TOTALSUSPECTS|ZIP",
    "Vancouver": "TYPE|YEAR|MONTH|DAY|HOUR|MINUTE|HUNDRED_BLOCK|NEIGHBOURHOOD|X|Y",
    "Bogota": "Fecha|Hora|Localidad|Barrio|Clase de sitio|Arma empleada|Delito|Cantidad",
    "Berlin": "LOR|Tatzeit Anfang Datum|Tatzeit Anfang Stunde|Schadenshoehe|Delikt|Erfassungsgrund",
}
PERSONS = {
    "Los Angeles": "Vict Age|Vict Sex|Vict Descent",
    "New York": "SUSP_AGE_GROUP|SUSP_RACE|SUSP_SEX|VIC_AGE_GROUP|VIC_RACE|VIC_SEX|PERP_RACE",
    "Cincinnati": "VICTIM_AGE|VICTIM_RACE|VICTIM_ETHNICITY|VICTIM_GENDER|SUSPECT_AGE|SUSPECT_RACE",
    "Dallas": "Complainant Name|Complainant Age|Complainant Home Address|Victim Name|Victim Race|"
    "Reporting Officer Badge No|Reporting Officer Last Name|Responding Officer #1  Name",
    "New Orleans": "Offender_Race|Offender_Gender|Offender_Age|Offender_Number|Victim_Race",
    "Kansas City": "Race|Sex|Age",
    "England": "Gender|Age range|Self-defined ethnicity|Officer-defined ethnicity",
    "Bogota": "Edad|Sexo de la víctima|Nombre de la víctima|Fecha de nacimiento|Género",
    "Berlin": "Geburtsdatum|Geschlecht|Staatsangehörigkeit|Tatverdächtiger Name|Täter|Opfer Alter",
    "elsewhere": "Date de naissance|Âge|prénom|Nom de la victime|Nome da vítima|idade|Sesso|"
    "Nazionalità|Geslacht|Verdachte Naam|Personnummer|Kjønn|Kön",
}
SPELLINGS = (
    "victim_age|VictimAge|victimAge|VICTIMAGE|victim-age|Victim  Age|victim.age|victim1_age|"
    "DOB|dateOfBirth|DATE_OF_BIRTH|birthdate|SSN|socialSecurityNumber|phone_number|PhoneNumber|"
    "e-mail|EMAIL|eMail address|license plate|LicensePlate|LICENCE_PLATE|Plate Number|VIN|"
    "home address|Last Name|FIRSTNAME|officerName|OFFICERNAME|Officer ID|Witness|Suspect|"
    "complainant|Owner Name|person_id|Driver License No|suspect_dob|Victim No|Victim ID|Caller"
)
ORDINARY = (
    "Name of district|offense_name|street name|Race St|Race Street|Premise|stage|page|agency|"
    "arrest|damage|package|usage|image|village|mileage|vicinity|Vicarage|Template|Plateau|perimeter|"
    "Victim Count|number of victims|Victims Injured|Officer Involved|Sex Offense|SEX_CRIME_FLAG|"
    "age of report|Case Age Days|Reporting Agency|Complaint Number|cell|phonetic|Suspended|"
    "Person Involvement Type|Crimes Against Persons|Offender Count|Property Owner Type|Embrace|"
    "trace id|Grace Period|Essex|Sussex|Middlesex|Management Area|Last Known Status|First Aid"
)


@pytest.mark.parametrize("city", list(CITIES))
def test_ordinary_columns_of_real_cities_may_be_mapped(city: str) -> None:
    columns = CITIES[city].split("|")
    assert [name for name in columns if is_person_column(name)] == []
    refuse_person_columns(columns)


@pytest.mark.parametrize("city", list(PERSONS))
def test_columns_about_persons_of_real_cities_are_refused(city: str) -> None:
    assert [name for name in PERSONS[city].split("|") if not is_person_column(name)] == []


def test_no_spelling_hides_a_person() -> None:
    assert [name for name in SPELLINGS.split("|") if not is_person_column(name)] == []


def test_words_that_only_look_like_a_person_are_no_obstacle() -> None:
    assert [name for name in ORDINARY.split("|") if is_person_column(name)] == []


def test_the_refusal_names_column_reason_and_remedy() -> None:
    with pytest.raises(ValueError, match="would say something about a person") as fault:
        refuse_person_columns(["DR_NO", "Vict Age", "Vict Sex"])
    text = str(fault.value)
    assert "'Vict Age'" in text
    assert "(age)" in text
    assert "map another column" in text
    assert "Vict Sex" not in text
