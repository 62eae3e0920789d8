"""What is issued for a night: the forecast of its models, written as layers and published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from forecasts.coarsening import coarsened
from forecasts.schema import Forecast, TargetForecast, counted_target
from forecasts.store import publish, stage
from forecasts.writing import write_layers
from grids.cube import CubeInfo
from pipeline.archive.keeping import keep
from pipeline.learning.model import Model
from pipeline.log import StageLog
from pipeline.model_card import MODEL_CARD, model_card
from pipeline.night import LONG, Night
from pipeline.run import Run

HOURS_OF_YEAR = 24 * 365.25


def make_forecast(
    run: Run, info: CubeInfo, night: Night, models: Sequence[Model], neighbourhoods: tuple[str, ...]
) -> Forecast:
    """The run's forecast from a night at its cutoff, whose target is each model's in turn.

    ``neighbourhoods``: (cell,) names, or none.
    """
    targets = []
    for model in models:
        members = tuple(info.categories.index(g) for g in run.config.targets[model.target])
        targets.append(target_forecast(model, replace(night, members=members)))
    return Forecast(
        run_id=run.id,
        as_of=run.cutoff,
        hours=night.hours,
        timezone=run.config.zone,
        grid=info.grid,
        targets=tuple(targets),
        shifts=run.config.patrol_shifts,
        hotspot_share=run.config.hotspot_share,
        neighbourhoods=neighbourhoods,
    )


def target_forecast(model: Model, night: Night) -> TargetForecast:
    """What is issued for a night: the model where it won, else the best baseline."""
    baseline = model.best_baseline()(night)
    expected = model.issued()(night) if model.wins else baseline
    yearly = night.rates[:, LONG] * HOURS_OF_YEAR
    return counted_target(model.target, expected, baseline, yearly, model.label, model.laws)


def publish_forecast(
    run: Run,
    forecast: Forecast,
    log: StageLog,
    manifest: dict[str, Any],
    peak_mib: Callable[[], Mapping[str, float]],
) -> Path:
    """Write the run's layers, keep its forecast, and put it in its place; returns where it now is.

    ``manifest``: its record, which also gets what is expected of each target, the seconds and the
    memory of its stages, the layers' included, and what ``peak_mib`` says once they are written.
    """
    with stage(run.root) as folder:
        (folder / MODEL_CARD).write_text(model_card(manifest), encoding="utf-8")
        with log.stage("layers"):
            shown = coarsened(forecast, run.config.output.k_anonymity)
            write_layers(shown, folder, run.config.output.formats)
            keep(shown, run.root, run.now)
        spent = {"seconds": log.seconds, "peak_mib": peak_mib(), "stage_peak_mib": log.peak_mib}
        expected = {each.name: float(each.expected.sum()) for each in shown.targets}
        whole = {**manifest, "expected_incidents": expected, **spent}
        return publish(run.root, run.reference, folder, whole)
