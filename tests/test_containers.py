"""Images and compose file: what they name is there, and the tools that read them take them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
DOCKERFILE = ROOT / "cluster" / "containers" / "Dockerfile"
COMPOSE = ROOT / "cluster" / "containers" / "compose.yaml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ("cluster", "configs", "forecasts", "grids", "pipeline")


def instructions(name: str) -> list[list[str]]:
    """The words after every instruction of this name in the Dockerfile."""
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    return [line.split()[1:] for line in text.splitlines() if line.startswith(f"{name} ")]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    allowed = [line.removeprefix("!") for line in lines if line.startswith("!")]
    sources = [
        source
        for words in instructions("COPY")
        if not words[0].startswith("--")
        for source in words[:-1]
    ]
    assert set(PACKAGES) <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(Path(source).match(pattern) for pattern in allowed), source
    stages = {words[-1] for words in instructions("FROM")}
    copied = [w.removeprefix("--from=") for words in instructions("COPY") for w in words[:1]]
    assert {name for name in copied if name.startswith("build")} == {"build-cpu", "build-cuda"}
    assert {"build-cpu", "build-cuda", "cpu", "cuda"} <= stages


def test_versions_agree() -> None:
    """Of Python with what the locks were made for; of the image with the package."""
    wanted = re.findall(r"--python-version (\S+)", (ROOT / "requirements" / "lock.sh").read_text())
    assert PROJECT["project"]["requires-python"] == f">={wanted[0]}"
    images = [words[0] for words in instructions("FROM") if ":" in words[0]]
    assert images
    assert set(images) == {f"python:{wanted[0]}-slim-bookworm"}
    assert f"/usr/local/bin/python{wanted[0]} " in DOCKERFILE.read_text()
    version = PROJECT["project"]["version"]
    assert f'image.version="{version}"' in DOCKERFILE.read_text()
    assert f"hexcast:{version} " in DOCKERFILE.read_text().splitlines()[0]
    assert f"image: hexcast:{version}\n" in COMPOSE.read_text()


def test_a_container_runs_what_was_tested() -> None:
    """The lock of the containers is a part of that of the tests, hash by hash."""

    def pins(name: str) -> set[str]:
        text = (ROOT / "requirements" / name).read_text()
        found = re.findall(r"^(\S+==\S+.*\n(?: +--hash.*\n)*)", text, re.MULTILINE)
        return {pin.replace("\\", "").strip() for pin in found}

    run = pins("run.txt")
    assert len(run) > 50
    assert run <= pins("cpu.txt")
    assert not any(pin.startswith(("pytest==", "moto==", "mypy==")) for pin in run)


def test_whatever_is_in_a_package_is_installed() -> None:
    settings = PROJECT["tool"]["setuptools"]
    listed = set(settings["packages"])
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            folder = path.relative_to(ROOT).parent
            name = ".".join(folder.parts)
            if path.is_dir() or "__pycache__" in path.parts or name == "cluster.containers":
                continue
            if path.suffix == ".py":
                assert name in listed, path
                continue
            data = settings["package-data"]
            places = (name, name.rpartition(".")[0])
            inside = [path.relative_to(ROOT / place.replace(".", "/")) for place in places if place]
            patterns = [data.get(place, []) for place in places if place]
            found = zip(inside, patterns, strict=True)
            assert any(shown.match(p) for shown, some in found for p in some), path


def test_hadolint_has_nothing_against_the_images(tmp_path: Path) -> None:
    beside = Path(sys.executable).with_name("hadolint")
    tool = str(beside) if beside.exists() else shutil.which("hadolint")
    if tool is None:
        pytest.skip("hadolint is not installed")
    text = DOCKERFILE.read_text()
    for content, code in ((text, 0), (text + "RUN cd /tmp && sudo pip install x\n", 1)):
        (tmp_path / "Dockerfile").write_text(content)
        found = subprocess.run([tool, str(tmp_path / "Dockerfile")], capture_output=True, text=True)
        assert found.returncode == code, found.stdout


def composed() -> dict[str, dict[str, object]]:
    """The compose file with its variables filled in and its anchors written out."""
    text = re.sub(r"\$\{(\w+):\?[^}]*\}", r"/srv/\1", COMPOSE.read_text())
    return yaml.safe_load(text)


def test_compose_takes_the_file() -> None:
    compose = pytest.importorskip("compose_spec", reason="compose-spec is not installed")

    class Whole(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    text = yaml.dump(composed(), Dumper=Whole)
    found = compose.PyCompose.from_yaml(text)
    found.validate()
    assert set(found.service_names()) == {"scheduler", "worker", "nightly"}
    with pytest.raises(ValueError, match="memlimit"):
        compose.PyCompose.from_yaml(text.replace("mem_limit", "memlimit"))


def test_services_are_encrypted_bounded_and_closed() -> None:
    services = composed()["services"]
    for service in services.values():
        assert isinstance(service, dict)
        assert service["mem_limit"]
        assert service["restart"] in ("unless-stopped", "no")
        assert service["cap_drop"] == ["ALL"]
        assert service["environment"]["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] == "true"
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert set(service.get("depends_on", [])) <= set(services)
    mounts = {service["volumes"][3] for service in services.values()}
    assert mounts == {"output:/var/lib/hexcast"}, "all see the store under the same path"
