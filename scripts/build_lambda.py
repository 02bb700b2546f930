#!/usr/bin/env python3
"""Build the code of the functions: `scripts/build_lambda.py [--architecture arm64]` writes dist/lambda-ARCHITECTURE.zip,
and dist/lambda-scan-ARCHITECTURE.zip of those that scan, which write tables.

Wheels come by deploy/lambda-requirements.txt and deploy/lambda-scan-requirements.txt, which name each by its hash;
modelwarden itself is taken from this folder. Bytecode goes with the source, since Lambda lets nobody write it, and a start
without it takes five times the processor: so there must be a Python of the runtime's version. The same inputs and the same
Python make the same bytes: names are sorted, times and modes are fixed. `--lock` writes the requirements anew, with the
versions of constraints.txt.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any, Final, NamedTuple

from modelwarden.collect.operations import NEEDED

ROOT: Final = Path(__file__).parents[1]
PYTHON: Final = "3.13"
"""Of the runtime in deploy/hub.yaml."""
PLATFORMS: Final = {
    "arm64": ("manylinux_2_28_aarch64", "manylinux2014_aarch64"),
    "x86_64": ("manylinux_2_28_x86_64", "manylinux2014_x86_64"),
}
"""Architecture of Lambda -> platforms of wheels that run there, on Amazon Linux 2023."""
WHEELS: Final = (
    *("attrs", "aws_lambda_powertools", "botocore", "cachetools", "cedarpy", "cffi", "cryptography", "jmespath"),
    *("jsonschema", "jsonschema_specifications", "msgspec", "pymerkle", "python_dateutil", "referencing", "rpds_py"),
    *("six", "typing_extensions", "urllib3"),
)
"""Everything that the functions import, with what these need. The runtime has a botocore, but maybe one that does not know our fields."""
ABSENT: Final = (
    *(
        "modelwarden.analytics",
        "modelwarden.audit",
        "modelwarden.builtin.cases",
        "modelwarden.builtin.reports.frameworks",
    ),
    *("modelwarden.builtin.reports.packs", "modelwarden.builtin.reports.templates", "modelwarden.cli"),
    *(
        "modelwarden.compare",
        "modelwarden.deployment",
        "modelwarden.guidance",
        "modelwarden.replay",
        "modelwarden.sandbox",
        "modelwarden.tables",
    ),
    "modelwarden.waivers",
)
"""Packages of ours that no function reaches, with what lies below them."""
SERVICES: Final = {api.partition(":")[0] for api in NEEDED} - {
    *("cloudwatch", "ec2", "organizations"),
    *("cloudformation", "lambda", "logs"),
}
"""Whose models botocore needs; nothing but a scan calls the first three, and no function looks at what is deployed."""


class Archive(NamedTuple):
    """What is built."""

    name: str
    wheels: tuple[str, ...]
    absent: tuple[str, ...]
    services: Set[str]
    most_bytes: int
    most_unpacked: int = 240_000_000
    """Lambda takes 250 MB, layers included."""

    @property
    def requirements(self) -> Path:
        return ROOT / f"deploy/{self.name}-requirements.txt"


FUNCTIONS: Final = Archive("lambda", WHEELS, ABSENT, SERVICES, 15_000_000)
SCAN: Final = Archive(
    "lambda-scan",
    (*WHEELS, "pyarrow"),
    tuple(one for one in ABSENT if one not in ("modelwarden.analytics", "modelwarden.audit", "modelwarden.tables")),
    SERVICES | {"cloudwatch", "ec2", "organizations"},
    75_000_000,
)
ARCHIVES: Final = (FUNCTIONS, SCAN)
_DATA: Final = re.compile(r"botocore/data/(?P<service>[^/]+)/.*/(?P<file>[\w.-]+)")
_MODEL: Final = "service-2.json.gz"
_BESIDE: Final = ("endpoint-rule-set-1.json.gz", "service-2.sdk-extras.json")
"""What botocore reads besides it."""
_UNCOMPILED: Final = re.compile(r"(attr|attrs|cryptography|jsonschema|jsonschema_specifications|referencing)/")
"""Of no use at the start: for cards, and for an organization that keeps a log."""
_UNUSED: Final = re.compile(
    r"(^|/)(__pycache__|tests?)/|\.(pyc|pyi)$|^\.\.|\.dist-info/(?!METADATA$|LICEN[CS]E|licenses/)|^(cffi|dateutil/zoneinfo)/"
    r"|^aws_lambda_powertools/(event_handler|utilities/(auth_alpha|circuit_breaker|data_masking|feature_flags|idempotency"
    r"|kafka|parameters|parser|streaming))/"
    # Of Arrow what tables need: no servers, no other formats, nothing to build against.
    r"|^pyarrow/(include|src|includes)|^pyarrow/.*\.(pxd|pxi|pyx|h|cc|lib)$"
    r"|^pyarrow/(libarrow_(flight|s3|python_flight|python_parquet_encryption)|libarrow_python\.so(\.\d+\.\d+\.\d+)?$)"
    r"|^pyarrow/_(flight|substrait|orc|dataset_orc|s3fs|gcsfs|azurefs|hdfs|feather|pyarrow_cpp_tests|(dataset_)?parquet_encryption)\."
)
"""`importlib.metadata` reads METADATA; the rest of it is for installers."""
_TIME: Final = (1980, 1, 1, 0, 0, 0)


def kept(archive: Archive, files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Files of wheels that the functions need: of botocore's data the operations that are called."""
    services = archive.services
    for name, data in files:
        of = _DATA.match(name)
        if of and of["file"] == _MODEL and of["service"] in services:
            yield name, lean(of["service"], data)
        elif not _UNUSED.search(name) and (of is None or (of["service"] in services and of["file"] in _BESIDE)):
            yield name, data


