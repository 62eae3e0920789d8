"""A little of what ``make fuzz`` does for half an hour."""

from __future__ import annotations

from collections.abc import Callable

import fuzz
import pytest


@pytest.mark.parametrize("target", fuzz.TARGETS, ids=lambda target: target.__name__)
def test_dirt_is_refused_or_quarantined(target: Callable[..., None]) -> None:
    before = fuzz.EVENTS.total()
    fuzz.feed(target, examples=30, number=1)
    seen = fuzz.EVENTS.total() - before
    assert seen > 30, "of 30 examples, none was kept, quarantined or refused"


def test_a_finding_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(*_: object) -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr(fuzz, "settle", careless)
    with pytest.raises(IndexError):
        fuzz.feed(fuzz.odd_values, examples=30, number=1, shrink=False)
