"""What names the place of some data beside their coordinates: user, boundary, file, columns."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd
import shapely

from pipeline.errors import ConfigError
from pipeline.init.gazetteer import City, find_cities, state_code
from pipeline.init.names import BLANKS, says, words

_CITY_COLUMNS = ("city", "municip", "town", "ciudad", "ville", "stadt", "agency", "jurisdiction")
_STATE_COLUMNS = ("state$", "province")
_COMMON = frozenset(  # words of file names that are no place, though some village is called so
    """police crime crimes incident incidents data open report reports offense offenses public
    safety department current historic part year years all export file download city county raw
    calls service complaint complaints nypd lapd sfpd spd mpd bpd to present map view csv feed
    sample test full new old table results summary daily weekly monthly union reading mobile of
    """.split()
)


@dataclass(frozen=True)
class Hints:
    """What is known of the place beside the coordinates: texts, a spot, the boundary."""

    texts: tuple[str, ...] = ()
    spots: tuple[tuple[float, float], ...] = ()


def hints_of(name: str, place: str | None, boundary: shapely.Geometry | None) -> Hints:
    """What names the place: the user, the boundary, the file. Raises ConfigError where unknown."""
    spots: list[tuple[float, float]] = []
    if place:
        degrees = re.fullmatch(r"\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*", place)
        if degrees:
            spots.append((float(degrees[1]), float(degrees[2])))
        else:
            cities = find_cities(place)
            if not cities:
                raise ConfigError(
                    f"--place {place!r} is no city on the list: write it as "
                    '"Denver, Colorado", or as latitude and longitude ("39.74,-104.99")'
                )
            spots += [(city.lat, city.lon) for city in cities[:3]]
    if boundary is not None:
        middle = boundary.centroid
        spots.append((middle.y, middle.x))
    return Hints((name,), tuple(spots))


def named_cities(rows: pd.DataFrame, hints: Hints) -> list[City]:
    """Cities that the data or their name speak of."""
    texts = [text for hint in hints.texts for text in _phrases(hint)]
    states = {
        code
        for name in rows
        if says(name, *_STATE_COLUMNS)
        for text in _common(rows[name], 2)
        if (code := state_code(text))
    }
    for name in rows:
        if says(name, *_CITY_COLUMNS) and not says(name, *_STATE_COLUMNS):
            texts += [text for text in _common(rows[name], 3) if len(text) > 2]
    cities = [city for text in dict.fromkeys(texts) for city in find_cities(text)[:6]]
    local = [city for city in cities if city.state in states and city.country == "US"]
    return (local or cities)[:20]


def _common(texts: pd.Series, most: int) -> list[str]:
    counts = texts.value_counts()
    return [str(text) for text in counts.index[:most] if str(text).casefold() not in BLANKS]


def _phrases(text: str) -> list[str]:
    """What could be a place in the name of a file: one to three words in a row."""
    parts = [word for word in words(text) if not word.isdigit()]
    runs = [parts[i : i + n] for n in (3, 2, 1) for i in range(len(parts) - n + 1)]
    return [" ".join(run) for run in runs if not all(w in _COMMON or len(w) < 3 for w in run)]
