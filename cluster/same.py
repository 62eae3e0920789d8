"""Whether a cluster runs what this process runs: the same versions, and the same code of ours."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.errors import ClusterUnavailableError
from cluster.guard import ask

if TYPE_CHECKING:
    from distributed import Client

PACKAGES = ("cluster", "forecasts", "grids", "pipeline")  # by name: they are installed as one
# Of libraries that others of another version cannot read what they are sent, or reckon otherwise.
LIBRARIES = ["xgboost", "numpy", "pandas", "pyarrow", "zarr", "icechunk", "h3", "shapely"]


def require_same(client: Client) -> None:
    """Raise ClusterUnavailableError, naming the difference, where a worker runs something else.

    Libraries by their versions, hexcast by the text of its source.
    """
    found: Any = client.get_versions(packages=LIBRARIES)
    here = _versions(found["client"])
    for worker, there in sorted(found["workers"].items()):
        for name, version in _versions(there).items():
            if version != here[name]:
                raise ClusterUnavailableError(
                    f"worker {worker} has {name} {version or 'not at all'}, this process "
                    f"{here[name]}: install the same versions on both"
                )
    try:
        prints = ask(client, fingerprints)
    except ModuleNotFoundError as fault:
        raise ClusterUnavailableError(
            f"the workers lack hexcast ({fault}): install the version of this process there"
        ) from fault
    own = fingerprints()
    for worker, there in sorted(prints.items()):
        for name in own:
            if there[name] != own[name]:
                raise ClusterUnavailableError(
                    f"worker {worker} has other code of {name} ({there[name] or 'none'}) than this "
                    f"process ({own[name]}): install the same version of hexcast on both"
                )


def _versions(found: dict[str, Any]) -> dict[str, str | None]:
    packages = {name: found["packages"].get(name) for name in ("dask", "distributed", *LIBRARIES)}
    # Pickled functions are of one minor version of Python.
    return {"Python": ".".join(found["host"]["python"].split(".")[:2]), **packages}


def fingerprints() -> dict[str, str]:
    """A digest of the source of each of our packages; blank where there is none."""
    return {name: _digest(name) for name in PACKAGES}


def _digest(package: str) -> str:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return ""
    root, digest = Path(spec.submodule_search_locations[0]), hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
