"""Coordinates in text: decimal commas, and both in one text, as in ``POINT (-104.99 39.74)``."""

from __future__ import annotations

import pandas as pd

_NUMBER = r"(-?\d{1,3}\.\d+)"
_WKT = rf"(?i:point)\s*z?\s*\(\s*{_NUMBER}\s+{_NUMBER}"
_GEOJSON = rf"""["']coordinates["']\s*:\s*\[\s*{_NUMBER}\s*,\s*{_NUMBER}"""
_NAMED = rf"""["']latitude["']\s*:\s*["']?{_NUMBER}["']?.*["']longitude["']\s*:\s*["']?{_NUMBER}"""
_PAIR = rf"\(?\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)?\s*$"  # latitude first, as people write it


def to_numbers(texts: pd.Series) -> pd.Series:
    """Texts as float64, with a decimal point or a decimal comma; missing where they are none."""
    plain = texts.where(~texts.str.fullmatch(r"-?\d+,\d+"), texts.str.replace(",", "."))
    return pd.to_numeric(plain, errors="coerce").astype("float64")


def split_points(texts: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Latitude and longitude as text, from texts that hold both; "" where they hold none."""
    lat = pd.Series("", index=texts.index, dtype="str")
    lon = lat.copy()
    for pattern, is_lat_first in ((_WKT, False), (_GEOJSON, False), (_NAMED, True), (_PAIR, True)):
        rest = lat == ""
        if not rest.any():
            break
        found = texts[rest].str.extract(pattern).fillna("")
        first, second = found[0], found[1]
        lat[rest] = (first if is_lat_first else second).astype("str")
        lon[rest] = (second if is_lat_first else first).astype("str")
    return lat, lon
