import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from forecast_cases import GRID, counted, tiny_forecast
from matplotlib.image import imread

from forecasts.map import write_map


def pixels(path):
    return imread(path)[..., :3]


def near(image, colour):
    """Share of the pixels that are nearly of a colour given as #rrggbb."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return (np.abs(image - rgb).max(axis=-1) < 0.05).mean()


@pytest.fixture
def forecast():
    return tiny_forecast()


def test_map_shows_every_class_and_the_hotspots(tmp_path, forecast):
    write_map(forecast, tmp_path / "map.png", "all")
    image = pixels(tmp_path / "map.png")
    assert image.shape[1] == 1200  # 8 inches of 150 dots
    for colour in ("#f5f992", "#fac228", "#f57d15", "#d44842", "#420a68", "#00a0c6"):
        assert near(image, colour) > 1e-4, colour
    assert 0.3 < near(image, "#ffffff") < 0.9


def test_map_depends_on_the_target(tmp_path, forecast):
    for name in forecast.target_names:
        write_map(forecast, tmp_path / f"{name}.png", name)
    images = [pixels(tmp_path / f"{name}.png") for name in forecast.target_names]
    assert images[0].shape == images[1].shape
    assert (images[0] != images[1]).any(axis=-1).mean() > 0.05


def test_a_forecast_of_nothing_has_a_map(tmp_path, forecast):
    zero = np.zeros((len(GRID), 24))
    nothing = replace(forecast, targets=(counted("all", zero, zero, "nothing"),))
    write_map(nothing, tmp_path / "map.png", "all")
    image = pixels(tmp_path / "map.png")
    assert near(image, "#f5f992") > 0.05
    assert near(image, "#420a68") < 0.01  # in the legend only


def test_an_unknown_target_is_refused(tmp_path, forecast):
    with pytest.raises(KeyError, match="no target 'theft'"):
        write_map(forecast, tmp_path / "map.png", "theft")


def test_readers_of_forecasts_do_not_pay_for_heavy_imports():
    heavy = ("matplotlib", "dask", "distributed", "xgboost", "zarr")
    code = (
        "import sys, forecasts.layers, forecasts.scores, forecasts.store\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
