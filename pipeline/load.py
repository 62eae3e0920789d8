"""Reading a configuration file, with errors that name the key, the value and the remedy."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.paths import nearest
from pipeline.redact import redact


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


def load_config(path: str | Path, out: Path | None = None) -> Config:
    """The configuration in the YAML file at ``path``, with ``out`` as its output path if given.

    Raises ConfigError.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        # The loader is a SafeLoader: it makes no object but plain values.
        values = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506
    except FileNotFoundError as fault:
        raise ConfigError(f"{path}: there is no such configuration: check the path") from fault
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as fault:
        reason = " ".join(str(fault).split())
        raise ConfigError(f"{path} cannot be read as YAML: {reason}") from fault
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no keys: start from configs/demo.yaml")
    if out is not None:
        output = values.get("output") or {}
        if not isinstance(output, dict):
            raise ConfigError(f"{path}: output: {output!r} holds no keys: write output.path")
        values["output"] = {**output, "path": str(out.absolute())}
    return parse_config(values, path)


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
