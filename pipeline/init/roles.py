"""What the name of a time says: when it happened, ended, was reported, revised, or neither."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pipeline.init.names import says, words

Role = Literal["occurred", "until", "reported", "revised", "loaded", "other"]

_BIRTH = "birth dob age nacimiento".split()
_OCCURRED = (
    "occ occur occurr occured occurence ocurr ocorr happen hecho hechos tat tatzeit fait faits "
    "commit committed suceso comis tijdstip pleeg"
).split()
_LAST = "to$ end$ ended last until thru through hasta fin$ bis latest stop possible".split()
_OTHER = (
    "arrest clear dispo court clos closed approv releas arriv arrival assign complet custody "
    "sentenc hearing charge verdict expir enroute recover convict book scene outcome decision "
    "review purge destr"
).split()
_LOADED = (
    "load etl extract export import ingest refresh sync gdb publish snapshot download "
    "inserted insert processed"
).split()
_REVISED = "updat modif edit revis chang amend version actualiz maj$ geandert".split()
_REPORTED = (
    "report record rept$ rpt rptd rcvd recd recvd receiv creat enter entry filed denuncia inicio "
    "meldung anzeige registr notif known discover found opened logged signal declar aangifte taken"
).split()
_FROM = "from fr$ start started begin began begun first earliest desde von$ debut".split()
_INCIDENT = "incident inc$ offens offenc crime cri$ event delito misdaad infraction".split()
_SERVICE = "call dispatch response respond cad$".split()
STRENGTH = {"occurred": 5.0, "from": 4.0, "incident": 3.0, "plain": 2.0, "service": 1.0}
_SECOND = ("2", "ii")


def role_of(names: Sequence[str]) -> tuple[Role, float]:
    """What the names of a time's columns say, and how strongly (0 to 5) where it occurred."""
    name = " ".join(names)
    if says(name, *_BIRTH):
        return "other", 0.0
    is_last = says(name, *_LAST) or any(word in _SECOND for word in words(name))
    if says(name, *_OCCURRED) and not says(name, *_OTHER):
        return ("until", 5.0) if is_last else ("occurred", STRENGTH["occurred"])
    if "as of" in " ".join(words(name)):
        return "loaded", 0.0
    for role, spelled in (("other", _OTHER), ("loaded", _LOADED), ("revised", _REVISED)):
        if says(name, *spelled):
            return role, 0.0  # type: ignore[return-value]
    if says(name, *_REPORTED) and not says(name, *_LAST):
        return "reported", 3.0 if says(name, *_REPORTED[:6]) else 2.0
    if says(name, *_LAST):
        return "until", 3.0
    for key, spelled in (("from", _FROM), ("incident", _INCIDENT), ("service", _SERVICE)):
        if says(name, *spelled):
            return "occurred", STRENGTH[key]
    return "occurred", STRENGTH["plain"]