def lean(service: str, data: bytes) -> bytes:
    """The model of a service without the operations that nobody calls, and without prose."""
    model = json.loads(gzip.decompress(data))
    model["operations"] = {name: one for name, one in model["operations"].items() if f"{service}:{name}" in NEEDED}
    shapes, left = {}, list(_shapes(model["operations"]))
    while left:
        name = left.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            left += _shapes(shapes[name])
    model["shapes"] = {name: _without_prose(shapes[name]) for name in sorted(shapes)}
    found = _without_prose(model)
    for one in found.get("clientContextParams", {}).values():
        one["documentation"] = ""  # botocore asks for it at the first call
    return gzip.compress(json.dumps(found, separators=(",", ":")).encode(), mtime=0)


def _shapes(value: Any) -> Iterator[str]:
    """Names of the shapes that a piece of a model mentions."""
    if isinstance(value, dict):
        named = value.get("shape")
        yield from [named] if isinstance(named, str) else []
        for inner in value.values():
            yield from _shapes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _shapes(inner)


def _without_prose(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_prose(inner)
            for key, inner in value.items()
            if not (key == "documentation" and isinstance(inner, str))
        }
    return [_without_prose(inner) for inner in value] if isinstance(value, list) else value


def of_wheel(wheel: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(wheel) as archive:
        yield from ((one.filename, archive.read(one)) for one in archive.infolist() if not one.is_dir())


def ours(archive: Archive, root: Path = ROOT) -> Iterator[tuple[str, bytes]]:
    """Files of modelwarden, as pyproject.toml puts them together."""
    tool = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders, data = tool["package-dir"], tool["package-data"]
    for package in tool["packages"]:
        if package.startswith(archive.absent):
            continue
        folder = root / _folder(package, folders)
        patterns = ("*.py", *data["*"], *data.get(package, ()))
        for path in {path for pattern in patterns for path in folder.glob(pattern)}:
            yield f"{package.replace('.', '/')}/{path.name}", path.read_bytes()


def _folder(package: str, folders: Mapping[str, str]) -> str:
    """Where a package lies: by its own name, or below the nearest one above it."""
    if package in folders:
        return folders[package]
    above, _, name = package.rpartition(".")
    return f"{_folder(above, folders)}/{name}"


def compiled(files: Mapping[str, bytes], python: str) -> Iterator[tuple[str, bytes]]:
    """Bytecode of every source, which is never compared with it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, data in files.items():
            if path.endswith(".py") and not _UNCOMPILED.match(path):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(data)
        quietly = ["-q", "--invalidation-mode", "unchecked-hash", "-s", name, "-p", "/var/task", name]
        # Sets among constants are written in the order of their hashes.
        environment = {"PYTHONHASHSEED": "0"}
        subprocess.run([python, "-S", "-m", "compileall", *quietly], check=True, env=environment)
        yield from ((str(path.relative_to(folder)), path.read_bytes()) for path in folder.rglob("*.pyc"))


def interpreter(python: str) -> str:
    """Where the Python of the runtime's version is; exits where there is none."""
    asked = "import sys; print(sys.executable, *sys.version_info[:2], sep='|')"
    try:
        told = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        told = ""
    path, _, version = told.partition("|")
    if version.replace("|", ".") != PYTHON:
        raise SystemExit(
            f"error: `{python}` is no Python {PYTHON}, which the code is compiled for\n  help: name one by --python"
        )
    return path


def zipped(files: Iterable[tuple[str, bytes]]) -> bytes:
    """One archive, the same bytes whatever the order."""
    found = dict(files)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(found):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(entry, found[name])
    return data.getvalue()


def download(architecture: str, folder: Path, *options: str) -> list[Path]:
    """Wheels for an architecture, by pip and as its settings say."""
    platforms = [word for one in PLATFORMS[architecture] for word in ("--platform", one)]
    target = [*platforms, "--python-version", PYTHON, "--implementation", "cp", "--only-binary", ":all:", "--no-deps"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", str(folder)]
    done = subprocess.run([*pip, *target, *options], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    return sorted(folder.glob("*.whl"))


def lock(archive: Archive) -> str:
    """The requirements of an archive: each wheel by its version, and by its hash for every architecture."""
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    versions = {_name(name): version for name, version in pins.items()}
    hashes: dict[str, set[str]] = {name: set() for name in archive.wheels}
    for architecture in PLATFORMS:
        with tempfile.TemporaryDirectory() as folder:
            for wheel in download(
                architecture, Path(folder), *(f"{name}=={versions[name]}" for name in archive.wheels)
            ):
                hashes[_name(wheel.name.split("-")[0])].add(hashlib.sha256(wheel.read_bytes()).hexdigest())
    lines = ["# Written by scripts/build_lambda.py --lock: wheels of the functions, for every architecture."]
    for name in archive.wheels:
        lines += [f"{name}=={versions[name]} \\", *(f"    --hash=sha256:{one} \\" for one in sorted(hashes[name]))]
        lines[-1] = lines[-1].removesuffix(" \\")
    return "\n".join(lines) + "\n"


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "_", text).lower()


def build(archive: Archive, architecture: str, python: str) -> Path:
    """An archive for an architecture; exits where it is too large."""
    path = interpreter(python)
    with tempfile.TemporaryDirectory() as folder:
        wheels = download(architecture, Path(folder), "--require-hashes", "--requirement", str(archive.requirements))
        found = dict(ours(archive))
        for wheel in wheels:
            found |= dict(kept(archive, of_wheel(wheel)))
    found |= dict(compiled(found, path))
    data, unpacked = zipped(found.items()), sum(map(len, found.values()))
    for size, most in ((len(data), archive.most_bytes), (unpacked, archive.most_unpacked)):
        if size > most:
            raise SystemExit(f"error: {archive.name}: {size} bytes are more than {most}: see what came in")
    target = ROOT / f"dist/{archive.name}-{architecture}.zip"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(data)
    sizes = f"{len(data) / 1e6:.1f} MB, {unpacked / 1e6:.0f} MB unpacked"
    print(f"{target.relative_to(ROOT)}: {sizes}, sha256 {hashlib.sha256(data).hexdigest()}")
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--architecture", choices=[*PLATFORMS], default="arm64")
    parser.add_argument("--python", default=f"python{PYTHON}", help="which compiles the code (default: %(default)s)")
    parser.add_argument("--lock", action="store_true", help="write the requirements, and build nothing")
    arguments: Any = parser.parse_args()
    for archive in ARCHIVES:
        if arguments.lock:
            archive.requirements.write_text(lock(archive))
        else:
            build(archive, arguments.architecture, arguments.python)


if __name__ == "__main__":
    main()
