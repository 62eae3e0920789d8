"""Columns about persons, by their names: a configuration that maps one is refused.

hexcast forecasts places. A mapped column is copied into bronze and may become a category of the
forecast, so that a victim's age or a suspect's race must never be one. Names are all that is known
before the data are read; a column whose name hides what it holds is not found here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

# Who: nobody's column, in the singular or with anything but a count beside it.
_ROLES = frozenset(
    # English, with the short forms of police exports
    "victim vict vic suspect susp offender offndr perpetrator perp complainant arrestee detainee "
    "officer detective witness defendant accused informant caller deceased decedent juvenile "
    # German, French, Spanish, Portuguese, Italian, Dutch, Scandinavian
    "opfer tatverdachtiger tatverdaechtiger taeter tater beschuldigter geschadigter zeuge "
    "victime plaignant temoin victima sospechoso imputado denunciante testigo vitima suspeito "
    "vittima sospettato indagato slachtoffer verdachte getuige brottsoffer misstankt".split()
)
# Who, as well as what: only where the name, the number or the address of one is meant.
_PARTIES = frozenset("person subject owner driver resident party individual patient".split())
_IDENTITY = frozenset("name names first last id address addr initials nombre nom naam".split())
# Beside a role, these say how many or what kind of case, not who.
_OF_A_CASE = frozenset(
    "count counts cnt total of the type involved killed injured fatal indicator flag".split()
)
_NUMBER = frozenset("number num no".split())  # of victims, but a victim's number is a name

# What, whoever it is of.
_TRAITS = frozenset(
    "age ages sex sexes gender race races ethnicity ethnic ethnicities descent nationality "
    "religion citizenship dob yob birth birthdate birthday birthplace birthyear ssn passport "
    "phone telephone cellphone email emails plate platenumber licenseplate licenceplate "
    "numberplate vin surname lastname firstname forename fullname middlename maiden hair "
    "complexion edad alter altersgruppe idade leeftijd alder sexo geschlecht sexe sesso "
    "geslacht kon kjonn genero genere raza rasse raca razza etnia ethnie etnicidad hautfarbe "
    "staatsangehorigkeit nacionalidad nationalite nacionalidade nazionalita nationaliteit "
    "geburtsdatum geburtsjahr naissance nacimiento nascimento nascita geboortedatum fodselsdato "
    "fodelsedatum vorname nachname familienname prenom apellido apellidos sobrenome cognome "
    "voornaam achternaam fornavn etternavn fornamn efternamn telefon telefono telefone "
    "telefoonnummer kennzeichen matricula immatriculation targa kenteken personnummer bsn cpf "
    "curp dni nif".split()
)
_PHRASES = (
    "e mail|first name|last name|middle name|given name|family name|full name|maiden name|"
    "social security|skin color|skin colour|eye color|eye colour|driver license|driver licence|"
    "drivers license|drivers licence|home address|badge number|badge no"
).split("|")
# A trait that is none beside one of these: "Race St", "Sex Offense", "age of report".
_STREET = frozenset("st street ave avenue rd road blvd track course".split())
_OFFENSE = frozenset(
    "offense offenses offence offences crime crimes assault assaults trafficking abuse".split()
)
_FILE = frozenset("case report incident record call ticket data days".split())
_HARMLESS_BESIDE = {
    "race": _STREET,
    "sex": _OFFENSE,
    "sexes": _OFFENSE,
    "age": _FILE,
}


def person_reason(name: str) -> str | None:
    """What a column of this name would say of a person, or None where it says nothing."""
    words = _words(name)
    for word in words:
        trait = _trait(word)
        if trait and not _HARMLESS_BESIDE.get(trait, frozenset()) & set(words):
            return trait
    for phrase in _PHRASES:
        if f" {phrase} " in f" {' '.join(words)} ":
            return phrase
    if role := next((word for word in words if word in _ROLES or word[:-1] in _ROLES), None):
        return None if _is_count(role, {word for word in words if word != role}) else role
    if set(words) & _PARTIES and set(words) & _IDENTITY:
        return " ".join(words)
    return None


def _is_count(role: str, beside: set[str]) -> bool:
    """Whether the words say how many there are: "Victims", "VICTIM_COUNT", "number of victims"."""
    is_plural = role not in _ROLES
    counts = _OF_A_CASE | (_NUMBER if is_plural or "of" in beside else frozenset())
    return (bool(beside) or is_plural) and beside <= counts


def is_person_column(name: str) -> bool:
    """Whether a column of this name would say something about a person."""
    return person_reason(name) is not None


def refuse_person_columns(columns: Iterable[str]) -> None:
    """Raise ValueError naming the first column that would say something about a person."""
    for column in columns:
        if reason := person_reason(column):
            raise ValueError(
                f"{column!r} would say something about a person ({reason}): hexcast forecasts "
                "places and reads nothing about persons; map another column, or leave it out"
            )


def _words(name: str) -> list[str]:
    """Words in small letters without accents, parted where blanks, signs or capitals part them."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    for old, new in (("ø", "o"), ("Ø", "O"), ("æ", "ae"), ("Æ", "AE")):
        plain = plain.replace(old, new)
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", plain)
    found: Sequence[str] = re.findall(r"[a-z]+|\d+", parted.casefold())
    return list(found)


def _trait(word: str) -> str | None:
    """The trait that a word names, alone or run together with a role, as in VICTIMAGE."""
    if word in _TRAITS:
        return word
    for role in _ROLES:
        rest = word.removeprefix(role).removeprefix("s")
        if rest != word and (rest in _TRAITS or rest in ("name", "id", "address")):
            return word
    return None
