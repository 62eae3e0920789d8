"""No package of ours runs what it reads: no pickles, no eval, no unsafe YAML, no shell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("cluster", "configs", "forecasts", "grids", "pipeline")
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
BUILT_IN = {"eval", "exec", "compile", "__import__"}
METHODS = {"eval", "to_pickle", "read_pickle", "unsafe_load", "full_load", "unsafe_load_all"}
METHODS |= {"full_load_all", "system", "popen"}
SAFE_LOADERS = {"SafeLoader", "CSafeLoader", "BaseLoader", "CBaseLoader"}


def faults(source: str) -> list[str]:
    """What of a module's text could run data as code, a line each."""
    tree = ast.parse(source)
    safe = SAFE_LOADERS | {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and {_name(base) for base in node.bases} & SAFE_LOADERS
    }
    return [f"line {line}: {what}" for line, what in _faults(tree, safe)]


def _faults(tree: ast.AST, safe: set[str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names} & MODULES
            yield from ((node.lineno, f"imports {name}") for name in names)
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in MODULES:
                yield node.lineno, f"imports {node.module}"
            names = {alias.name for alias in node.names}
            if node.module in ("yaml", "os", "pandas") and names & (METHODS | {"load"}):
                yield node.lineno, f"imports {names} from {node.module}"
        elif isinstance(node, ast.Call):
            yield from _calls(node, safe)


def _calls(node: ast.Call, safe: set[str]) -> Iterator[tuple[int, str]]:
    name = _name(node.func)
    if isinstance(node.func, ast.Name) and name in BUILT_IN:
        yield node.lineno, f"calls {name}"
    if isinstance(node.func, ast.Attribute):
        if name in METHODS:
            yield node.lineno, f"calls .{name}"
        if _name(node.func.value) == "yaml" and name in ("load", "load_all"):
            loaders = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "Loader")]
            if {_name(loader) for loader in loaders} - safe or not loaders:
                yield node.lineno, "loads YAML that may make objects"
    for keyword in node.keywords:
        is_on = not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
        if keyword.arg in ("allow_pickle", "shell") and is_on:
            yield node.lineno, f"sets {keyword.arg}"


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_runs_what_it_reads(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


def test_the_sources_are_all_there() -> None:
    names = {path.name for path in SOURCES}
    assert {"load.py", "model.py", "store.py", "hexgrid.py", "connect.py"} <= names


@pytest.mark.parametrize(
    "snippet",
    [
        "import pickle",
        "import os, pickle as p",
        "from pickle import loads",
        "from joblib.numpy_pickle import load",
        "def f():\n    import cloudpickle",
        "x = eval('1')",
        "exec(text)",
        "__import__(name)",
        "compile(text, '', 'exec')",
        "frame.eval('a + b')",
        "pd.read_pickle(path)",
        "frame.to_pickle(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.load(text, yaml.FullLoader)",
        "yaml.load_all(text, Loader=yaml.UnsafeLoader)",
        "yaml.unsafe_load(text)",
        "from yaml import load",
        "class Mine(yaml.Loader): ...\nyaml.load(text, Loader=Mine)",
        "os.system(command)",
        "subprocess.run(command, shell=True)",
    ],
)
def test_a_fault_is_found(snippet: str) -> None:
    assert len(faults(snippet)) == 1


@pytest.mark.parametrize(
    "snippet",
    [
        "re.compile(pattern)",
        "yaml.safe_load(text)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "class Mine(yaml.SafeLoader): ...\nyaml.load(text, Loader=Mine)",
        "np.load(path, allow_pickle=False)",
        "json.load(file)",
        "subprocess.run(command, shell=False)",
        "model.evaluate(x)",
    ],
)
def test_what_is_safe_is_no_fault(snippet: str) -> None:
    assert faults(snippet) == []
