"""What a source of incidents is: deliveries, told apart by address and version, cut into parts.

A delivery is fetched below a landing folder where it is remote or compressed. A part is rows that
a worker reads; all of it as text, mapped columns only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from pipeline.errors import DataError
from pipeline.sources.csv_parts import CsvPart
from pipeline.sources.parquet_parts import UNREADABLE, ParquetPart

DELIVERY = "_delivery"  # the address that a row came from
MALFORMED = "_malformed"  # the text of a CSV row that has the wrong number of fields, else ""


@dataclass(frozen=True)
class Delivery:
    """What can be fetched, as it stands: ``version`` changes whenever its content may have.

    ``size``: bytes, 0 where a service does not say.
    """

    address: str
    size: int
    version: int


@dataclass(frozen=True)
class Part:
    """Rows of a delivery. ``found``: the file's names of the columns wanted, None if absent."""

    address: str
    rows: ParquetPart | CsvPart
    found: tuple[str | None, ...]

    def read(self, columns: Sequence[str]) -> pd.DataFrame:
        """The rows as text, with DELIVERY and MALFORMED; what is missing is ""."""
        there = list(dict.fromkeys(name for name in self.found if name is not None))
        try:
            table, malformed = self.rows.read(there)
            rows = pd.DataFrame(
                {
                    name: table[found].to_pandas().astype("str") if found is not None else ""
                    for name, found in zip(columns, self.found, strict=True)
                },
                index=range(table.num_rows),
                dtype="str",
            )
        except UNREADABLE as fault:
            raise DataError(
                f"{self.rows.path} cannot be read: {fault}: deliver it again"
            ) from fault
        rows[MALFORMED] = ""
        broken = pd.DataFrame({**dict.fromkeys(columns, ""), MALFORMED: malformed}, dtype="str")
        rows = pd.concat([rows, broken], ignore_index=True)
        rows[DELIVERY] = self.address
        return rows[[*columns, DELIVERY, MALFORMED]].astype("str")


class IncidentSource(Protocol):
    """Anything that delivers incidents."""

    def deliveries(self) -> list[Delivery]:
        """What there is to fetch now, in a fixed order; looks at no rows."""

    def check(self, deliveries: Sequence[Delivery]) -> None:
        """A cheap look at the columns. Raises DataError where a required one is missing."""

    def fetch(self, deliveries: Sequence[Delivery], landing: Path) -> list[Part]:
        """Parts of their rows; what is remote or compressed is brought below ``landing`` first.

        A fetch that was killed goes on where it stopped. Raises DataError, and EmptyDeliveryError
        where there is no row.
        """

    def release(self, deliveries: Sequence[Delivery], landing: Path) -> None:
        """What was fetched is held now: the landed copies can go, the next fetch begins there."""
