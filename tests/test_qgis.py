"""The GeoPackage in a real QGIS: Debian's, in its own Python, without a screen."""

import json
from pathlib import Path

import numpy as np
import pytest
from forecast_cases import GRID, tiny_forecast
from matplotlib.image import imread
from qgis_process import run_qgis

from forecasts.frames import hours_frame
from forecasts.geopackage import write_geopackage
from forecasts.style import COLOURS, class_breaks
from forecasts.writing import make_layers

pytestmark = pytest.mark.qgis

# As QGIS Desktop adds a layer: first the layer, then its default style. (A layer made with its
# style at once forgets the style's temporal part: QgsVectorLayer sets its defaults last.)
PROBE = """
geopackage, pictures, starts = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
errors = []

options = QgsVectorLayer.LayerOptions()
options.loadDefaultStyle = False
layer = QgsVectorLayer(geopackage + "|layername=hours", "hours", "ogr", options)
message, styled = layer.loadDefaultStyle()
renderer, temporal = layer.renderer(), layer.temporalProperties()

settings = QgsMapSettings()
settings.setLayers([layer])
settings.setExtent(layer.extent())
settings.setOutputSize(QSize(400, 400))
settings.setBackgroundColor(QColor("white"))
settings.setIsTemporal(True)
context = QgsVectorLayerTemporalContext()
context.setLayer(layer)
frames = []
for number, start in enumerate(starts):
    begin = QDateTime.fromString(start, Qt.ISODate)
    settings.setTemporalRange(QgsDateTimeRange(begin, begin.addSecs(3600), True, False))
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save("%s/%d.png" % (pictures, number))
    request = QgsFeatureRequest().setFilterExpression(
        temporal.createFilterString(context, settings.temporalRange())
    )
    frames.append([feature["lead_hours"] for feature in layer.getFeatures(request)])
    errors.extend(error.message for error in job.errors())

# PyQGIS does not keep alive what a chain of calls returns on its way.
ranges = renderer.ranges()
symbol = ranges[0].symbol()
symbol_layer = symbol.symbolLayer(0)
properties = symbol_layer.dataDefinedProperties()
outline = properties.property(QgsSymbolLayer.PropertyStrokeStyle)

cells = QgsVectorLayer(geopackage + "|layername=cells", "cells", "ogr", options)
cells_styled = cells.loadDefaultStyle()[1]
said = {
    "valid": layer.isValid(),
    "features": layer.featureCount(),
    "crs": layer.crs().authid(),
    "fields": [field.name() for field in layer.fields()],
    "first": [str(layer.getFeature(1)[name]) for name in ("hex_id", "valid_local")],
    "styled": styled,
    "renderer": renderer.type(),
    "attribute": renderer.classAttribute(),
    "ranges": [[r.lowerValue(), r.upperValue(), r.label(), r.symbol().color().name()]
               for r in ranges],
    "outlined": outline.expressionString(),
    "active": temporal.isActive(),
    "temporal": [temporal.startField(), temporal.endField()],
    "tip": layer.mapTipTemplate(),
    "frames": frames,
    "cells": [cells_styled, cells.featureCount(), cells.renderer().type()],
    "errors": errors,
}
"""


@pytest.fixture(scope="module")
def forecast():
    return tiny_forecast()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def seen(forecast, pictures) -> dict:
    """What QGIS says of the layer, and one picture of every hour."""
    path = pictures / "forecast.gpkg"
    write_geopackage(make_layers(forecast), path)
    starts = [f"{time:%Y-%m-%dT%H:%M:%S}Z" for time in forecast.hours.times]
    return run_qgis(PROBE, str(path), str(pictures), json.dumps(starts))


def test_the_layer_opens_as_it_is(seen, forecast):
    frame = hours_frame(forecast)
    assert seen["valid"]
    assert seen["features"] == len(frame)
    assert seen["crs"] == "EPSG:4326"
    assert seen["fields"] == ["OGC_FID", *frame.columns.drop("geometry")]
    assert seen["first"] == frame.loc[0, ["hex_id", "valid_local"]].tolist()


def test_nothing_is_complained_about(seen):
    assert seen["warnings"] == []
    assert seen["errors"] == []


def test_the_default_style_shows_the_probability_in_classes(seen, forecast):
    assert seen["styled"]
    assert (seen["renderer"], seen["attribute"]) == ("graduatedSymbol", "all_probability")
    breaks = class_breaks(hours_frame(forecast)["all_probability"])
    lower, upper, labels, colours = zip(*seen["ranges"], strict=True)
    assert lower == pytest.approx([0, *breaks])
    assert upper == pytest.approx([*breaks, 1])
    assert colours == COLOURS
    assert labels[0].startswith("up to ")
    assert labels[-1].startswith("over ")
    assert seen["outlined"] == "if(\"all_hotspot\", 'solid', 'no')"
    assert '"all_probability"' in seen["tip"]


def test_the_style_switches_the_temporal_controller_on(seen):
    assert seen["active"]
    assert seen["temporal"] == ["valid_start", "valid_end"]


def test_every_hour_of_the_controller_shows_its_own_rows(seen):
    assert seen["frames"] == [[lead] * len(GRID) for lead in range(24)]


def test_the_cells_have_a_style_too(seen):
    assert seen["cells"] == [True, len(GRID), "singleSymbol"]


def test_pictures_are_not_empty_and_differ_between_hours(seen, pictures):
    images = [imread(pictures / f"{hour}.png")[..., :3] for hour in (0, 1, 12)]
    for image in images:
        drawn = (image < 0.99).any(axis=-1)
        assert drawn.mean() > 0.3
        assert len(np.unique((image[drawn] * 255).astype(int), axis=0)) >= 5
    assert (images[0] != images[1]).any(axis=-1).mean() > 0.1
    assert (images[0] != images[2]).any(axis=-1).mean() > 0.1
