"""Whether a delivery is fit to be learned from: its figures against limits and against the past.

A delivery with a tenth of the usual rows is no error to any parser, and would be learned, and
issued, as a calm city. What is beyond a hard limit stops the night before anything is committed:
the delivery stays untaken, so that the next night, or a corrected one, takes it in again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import DataError
from pipeline.quality.config import Quality
from pipeline.quality.finding import Finding
from pipeline.quality.findings import find, is_idle
from pipeline.quality.record import QualityRecord

# Shares of which more is worse; of other figures less is.
_WORSE_ABOVE = ("quarantined", "outside")
# An event, no level: that a snapshot once left out many is no excuse for the next one.
_ONCE = ("deleted",)


@dataclass(frozen=True)
class Assessment:
    """``warnings``: to be said; ``errors``: to stop at; ``figures``: value and usual of each check.

    ``accepted``: check -> the level that was accepted once and still stands.
    """

    warnings: tuple[Finding, ...]
    errors: tuple[Finding, ...]
    figures: dict[str, tuple[float, float]]
    accepted: dict[str, float]


def assess(current: QualityRecord, past: Sequence[QualityRecord], limits: Quality) -> Assessment:
    """Hold a delivery against limits and against earlier ones (oldest first). Pure.

    A level that was accepted stands for the deliveries right after it, until one is back at what
    was usual: a city that changed its ways is accepted once, not every night; what was accepted
    for one night is no excuse later.
    """
    findings = list(find(current, past, limits))
    last = past[-1].accepted if past else {}
    standing = {check: level for check, level in last.items() if check not in _ONCE}
    accepted = dict(standing) if is_idle(current) else {}
    for finding in findings:
        if finding.is_hard and _stands(finding, standing):
            accepted[finding.check] = standing[finding.check]
    errors = tuple(f for f in findings if f.is_hard and f.check not in accepted)
    return Assessment(
        warnings=tuple(f for f in findings if f.is_warning and f not in errors),
        errors=errors,
        figures={f.check: (round(f.value, 4), round(f.usual, 4)) for f in findings},
        accepted=accepted,
    )


def _stands(finding: Finding, accepted: Mapping[str, float]) -> bool:
    level = accepted.get(finding.check)
    if level is None:
        return False
    if finding.check in _WORSE_ABOVE:
        return finding.value <= level + 0.1
    return finding.value >= level / 3


def judged(
    current: QualityRecord, past: Sequence[QualityRecord], limits: Quality, accept: bool = False
) -> QualityRecord:
    """The record with what was found: ``errors`` are left in it only where it has to be refused.

    ``accept``: an operator has looked at the delivery, and it is right.
    """
    found = assess(current, past, limits)
    errors = () if accept else found.errors
    warnings = (*found.warnings, *(found.errors if accept else ()))
    accepted = {f.check: f.value for f in found.errors} if accept else {}
    return current.model_copy(
        update={
            "findings": found.figures,
            "warnings": tuple(finding.text for finding in warnings),
            "errors": tuple(finding.text for finding in errors),
            "accepted": found.accepted | accepted,
        }
    )


def require_fit(record: QualityRecord) -> None:
    """Raise DataError where the record has errors."""
    if record.errors:
        names = ", ".join(record.deliveries[:3]) + (", ..." if record.deliveries[3:] else "")
        raise DataError(
            f"{names} was not taken in: {'; '.join(record.errors)}. Have it delivered again; if it "
            "is right, run once with --accept-quality (limits: quality in the configuration)"
        )
