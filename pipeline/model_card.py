"""A run's model card: what was issued, from what, how good it was, and what it is not for.

After Mitchell et al. 2019, "Model Cards for Model Reporting", FAT* '19.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MODEL_CARD = "model.md"
_SCORES = {
    "log_score": "log score",
    "average_precision": "average precision",
    "hit_rate_1%": "hits in the hottest 1 %",
    "hit_rate_5%": "hits in the hottest 5 %",
}
_USE = """\
## Use

For deciding where attention goes in the coming hours, place by place. It says how many incidents of
a kind are likely to be reported in a hexagon and hour; it says nothing of persons, and nothing of
why. Counts of most hexagons and hours are 0 to 0: plan by shifts and areas, and by the interval.

## Limits

- It learns from reported incidents. What is not reported, or late, is not seen; places that are
  watched more can look worse than they are, and sending more patrols there can make it so.
- Offences recorded mainly because police were there are left out of every target{allowed}.
- {shown}
- Scores are of the nights named above, before this one. An event that nobody announced is in none
  of them.
"""


def model_card(manifest: Mapping[str, Any]) -> str:
    """Markdown, from a run's manifest."""
    parts = [
        f"# {manifest['run_id']}",
        f"Forecast as of {manifest['as_of']}, made at {manifest['made_at']} from what was known at "
        "the former. Configuration "
        f"{manifest['configuration']}; checksums, versions and rows read are in manifest.json.",
    ]
    for model in manifest["models"]:
        parts += _of_target(model)
    allowed = ", ".join(manifest["police_initiated_allowed"])
    parts.append(
        _USE.format(
            allowed=f", but for {allowed}" if allowed else "", shown=_shown(manifest["k_anonymity"])
        )
    )
    return "\n\n".join(parts)


def _shown(k: int) -> str:
    if not k:
        return (
            "Every hexagon is shown by itself: who has the layers of two nights can tell where an "
            "incident became known (output.k_anonymity)."
        )
    return (
        f"Hexagons with fewer than {k} incidents a year of any target are shown together, with one "
        "value for all, until they have as many; scores are of the forecast before that."
    )


def _of_target(model: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {model['target']}"
    yield (
        f"Issued: **{model['issued']}**, made from what was known at {model['made_from']}. "
        f"The best baseline is {model['baseline']}."
    )
    fit = model.get("fit")
    if fit and "model" in (model.get("holdout") or {}):
        yield (
            f"Fitted on {fit['rows']:,} cell-hours of {fit['nights']:,} nights with "
            f"{fit['incidents']:,} incidents."
        )
    held = model.get("holdout")
    if held:
        nights = model["holdout_nights"]
        yield (
            f"Held out, and judged on: {len(nights)} nights, {nights[0][:10]} to "
            f"{nights[-1][:10]}, {next(iter(held.values()))['incidents']:,} incidents."
        )
        yield "\n".join(_table(held))
    if gain := model.get("gain_over_best"):
        which = "it" if model["issued"].startswith("xgboost") else "the model, not issued,"
        yield (
            f"Over the best baseline {which} gained {gain['gain']:.4f} nats per incident, 95 % "
            f"[{gain['low']:.4f}, {gain['high']:.4f}]."
        )


def _table(held: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield f"| | {' | '.join(_SCORES.values())} |"
    yield "|---" * (1 + len(_SCORES)) + "|"
    for name, scores in held.items():
        cells = (scores.get(score) for score in _SCORES)
        shown = ("-" if value is None else f"{value:,.4f}" for value in cells)
        yield f"| {name} | {' | '.join(shown)} |"
