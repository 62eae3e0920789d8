"""The model card says what the manifest has."""

from __future__ import annotations

from typing import Any

from pipeline.model_card import model_card

SCORES = {
    "log_score": -1234.5,
    "average_precision": 0.031,
    "hit_rate_1%": 0.14,
    "hit_rate_5%": None,
}
MANIFEST: dict[str, Any] = {
    "run_id": "here-20240901T0600Z-abc",
    "as_of": "2024-09-01T06:00:00+00:00",
    "made_at": "2024-09-01T06:04:00+00:00",
    "configuration": "abc",
    "k_anonymity": 0,
    "police_initiated_allowed": [],
    "models": [
        {
            "target": "all",
            "issued": "baseline blend",
            "baseline": "blend",
            "made_from": "2024-08-28T06:00:00+00:00",
            "fit": {"rows": 1000, "nights": 90, "incidents": 120},
            "holdout_nights": ["2024-08-01T06:00:00+00:00", "2024-08-14T06:00:00+00:00"],
            "holdout": {name: {"incidents": 77, **SCORES} for name in ("blend", "model")},
            "gain_over_best": {"gain": -0.001, "low": -0.01, "high": 0.008},
        },
        {
            "target": "violent",
            "issued": "baseline rate",
            "baseline": "rate",
            "made_from": "2024-08-28T06:00:00+00:00",
            "fit": {"rows": 3, "nights": 2, "incidents": 1},
        },
    ],
}


def test_a_card_names_what_was_issued_and_how_it_did() -> None:
    card = model_card(MANIFEST)
    assert card.startswith("# here-20240901T0600Z-abc\n")
    assert "Issued: **baseline blend**" in card
    assert "1,000 cell-hours of 90 nights with 120 incidents" in card
    assert "2 nights, 2024-08-01 to 2024-08-14, 77 incidents" in card
    assert "| blend | -1,234.5000 | 0.0310 | 0.1400 | - |" in card
    assert "Over the best baseline the model, not issued, gained -0.0010 nats per " in card
    assert "95 % [-0.0100, 0.0080]" in card
    assert "## violent\n\nIssued: **baseline rate**" in card
    assert card.count("Fitted on") == 1, "no model was fitted for the second"


def test_what_was_let_in_by_name_is_said() -> None:
    assert "left out of every target.\n" in model_card(MANIFEST)
    let_in = {**MANIFEST, "police_initiated_allowed": ["drug possession"]}
    assert "every target, but for drug possession.\n" in model_card(let_in)
