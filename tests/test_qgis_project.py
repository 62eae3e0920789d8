"""The layer definition and the project of a run, opened by a real QGIS without a screen."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from forecast_cases import GRID, tiny_forecast
from matplotlib.image import imread
from qgis_process import run_qgis

from forecasts.store import publish, stage
from forecasts.writing import write_layers

pytestmark = pytest.mark.qgis
HOURS = (2, 14)  # that are drawn
PROBE = """
folder, pictures, hours = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
project = QgsProject.instance()
read = project.read(folder + "/hotspots.qgz")
settings, begin = project.timeSettings(), project.timeSettings().temporalRange().begin()

def frame(hour):
    start = begin.addSecs(3600 * hour)
    return QgsDateTimeRange(start, start.addSecs(3600), True, False)

def shown(layer):
    context = QgsVectorLayerTemporalContext()
    context.setLayer(layer)
    found = []
    for hour in range(24):
        asked = layer.temporalProperties().createFilterString(context, frame(hour))
        rows = layer.getFeatures(QgsFeatureRequest().setFilterExpression(asked))
        found.append(sorted({row["lead_hours"] for row in rows}))
    return found

nodes = project.layerTreeRoot().findLayers()
layers = {node.name(): node.layer() for node in nodes}
errors = []
for hour in hours:
    settings_ = QgsMapSettings()
    settings_.setLayers([node.layer() for node in nodes if node.isVisible()])
    settings_.setDestinationCrs(project.crs())
    view = project.viewSettings().defaultViewExtent()
    to_project = QgsCoordinateTransform(view.crs(), project.crs(), project)
    settings_.setExtent(to_project.transformBoundingBox(view))
    settings_.setOutputSize(QSize(600, 600))
    settings_.setBackgroundColor(QColor("white"))
    settings_.setIsTemporal(True)
    settings_.setTemporalRange(frame(hour))
    job = QgsMapRendererParallelJob(settings_)
    job.start()
    job.waitForFinished()
    job.renderedImage().save("%s/%d.png" % (pictures, hour))
    errors.extend(error.message for error in job.errors())

