"""STAC: every run an item, every city a collection, all links relative.

The item lies in the run's folder, the collection beside ``latest``, so that a catalogue needs
nothing but the folder: ``pystac.read_file("collection.json")``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecasts.store import MANIFEST, replace_file, run_names, run_time, writing

if TYPE_CHECKING:
    from forecasts.schema import Forecast

ITEM, COLLECTION = "item.json", "collection.json"
VERSION = "1.1.0"
FORECAST = "https://stac-extensions.github.io/forecast/v0.2.0/schema.json"
_JSON, _GEOJSON = "application/json", "application/geo+json"
_KINDS = {  # media type and role, by suffix
    ".parquet": ("application/vnd.apache.parquet", "data"),
    ".gpkg": ("application/geopackage+sqlite3", "data"),
    ".tif": ("image/tiff; application=geotiff; profile=cloud-optimized", "data"),
    ".pmtiles": ("application/vnd.pmtiles", "visual"),
    ".geojson": (_GEOJSON, "data"),
    ".kml": ("application/vnd.google-earth.kml+xml", "visual"),
    ".csv": ("text/csv", "data"),
    ".png": ("image/png", "thumbnail"),
    ".qgz": ("application/zip", "visual"),
    ".qlr": ("application/xml", "visual"),
    ".md": ("text/markdown", "metadata"),
    ".json": (_JSON, "metadata"),
}


def item(forecast: Forecast, files: Iterable[str]) -> dict[str, Any]:
    """The STAC item of a run; ``files``: names in its folder, each an asset."""
    import shapely  # not for a night that is done already, which indexes its runs

    shape = shapely.convex_hull(shapely.GeometryCollection(list(forecast.grid.polygons)))
    start, end = (f"{instant:%Y-%m-%dT%H:%M:%SZ}" for instant in forecast.span)
    city = forecast.city
    return {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": [FORECAST],
        "id": f"{city}-{forecast.reference_time:%Y%m%dT%H%MZ}",
        "collection": city,
        "geometry": json.loads(shapely.to_geojson(shape)),
        "bbox": [round(float(each), 6) for each in shape.bounds],
        "properties": {
            "datetime": start,
            "start_datetime": start,
            "end_datetime": end,
            "forecast:reference_datetime": start,
            # From the reference to the forecast's own time, which is its start here.
            "forecast:horizon": "PT0H",
            "forecast:duration": f"PT{len(forecast.hours)}H",
            "hexcast:run_id": forecast.run_id,
            "hexcast:as_of": f"{forecast.as_of:%Y-%m-%dT%H:%M:%SZ}",
            "hexcast:model": forecast.model,
            "hexcast:targets": list(forecast.target_names),
        },
        "links": [
            _link(relation, f"../../{COLLECTION}") for relation in ("root", "parent", "collection")
        ],
        "assets": {name: _asset(name) for name in sorted({*files, MANIFEST})},
    }


def _asset(name: str) -> dict[str, Any]:
    kind, role = _KINDS[Path(name).suffix]
    return {"href": f"./{name}", "type": kind, "roles": [role]}


def _link(relation: str, target: str, kind: str = _JSON) -> dict[str, str]:
    return {"rel": relation, "href": target, "type": kind}


def index_runs(root: Path) -> None:
    """Write the collection of the runs that there are; only the newest one's item is read.

    A run without an item, or whose item is damaged, is left out.
    """
    with writing(root):
        names = [name for name in run_names(root) if (root / "runs" / name / ITEM).exists()]
        while names:
            try:
                newest = json.loads((root / "runs" / names[-1] / ITEM).read_text(encoding="utf-8"))
                break
            except ValueError:
                names.pop()
        if names:
            body = json.dumps(collection(newest, names), indent=2) + "\n"
            replace_file(root / COLLECTION, body.encode())


def collection(newest: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The STAC collection of a city. ``newest``: the newest run's item; ``names``: of all runs."""
    first = f"{run_time(names[0]):%Y-%m-%dT%H:%M:%SZ}"
    city = newest["collection"]
    return {
        "type": "Collection",
        "stac_version": VERSION,
        "stac_extensions": [],
        "id": city,
        "title": f"Crime-hotspot forecasts for {city}",
        "description": (
            "Probability and expected number of reported incidents for every H3 cell and hour, "
            "made every night from what was known at its cutoff."
        ),
        "license": "other",
        "extent": {
            "spatial": {"bbox": [newest["bbox"]]},
            "temporal": {"interval": [[first, newest["properties"]["end_datetime"]]]},
        },
        "links": [
            _link("root", f"./{COLLECTION}"),
            *(_link("item", f"./runs/{name}/{ITEM}", _GEOJSON) for name in names),
        ],
    }
