"""Fitting a booster with distributed XGBoost, on rows that lie anywhere on a Dask cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import dask.array as da
import numpy as np
import xgboost
import xgboost.dask
from dask.delayed import delayed
from distributed import Client, Future

from cluster.guard import while_there
from pipeline.learning.boosting import PARAMETERS
from pipeline.learning.features import FEATURE_NAMES, MISSING, NO_EDGES, Edges
from pipeline.learning.model import EDGES
from pipeline.learning.placing import STAY, alone
from pipeline.learning.rows import Rows


def fit_booster(
    client: Client,
    rows: Sequence[Future[Rows]],
    rounds: int,
    device: str,
    parameters: Mapping[str, Any] = PARAMETERS,
    names: Sequence[str] = FEATURE_NAMES,
    edges: Edges = NO_EDGES,
    threads: int | None = None,
) -> xgboost.Booster:
    """Train on rows (futures of Rows) where they lie, and take the booster out of the cluster.

    ``names``: of the features; ``edges``: those that tables were coded with, which it keeps;
    ``threads``: of every worker that has rows and no other of them on its machine; by default its
    own.
    """
    matrix = xgboost.dask.DaskQuantileDMatrix(
        client,
        _column(rows, "codes", (np.nan, len(names))),
        _column(rows, "counts"),
        weight=_column(rows, "weights"),
        base_margin=_column(rows, "starts"),
        missing=MISSING,
        feature_names=list(names),
        max_bin=parameters["max_bin"],
    )
    # Dask may have sent some of the rows elsewhere: then workers of one machine share its threads.
    sole = threads if alone(matrix.worker_map) else None
    grown_with = {**parameters, "device": device, "nthread": sole}
    train = partial(xgboost.dask.train, client, grown_with, matrix, num_boost_round=rounds)
    # It waits for ever for a worker that was lost.
    trained = while_there(client, matrix.worker_map, train)
    booster: xgboost.Booster = trained["booster"]
    # One night's rows are not worth a trip to the GPU; threads are those of whoever forecasts.
    booster.set_param({"device": "cpu", "nthread": 0})
    booster.set_attr(**{EDGES: json.dumps(dict(edges))})
    return booster


def _column(
    rows: Sequence[Future[Rows]], name: str, shape: tuple[float, ...] = (np.nan,)
) -> da.Array:
    """One member of every Rows as a Dask array along the rows."""
    dtype = np.uint8 if name == "codes" else np.float32
    pick = delayed(_member)
    parts = [da.from_delayed(pick(part, name), shape, dtype) for part in rows]
    joined = da.concatenate(parts, allow_unknown_chunksizes=True)
    # Its tasks have the name of what is asked for: nothing is done here but naming.
    column: da.Array = joined.map_blocks(_same, name=f"{STAY}-{uuid4().hex}", meta=joined._meta)
    return column


def _same(values: Any) -> Any:
    return values


def _member(rows: Rows, name: str) -> Any:
    return getattr(rows, name)