# As somebody's own project: made of the definition, saved, and opened the next morning.
other = QgsProject()
loaded = QgsLayerDefinition.loadLayerDefinition(
    folder + "/hotspots.qlr", other, other.layerTreeRoot()
)
mine = folder + "/mine/mine.qgz"
other.write(mine)
again = QgsProject()
again.read(mine)
saved = [layer.source() for layer in again.mapLayers().values()]
said = {
    "saved": saved,
    "read": read,
    "title": project.title(),
    "crs": project.crs().authid(),
    "span": [each.toString(Qt.ISODate) for each in
             (begin, settings.temporalRange().end())],
    "step": [settings.timeStep(), QgsUnitTypes.toString(settings.timeStepUnit())],
    "animated": project.readNumEntry("TemporalControllerWidget", "/NavigationMode")[0],
    "tree": [[node.name(), node.isVisible()] for node in nodes],
    "sources": sorted(project.writePath(layer.source()) for layer in layers.values()),
    "valid": {name: layer.isValid() for name, layer in layers.items()},
    "rows": {name: layer.featureCount() for name, layer in layers.items()},
    "crss": sorted({layer.crs().authid() for layer in layers.values()}),
    "temporal": {n: layer.temporalProperties().isActive() for n, layer in layers.items()},
    "renderers": {name: layer.renderer().type() for name, layer in layers.items()},
    "shown": {name: shown(layer) for name, layer in layers.items()
              if layer.temporalProperties().isActive()},
    "shifts": {name: sorted({row["shift"] for row in layer.getFeatures()})
               for name, layer in layers.items() if "shift" in layer.source()},
    "legend": [[rule.label(), rule.active(), [child.label() for child in rule.children()]]
               for rule in layers["hotspots"].renderer().rootRule().children()],
    "labelled": layers["hotspots"].labelsEnabled(),
    "label": layers["hotspots"].labeling().rootRule().children()[0].settings().fieldName,
    "loaded": loaded[0],
    "definition": {layer.name(): [layer.isValid(), layer.temporalProperties().isActive()]
                   for layer in other.mapLayers().values()},
    "errors": errors,
}
"""


@pytest.fixture(scope="module")
def forecast():
    return replace(tiny_forecast(), hotspot_share=0.3)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("drawn")


@pytest.fixture(scope="module")
def seen(forecast, pictures, tmp_path_factory) -> dict:
    """What QGIS says of the newest run's files in a city's folder that was moved."""
    root = tmp_path_factory.mktemp("written") / "city"
    with stage(root) as folder:
        write_layers(forecast, folder)
        publish(root, forecast.reference_time, folder, {})
    moved = tmp_path_factory.mktemp("moved") / "a run, elsewhere"
    shutil.move(root, moved)
    (moved / "mine").mkdir()
    return run_qgis(PROBE, str(moved), str(pictures), json.dumps(HOURS))


SHIFT_LAYERS = ["day 06-14", "evening 14-22", "night 22-06"]
LAYERS = ["hotspots", *SHIFT_LAYERS, "hours", "cells"]


def test_both_open_and_every_layer_is_valid(seen):
    assert seen["read"]
    assert seen["loaded"]
    assert seen["valid"] == dict.fromkeys(LAYERS, True)
    assert {name for name, (valid, _) in seen["definition"].items() if valid} == set(LAYERS)
    assert seen["rows"]["hours"] == 24 * len(GRID)
    assert seen["errors"] == []


def test_every_shift_is_a_layer_of_its_own(seen):
    assert {name: seen["shifts"][name] for name in SHIFT_LAYERS} == {
        name: [name.split()[0]] for name in SHIFT_LAYERS
    }
    assert seen["rows"]["day 06-14"] == len(GRID)
    assert seen["rows"]["night 22-06"] == 2 * len(GRID)  # of two dates


def test_paths_are_relative(seen):
    assert len(seen["sources"]) == len(LAYERS)
    assert all(source.startswith("./forecast.gpkg|layername=") for source in seen["sources"])


def test_an_own_project_keeps_the_path_that_never_changes(seen):
    """Not that of the run which it led to."""
    assert len(seen["saved"]) == len(LAYERS)
    assert all("/a run, elsewhere/forecast.gpkg|" in source for source in seen["saved"])


def test_the_controller_steps_through_the_horizon(seen):
    assert seen["span"] == ["2024-09-01T06:00:00Z", "2024-09-02T06:00:00Z"]
    assert seen["step"] == [1, "hours"]
    assert seen["animated"] == 1
    assert (seen["crs"], seen["crss"]) == ("EPSG:3857", ["EPSG:4326"])
    wanted = {name: name != "cells" for name in LAYERS}
    assert seen["temporal"] == wanted
    assert {name: active for name, (_, active) in seen["definition"].items()} == wanted


def test_the_legend_is_ready(seen):
    assert seen["title"] == "denver Sun 2024-09-01 00:00"
    assert seen["tree"] == [[name, name in ("hotspots", "hours")] for name in LAYERS]
    ranks = ["rank 1 to 5", "rank 6 to 15", "others"]
    assert seen["legend"] == [["all", True, ranks], ["violent", False, ranks]]
    assert (seen["labelled"], seen["label"]) == (True, "name")


def test_every_frame_shows_its_hour_and_its_shift(seen):
    assert seen["shown"]["hours"] == [[lead] for lead in range(24)]
    assert seen["shown"]["hotspots"] == [[0]] * 6 + [[6]] * 8 + [[14]] * 8 + [[22]] * 2
    assert seen["shown"]["evening 14-22"] == [[]] * 14 + [[14]] * 8 + [[]] * 2
    assert seen["shown"]["night 22-06"] == [[0]] * 6 + [[]] * 16 + [[22]] * 2


def test_what_is_drawn_changes_with_the_hour(seen, pictures):
    night, day = (imread(pictures / f"{hour}.png")[..., :3] for hour in HOURS)
    for image in (night, day):
        drawn = (image < 0.99).any(axis=-1)
        assert drawn.mean() > 0.3
        outlined = np.abs(image - np.array([0x00, 0x3F, 0x5C]) / 255).max(axis=-1) < 0.05
        assert outlined.mean() > 0.005
    assert (night != day).any(axis=-1).mean() > 0.1
