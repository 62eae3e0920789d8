"""Reading a configuration file, with errors that name the key, the value and the remedy."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from cluster.spec import ClusterSpec, is_text
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.paths import expand, nearest
from pipeline.redact import redact

CLUSTERS = "clusters.yaml"
SENT: dict[Path, str] = {}  # what files hold that are on the machine that submitted this night
_EXAMPLES = {"configuration": "configs/demo.yaml", "file of clusters": f"configs/{CLUSTERS}"}


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML's safe loader, except that a repeated key is an error (YAML takes the last)."""


def _mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            raise yaml.constructor.ConstructorError(
                None, None, "<< is not read: write the keys out", key_node.start_mark
            )
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(
                None, None, "a key must be plain text: put braces in quotes", key_node.start_mark
            )
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} stands twice", key_node.start_mark
            )
        seen[key] = loader.construct_object(value_node, deep=True)
    return seen


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load_config(path: str | Path, out: Path | None = None, cluster: str | None = None) -> Config:
    """The configuration in the YAML file at ``path``.

    ``out``: its output path, if given; ``cluster``: the name of its cluster, of ``clusters.yaml``
    beside it. Raises ConfigError.
    """
    path = Path(path)
    values = read_yaml(path, "configuration")
    if out is not None:
        output = values.get("output") or {}
        if not isinstance(output, dict):
            raise ConfigError(f"{path}: output: {output!r} holds no keys: write output.path")
        values["output"] = {**output, "path": str(out.absolute())}
    if wanted := cluster or values.get("cluster"):
        values["cluster"] = cluster_values(wanted, path)
    return parse_config(values, path)


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """The keys of a YAML file and their values, plain. Raises ConfigError."""
    try:
        text = read_text(path)
        # The loader is a SafeLoader: it makes no object but plain values.
        values = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506
    except FileNotFoundError as fault:
        raise ConfigError(f"{path}: there is no such {what}: check the path") from fault
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as fault:
        reason = " ".join(str(fault).split())
        raise ConfigError(f"{path} cannot be read as YAML: {reason}") from fault
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no keys: start from {_EXAMPLES[what]}")
    return values


def read_text(path: Path) -> str:
    """A configuration's text. Raises FileNotFoundError."""
    return SENT[path] if path in SENT else path.read_text(encoding="utf-8")


def clusters_text(path: Path, cluster: str | None = None) -> str:
    """What stands in CLUSTERS beside the configuration at ``path``; blank where it is not asked.

    ``cluster``: as of load_config.
    """
    wanted = cluster or read_yaml(path, "configuration").get("cluster")
    if not isinstance(wanted, str) or wanted == "local":
        return ""
    return read_text(path.with_name(CLUSTERS))


def cluster_values(wanted: object, path: Path) -> object:
    """What a configuration's ``cluster`` stands for, with the paths in it made absolute.

    ``wanted``: its keys, or a name in CLUSTERS beside the configuration at ``path``.
    """
    if not isinstance(wanted, str):
        return _with_files(wanted, path, "cluster.tls")
    file = path.with_name(CLUSTERS)
    known = {"local": {}} | _clusters_in(file)
    if wanted not in known:
        raise ConfigError(f"cluster {wanted!r} is not in {file}{nearest(wanted, known)}")
    values = _with_files(known[wanted] or {}, file, f"{wanted}.tls")
    try:
        ClusterSpec.model_validate(values)
    except ValidationError as fault:
        lines = [_explain({**error, "loc": ("cluster", *error["loc"])}) for error in fault.errors()]
        text = "\n".join(f"{file}: {wanted}{line.removeprefix('cluster')}" for line in lines)
        raise ConfigError(text) from None
    return values


def _with_files(values: object, path: Path, key: str) -> object:
    """A cluster's keys, with the paths of its certificates counted from the folder of ``path``."""
    tls = values.get("tls") if isinstance(values, dict) else None
    if not isinstance(values, dict) or not isinstance(tls, dict):
        return values
    try:
        files = {
            name: each if is_text(str(each)) else expand(str(each), path.absolute().parent)
            for name, each in tls.items()
        }
    except ValueError as fault:
        raise ConfigError(f"{path}: {key}: {fault}") from fault
    return {**values, "tls": files}


def _clusters_in(file: Path) -> dict[str, Any]:
    return read_yaml(file, "file of clusters") if file in SENT or file.exists() else {}


def parse_config(values: dict[str, Any], path: Path) -> Config:
    """A configuration from plain values; relative paths in it count from the folder of ``path``."""
    try:
        return Config.model_validate(values, context={"folder": path.absolute().parent})
    except ValidationError as fault:
        lines = [_explain(error) for error in fault.errors()]
        raise ConfigError("\n".join(f"{path}: {line}" for line in lines)) from None


def _explain(error: Any) -> str:
    location = [part for part in error["loc"] if not _is_union_branch(part)]
    key = re.sub(r"^source\.path\.\d+$", "source.path", ".".join(map(str, location)))
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key{nearest(str(location[-1]), _known_keys(location[:-1]))}"
    if error["type"] == "missing":
        return f"{key}: required, but not there"
    message = error["msg"].removeprefix("Value error, ")
    shown = error["input"] if isinstance(error["input"], str | int | float | list) else None
    if location[:1] == ["watch"]:  # whose address is a secret
        shown = None
    found = f" (found {shown!r})" if shown is not None and repr(shown) not in message else ""
    return redact(f"{key}: {message}{found}" if key else message)


def _is_union_branch(part: Any) -> bool:
    return isinstance(part, str) and (part == "str" or part.startswith("tuple["))


def _known_keys(location: list[Any]) -> list[str]:
    """Keys that the section at ``location`` takes."""
    section: Any = Config
    for part in location:
        if isinstance(section, type) and issubclass(section, BaseModel):
            field = section.model_fields.get(str(part))
            section = field.annotation if field else None
        else:
            values = get_args(section)
            section = values[1] if len(values) == 2 else None
    if isinstance(section, type) and issubclass(section, BaseModel):
        return list(section.model_fields)
    return []
