"""What opens a run in QGIS by a double click: a layer definition and a project.

``hotspots.qlr`` puts the layers into whatever project is open, ``hotspots.qgz`` is one with its
temporal controller set to the horizon. Both name the GeoPackage by a relative path and carry the
styles, since QGIS reads no default style, and no temporal setting, of a layer that a project names.
Every shift is a layer of its own, so that none hides another where the controller is off.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pyproj
import shapely

from forecasts.frames import CRS
from forecasts.layers import Layers
from forecasts.schema import Forecast
from forecasts.store import FRONT
from forecasts.style import default_styles

GEOPACKAGE, LAYER_DEFINITION, PROJECT = FRONT
SHOWN = ("hotspots", "hours")  # of the layers; the others are ticked in the legend when wanted
WEB_MERCATOR = "EPSG:3857"  # of the project: degrees would stretch a city, and base maps are in it
_CHECKED = {True: "Qt::Checked", False: "Qt::Unchecked"}
_DOCTYPE = "<!DOCTYPE {} PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"


def write_project(forecast: Forecast, layers: Layers, directory: Path) -> None:
    """Write both beside the run's GeoPackage."""
    tree, maps = _layers(forecast, layers)
    definition = ET.Element("qlr")
    definition.append(tree)
    definition.append(_wrapped("maplayers", maps))
    (directory / LAYER_DEFINITION).write_bytes(_bytes(definition, "qgis-layer-definition"))
    (directory / PROJECT).write_bytes(_zipped(_project(forecast, tree, maps), PROJECT))


def _layers(forecast: Forecast, layers: Layers) -> tuple[ET.Element, list[ET.Element]]:
    """The legend's tree, and the layers that it names."""
    root, maps = ET.Element("layer-tree-group"), list[ET.Element]()
    # Without the date: in somebody's own project it stays, and the layers go on.
    group = _group(root, forecast.city)
    for name, (_, style) in default_styles(layers).items():
        if name == "shifts":
            within = _group(group, name, shown=False)
            for shift in forecast.shifts:
                chosen = "'" + shift.name.replace("'", "''") + "'"
                source = f'layername={name}|subset="shift" = {chosen}'
                _add(within, maps, shift.label, source, style, shown=False)
        else:
            _add(group, maps, name, f"layername={name}", style, shown=name in SHOWN)
    return root, maps


def _group(parent: ET.Element, name: str, shown: bool = True) -> ET.Element:
    ticked = {"expanded": str(int(shown)), "checked": _CHECKED[shown]}
    return ET.SubElement(parent, "layer-tree-group", {"name": name, **ticked})


def _add(
    group: ET.Element, maps: list[ET.Element], name: str, chosen: str, style: str, shown: bool
) -> None:
    """A layer with its entry in the legend; ``chosen``: what of the GeoPackage it shows."""
    source = f"./{GEOPACKAGE}|{chosen}"
    id_ = f"layer_{uuid5(NAMESPACE_URL, source).hex}"
    ticked = {"expanded": str(int(shown)), "checked": _CHECKED[shown]}
    entry = {"id": id_, "name": name, "source": source, "providerKey": "ogr", **ticked}
    ET.SubElement(group, "layer-tree-layer", entry)
    maps.append(_map_layer(id_, name, source, style))


def _title(forecast: Forecast) -> str:
    first = forecast.reference_time.astimezone(forecast.timezone)
    return f"{forecast.city} {first:%a %Y-%m-%d %H:%M}"


def _map_layer(id_: str, name: str, source: str, style: str) -> ET.Element:
    """A layer with its style: the QML's attributes and elements are those of a project's layer."""
    qml = ET.fromstring(style)  # noqa: S314  # our own text
    layer = ET.Element("maplayer", qml.attrib | {"type": "vector", "geometry": "Polygon"})
    for tag, text in (("id", id_), ("datasource", source), ("layername", name)):
        ET.SubElement(layer, tag).text = text
    ET.SubElement(layer, "provider", encoding="UTF-8").text = "ogr"
    layer.append(_crs("srs"))
    layer.extend(qml)
    return layer


def _crs(tag: str, code: str = CRS) -> ET.Element:
    element = ET.Element(tag)
    system = ET.SubElement(element, "spatialrefsys")
    ET.SubElement(system, "wkt").text = pyproj.CRS(code).to_wkt()
    ET.SubElement(system, "authid").text = code
    return element


def _project(forecast: Forecast, tree: ET.Element, maps: list[ET.Element]) -> ET.Element:
    project = ET.Element("qgis", version="3.22.16", projectname=_title(forecast))
    ET.SubElement(project, "title").text = _title(forecast)
    project.append(_crs("projectCrs", WEB_MERCATOR))
    project.append(tree)
    project.append(_wrapped("projectlayers", maps))
    order = ET.SubElement(project, "layerorder")
    for each in maps:
        ET.SubElement(order, "layer", id=each.findtext("id", ""))
    project.append(_properties())
    project.append(_time(forecast))
    project.append(_view(forecast))
    return project


def _properties() -> ET.Element:
    """The temporal controller's panel steps through the frames; paths are relative."""
    properties = ET.Element("properties")
    controller = ET.SubElement(properties, "TemporalControllerWidget")
    ET.SubElement(controller, "NavigationMode", type="int").text = "1"  # animated
    system = ET.SubElement(properties, "SpatialRefSys")
    ET.SubElement(system, "ProjectionsEnabled", type="int").text = "1"
    paths = ET.SubElement(properties, "Paths")
    ET.SubElement(paths, "Absolute", type="bool").text = "false"
    return properties


def _time(forecast: Forecast) -> ET.Element:
    """The horizon, in steps of an hour."""
    settings = ET.Element(
        "ProjectTimeSettings",
        timeStep="1",
        timeStepUnit="h",
        frameRate="1",
        cumulativeTemporalRange="0",
    )
    span = ET.SubElement(settings, "TemporalRange")
    for tag, instant in zip(("start", "end"), forecast.span, strict=True):
        ET.SubElement(span, tag).text = f"{instant:%Y-%m-%dT%H:%M:%SZ}"
    return settings


def _view(forecast: Forecast) -> ET.Element:
    """The first view: the whole grid."""
    west, south, east, north = shapely.total_bounds(forecast.grid.polygons)
    settings = ET.Element("ProjectViewSettings", UseProjectScales="0")
    corners = {"xmin": west, "ymin": south, "xmax": east, "ymax": north}
    extent = ET.SubElement(
        settings, "DefaultViewExtent", {name: f"{value:.6f}" for name, value in corners.items()}
    )
    extent.extend(_crs("srs"))
    return settings


def _wrapped(tag: str, elements: list[ET.Element]) -> ET.Element:
    element = ET.Element(tag)
    element.extend(elements)
    return element


def _bytes(root: ET.Element, doctype: str) -> bytes:
    return (_DOCTYPE.format(doctype) + ET.tostring(root, encoding="unicode")).encode()


def _zipped(project: ET.Element, name: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(Path(name).with_suffix(".qgs").name, _bytes(project, "qgis"))
    return target.getvalue()
