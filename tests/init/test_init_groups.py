from __future__ import annotations

import pandas as pd
import pytest

from pipeline.groups import make_grouping
from pipeline.init.groups import group_of, known_share, sort_categories

NAMES = {
    "violent": "HOMICIDE|AGG. ASSAULT|Rape|SIMPLE ASSAULT|ROBBERY - CARJACKING|CRIM SEXUAL ASSAULT|"
    "murder|aggravated-assault|other-crimes-against-persons|Offence Against a Person|BATTERY|"
    "Violence and sexual offences|KIDNAPPING|13A|09A|11A|Vols qualifiés|Lesiones|"
    "MURDER & NON-NEGL. MANSLAUGHTER|ASSAULT 3 & RELATED OFFENSES|FELONY ASSAULT|Raub|"
    "ASSAULT WITH DEADLY WEAPON, AGGRAVATED ASSAULT|SEX CRIMES|Körperverletzung",
    "property": "THEFT|Larceny Theft|BURGLARY|auto-theft|theft-from-motor-vehicle|ARSON|"
    "CRIMINAL DAMAGE|Vandalism/Criminal Mischief|Break and Enter Commercial|B&E|Bicycle theft|"
    "Theft from the person|Vehicle crime|23F|220|240|290|Introduction|Méfait|Hurto|"
    "THEFT F/AUTO|PETIT LARCENY|BURGLARY FROM VEHICLE|BIKE - STOLEN|Shoplifting|Mischief|"
    "DESTRUCTION/DAMAGE/VANDALISM OF PROPERTY|ROBO DE VEHÍCULO CON Y SIN VIOLENCIA|Diebstahl",
    "police_initiated": "NARCOTICS|drug-alcohol|Drug/Narcotic Violations|DANGEROUS DRUGS|35A|90D|"
    "PROSTITUTION|GAMBLING|LIQUOR LAW VIOLATION|Driving Under the Influence|Warrant|"
    "INTERFERENCE WITH PUBLIC OFFICER|CONCEALED CARRY LICENSE VIOLATION|Traffic Violation Arrest|"
    "CURFEW/LOITERING/VAGRANCY VIOLATIONS|RESISTING ARREST|Possession of weapons|VICE|"
    "INTOXICATED & IMPAIRED DRIVING|CANNABIS RELATED OFFENSES|WEAPONS VIOLATION|520|"
    "WEAPON LAW VIOLATIONS|WEAPON - FIREARM - CARRYING / POSSESSING, ETC|Weapons Offense|"
    "DANGEROUS WEAPONS|WEAPONS POSSESSION/BOMBING|Weapons Carrying Etc",
    "not_criminal": "NON-CRIMINAL|NON - CRIMINAL|Lost Property|Missing Person|Recovered Vehicle|"
    "Traffic Collision|Recovered Stolen Motor Vehicle|Homicide - Justifiable|Suicide|"
    "Vehicle Collision or Pedestrian Struck (with Injury)|Case Closure",
    "other": "FRAUD|DECEPTIVE PRACTICE|THEFT OF IDENTITY|white-collar-crime|public-disorder|"
    "BRANDISH WEAPON|CRIMINAL TRESPASS|Anti-social behaviour|Public order|SEX OFFENSE|"
    "OFFENSE INVOLVING CHILDREN|INTIMIDATION|all-other-crimes|EMBEZZLEMENT|"
    "FAMILY OFFENSES, NONVIOLENT|HUMAN TRAFFICKING",
}  # fmt: skip
ALL = [(name, group) for group, names in NAMES.items() for name in names.split("|")]


@pytest.mark.parametrize(("name", "group"), ALL)
def test_common_names_of_offences_are_known(name: str, group: str) -> None:
    assert group_of(name) == group


@pytest.mark.parametrize("name", ["STREET", "RESIDENCE", "MONDAY", "DISTRICT 3", "HANDS", "OPEN"])
def test_other_texts_are_not(name: str) -> None:
    assert group_of(name) is None


def test_the_configuration_sorts_as_drafted() -> None:
    counts = pd.Series(range(1, len(ALL) + 1), index=[name for name, _ in ALL])
    found = sort_categories(counts)
    named = {group: (names, ()) for group, names in found.groups.items() if names}
    grouping = make_grouping(named, ())
    assert {name: grouping.group_of(name) for name, _ in ALL} == dict(ALL)
    assert found.unknown == ()
    assert found.targets["all"] == ("violent", "property", "other")


def test_spellings_of_one_category_are_one() -> None:
    found = sort_categories(pd.Series({"Auto-Theft": 5, "AUTO THEFT": 90, "auto theft": 7, "": 3}))
    assert found.groups["property"] == ("AUTO THEFT",)
    assert found.rows["AUTO THEFT"] == 102
    assert found.count("property") == 102


def test_a_target_needs_incidents() -> None:
    few = sort_categories(pd.Series({"THEFT": 5000, "ROBBERY": 150, "Quux": 10}))
    assert few.targets == {"all": ("violent", "property", "other"), "property": ("property",)}
    assert few.unknown == ("Quux",)
    none = sort_categories(pd.Series({"Quux": 10}))
    assert none.targets == {"all": ("other",)}


def test_known_share_is_of_the_rows() -> None:
    assert known_share(pd.Series({"THEFT": 30, "Quux": 10})) == 0.75
