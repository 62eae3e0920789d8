"""A city's newest run in QGIS: how long it takes to open and to draw, and what that looks like.

    /usr/bin/python3 benchmarks/qgis_look.py CITY_FOLDER OUT.png [HOUR ...]

Needs Debian's python3-qgis. Opens ``hotspots.qgz`` without a screen, as a double click does, and
draws the frames of the local hours (default 14 and 2) beside each other; prints seconds as JSON.
"""

import json
import os
import re
import sys
from time import perf_counter

from qgis.core import (
    QgsApplication,
    QgsCoordinateTransform,
    QgsDateTimeRange,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
)
from qgis.PyQt.QtCore import QRect, QSize, Qt
from qgis.PyQt.QtGui import QColor, QFont, QImage, QPainter

SIZE = 900
TITLE = 40


def starts(project):
    """First instants of the frames by the city's clock, from the hours' own local text."""
    layer = project.mapLayersByName("hours")[0]
    cell = next(layer.getFeatures())["hex_id"]
    rows = layer.getFeatures(f"\"hex_id\" = '{cell}'")
    clock = re.compile(r" (\d\d):00 ")
    return {int(clock.search(row["valid_local"])[1]): row["lead_hours"] for row in rows}


def draw(project, lead):
    """The frame of an hour, and the seconds that it took."""
    settings = QgsMapSettings()
    nodes = project.layerTreeRoot().findLayers()
    settings.setLayers([node.layer() for node in nodes if node.isVisible()])
    settings.setDestinationCrs(project.crs())
    view = project.viewSettings().defaultViewExtent()
    to_project = QgsCoordinateTransform(view.crs(), project.crs(), project)
    settings.setExtent(to_project.transformBoundingBox(view))
    settings.setOutputSize(QSize(SIZE, SIZE))
    settings.setBackgroundColor(QColor("white"))
    settings.setIsTemporal(True)
    begin = project.timeSettings().temporalRange().begin().addSecs(3600 * lead)
    settings.setTemporalRange(QgsDateTimeRange(begin, begin.addSecs(3600), True, False))
    began = perf_counter()
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    return job.renderedImage(), perf_counter() - began


def main():
    folder, out, *hours = sys.argv[1:]
    hours = [int(hour) for hour in hours] or [14, 2]
    QgsApplication.setPrefixPath("/usr", True)
    application = QgsApplication([], False)
    application.initQgis()
    project = QgsProject.instance()
    began = perf_counter()
    assert project.read(f"{folder}/hotspots.qgz"), "QGIS cannot open it"
    opened = perf_counter() - began
    leads = starts(project)
    page = QImage(SIZE * len(hours), SIZE + TITLE, QImage.Format_RGB32)
    page.fill(QColor("white"))
    painter = QPainter(page)
    painter.setFont(QFont("sans", 16))
    seconds = {}
    for at, hour in enumerate(hours):
        image, seconds[hour] = draw(project, leads[hour])
        painter.drawText(QRect(at * SIZE, 0, SIZE, TITLE), Qt.AlignCenter, f"{hour:02}:00")
        painter.drawImage(at * SIZE, TITLE, image)
    painter.end()
    page.save(out)
    print(
        json.dumps({"open": round(opened, 2), "draw": {h: round(s, 2) for h, s in seconds.items()}})
    )
    sys.stdout.flush()
    os._exit(0)  # QGIS without a screen may crash while it takes itself apart


main()
