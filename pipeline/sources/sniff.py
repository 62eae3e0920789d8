"""What a file is by its first bytes, whatever it is called."""

from __future__ import annotations

SNIFFED_BYTES = 4096
_SHEET = "an Excel workbook", "save its sheet as CSV UTF-8"
_UTF16 = "text in UTF-16", "iconv -f UTF-16 -t UTF-8 in.csv > out.csv"
_MAGIC = (
    (b"PK\x03\x04", _SHEET),
    (b"\xd0\xcf\x11\xe0", _SHEET),
    (b"%PDF", ("a PDF document", "ask for the data as CSV")),
    (b"SQLite format 3", ("a database or GeoPackage", "export it as CSV with coordinates")),
    (b"\x00\x00\x27\x0a", ("a shapefile", "ogr2ogr -f CSV -lco GEOMETRY=AS_XY out.csv in.shp")),
    (b"\xff\xfe", _UTF16),
    (b"\xfe\xff", _UTF16),
)
_PAGE = (
    "a web page or XML",
    "open its address in a browser, and correct source.path, or run again later",
)
_JSON = "JSON", "take the CSV export, or ogr2ogr -f CSV -lco GEOMETRY=AS_XY out.csv in.geojson"
_BINARY = "neither text nor Parquet", "take another export"


def is_parquet(start: bytes) -> bool:
    """Whether a file that begins so is Parquet."""
    return start.startswith(b"PAR1")


def no_table(start: bytes) -> tuple[str, str] | None:
    """What a file is that is neither Parquet nor text of rows, and what to do; else None.

    ``start``: its first bytes, up to SNIFFED_BYTES.
    """
    if is_parquet(start):
        return None
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"<":
        return _PAGE
    if text[:1] in (b"{", b"["):
        return _JSON
    known = next((fault for magic, fault in _MAGIC if start.startswith(magic)), None)
    return known or (_BINARY if b"\x00" in start else None)
