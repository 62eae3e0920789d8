"""A village of the demo, small enough for a test: what happens there, and what is reported."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from pipeline.demo.city import DemoCity
from pipeline.demo.reports import report_versions
from pipeline.demo.simulate import Incidents, simulate

# A village from September to April, so that both clock changes lie in it.
CITY = DemoCity(
    start=datetime(2024, 9, 1, 5, tzinfo=UTC), days=220, radius_km=1.4, incidents_per_day=60
)
CUTOFF = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(name="incidents", scope="module")
def the_incidents() -> Incidents:
    return simulate(CITY)


@pytest.fixture(name="versions", scope="module")
def the_versions(incidents: Incidents) -> pd.DataFrame:
    return report_versions(CITY, incidents)
