from __future__ import annotations

import pandas as pd

from pipeline.ingest.points import split_points, to_numbers

TEXTS = {
    "POINT (-104.99 39.74)": ("39.74", "-104.99"),
    "Point(-104.99 39.74)": ("39.74", "-104.99"),
    "(39.74, -104.99)": ("39.74", "-104.99"),
    "39.74,-104.99": ("39.74", "-104.99"),
    "100 MAIN ST\nDENVER, CO 80202\n(39.74, -104.99)": ("39.74", "-104.99"),
    '{"type": "Point", "coordinates": [-104.99, 39.74]}': ("39.74", "-104.99"),
    "{'latitude': '39.74', 'longitude': '-104.99', 'human_address': ''}": ("39.74", "-104.99"),
    "100 MAIN ST, DENVER": ("", ""),
    "POINT EMPTY": ("", ""),
    "": ("", ""),
}


def test_splits_points() -> None:
    lat, lon = split_points(pd.Series(list(TEXTS), dtype="str"))
    assert dict(zip(TEXTS, zip(lat, lon, strict=True), strict=True)) == TEXTS


def test_reads_decimal_commas() -> None:
    texts = pd.Series(["39,74", "-104.99", "1,234,567", "x", "", "5.3E-07"], dtype="str")
    assert to_numbers(texts).fillna(-9).tolist() == [39.74, -104.99, -9, -9, -9, 5.3e-07]
