"""Build a pack: the records as they are, the pages over them, and the manifest of it all. No clock: the same runs give the same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from modelwarden import __version__, builtin
from modelwarden.audit.framework import framework
from modelwarden.audit.pack import pages
from modelwarden.audit.pack.archive import (
    MANIFEST,
    SCHEMA_VERSION,
    Contents,
    PackError,
    PackManifest,
    encode,
    is_safe,
    sha256,
    zipped,
)
from modelwarden.audit.pack.outline import outline
from modelwarden.audit.pack.redaction import Redacted, Redaction
from modelwarden.audit.pack.story import Inclusion, story
from modelwarden.audit.pack.subject import Dossier, Judgement, Scanned, Subject
from modelwarden.entries import entries
from modelwarden.run import decision_to_json
from modelwarden.scan.record import ScanError

_SCHEMAS: Final = "reports.schemas"
_SCHEMA_ENDING: Final = ".schema.json"
_SLUG: Final = re.compile(r"[^A-Za-z0-9-]+")
_RECORDING: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,150}\.json")
_MAX_RECORDING: Final = 64_000_000


class Built(Struct, frozen=True):
    """A pack, ready to be written."""

    data: bytes
    digest: str
    """Of its manifest."""
    files: int
    packages: int
    complete: bool
    """Whether everything that was expected was read, by the runs and of them."""
    redactions: tuple[Redacted, ...]
    skipped: tuple[str, ...]
    """Runs that could not be read, and why."""


def build(dossier: Dossier, purpose: str, patterns: Iterable[str] = (), raw: Path | None = None) -> Built:
    """`raw`: a folder of recorded responses.

    Raises:
        RedactionError: a pattern that is none.
        PackError, ScanError: something cannot be read, or it is more than a pack may hold.
    """
    return _Build(dossier, purpose, Redaction(patterns), _recorded(raw)).built()


class _Build:
    def __init__(self, dossier: Dossier, purpose: str, redaction: Redaction, raw: Mapping[str, bytes]) -> None:
        self._dossier = dossier
        self._purpose = purpose
        self._redaction = redaction
        self._raw = raw
        self._contents = Contents()
        self._without_bundle: list[str] = []
        self._learn()

    def built(self) -> Built:
        dossier = self._dossier
        for gate in dossier.gates:
            self._gate(gate.run.id, gate.data, gate.run.to_json())
        if dossier.scan is not None:
            self._scan(dossier.scan)
        folders = {one.package: self._subject(one, at) for at, one in enumerate(dossier.subjects, start=1)}
        included = self._responses()
        for name in builtin.names(_SCHEMAS):
            if name.endswith(_SCHEMA_ENDING):
                self._contents.add(f"schemas/{name}", builtin.read(_SCHEMAS, name))
        complete = self._pages(folders, included)
        manifest = encode(self._manifest(folders))
        files = {**self._contents.files, MANIFEST: manifest}
        return Built(
            data=zipped(files),
            digest=sha256(manifest),
            files=len(files),
            packages=len(folders),
            complete=complete,
            redactions=self._redaction.told(),
            skipped=dossier.skipped,
        )

    def _learn(self) -> None:
        """INVARIANT: before the first file is made, all that is to be taken out of any is known."""
        if not self._redaction.active:
            return
        for subject in self._dossier.subjects:
            kept = [one.evidence for one in subject.judgements] + [subject.record.evidence if subject.record else None]
            for evidence in filter(None, kept):
                self._redaction.learn(subject.package, evidence.facts)
            for judged in subject.judgements:
                for ruling in judged.decision.rulings:
                    seen = {one.pointer: one.fact for one in ruling.finding.observed}
                    self._redaction.learn(subject.package, seen)
        for data in self._raw.values():
            self._redaction.learn_raw(msgspec.json.decode(data))

    def _gate(self, id_: str, data: bytes, document: dict[str, Any]) -> None:
        folder = self._run_folder(id_)
        self._add(f"{folder}/run.json", data)
        self._document(f"{folder}/ledger.json", document["ledger"])
        self._rules(folder, id_, document["bundle"], document["settings"])

    def _scan(self, scan: Scanned) -> None:
        folder, plan = self._run_folder(scan.folder.id), scan.folder.plan()
        for name in ("plan.json", "manifest.json", "cells.jsonl"):
            self._add(f"{folder}/{name}", _bytes(scan.folder.path / name))
        wanted = {one.record.reference for one in self._dossier.subjects if one.record and one.record.reference}
        for reference in sorted(wanted):
            name = f"{reference.removeprefix('sha256:')}.json"
            self._add(f"{folder}/references/{name}", _bytes(scan.folder.path / "references" / name))
        self._rules(folder, scan.folder.id, plan["bundle"], plan["settings"])

    def _rules(self, folder: str, id_: str, bundle: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        """Controls, settings and waivers of a run, each in a file of its own."""
        files = bundle.get("files", [])
        if not files:
            self._without_bundle.append(id_)
        listed = []
        for one in files:
            # Controls are the organization's own texts and hold nothing of a package: they stay as their digests name them.
            name = self._contents.add(f"{folder}/bundle/{one['path']}", one["text"].encode())
            listed.append({"path": one["path"], "sha256": one["sha256"], "file": name})
        self._document(f"{folder}/bundle.json", {"digest": bundle.get("digest", ""), "files": listed})
        self._document(f"{folder}/settings.json", settings)
        waivers = [one for layer in settings.get("layers", []) for one in layer.get("waivers", [])]
        self._document(f"{folder}/waivers.json", {"digest": settings.get("waivers_digest", ""), "waivers": waivers})

    def _subject(self, subject: Subject, number: int) -> str:
        name = subject.package.rpartition("model-package/")[2]
        slug = _SLUG.sub("-", self._redaction.text(name))[:60].strip("-")
        folder = f"packages/{number:04}{f'-{slug}' if slug else ''}"
        for one in subject.judgements:
            self._judgement(f"{folder}/{_plain(one.run)}", one)
        if subject.record is not None:
            plain = {
                name: value for name, value in subject.record.to_json().items() if name not in ("decision", "evidence")
            }
            self._document(f"{folder}/record.json", plain)
            if subject.record.decision is None and subject.record.evidence is not None:
                self._document(f"{folder}/evidence.json", subject.record.evidence.to_json())
        self._document(f"{folder}/history.json", [asdict(one) for one in subject.past])
        return folder

    def _judgement(self, folder: str, judged: Judgement) -> None:
        self._document(f"{folder}/decision.json", {"run": judged.run, **decision_to_json(judged.decision)})
        if judged.evidence is not None:
            self._document(f"{folder}/evidence.json", judged.evidence.to_json())

    def _responses(self) -> Inclusion:
        kept = [one.evidence for subject in self._dossier.subjects for one in subject.judgements if one.evidence]
        sources = {fact.source for evidence in kept for fact in evidence.facts.values() if fact.source}
        calls = {(one.api, one.request_id) for one in sources if one.request_id}
        answered = set()
        for name, data in self._raw.items():
            document = msgspec.json.decode(data)
            answered.add((document["source"]["api"], document["source"]["request_id"]))
            shown = encode(self._redaction.raw(document)) if self._redaction.active else data
            self._contents.add(f"raw/{name}", shown)
        return Inclusion(len(self._raw), len(calls & answered), len(calls), tuple(self._without_bundle))

    def _pages(self, folders: dict[str, str], included: Inclusion) -> bool:
        shown = replace(self._dossier, subjects=tuple(map(self._shown, self._dossier.subjects)))
        outlined = outline(self._purpose)
        told = story(
            shown, outlined, [framework(one) for one in outlined.frameworks], folders, included, self._redaction
        )
        view = self._redaction.document(msgspec.to_builtins(told))
        self._contents.add("index.html", pages.html(view).encode())
        self._contents.add("index.md", pages.markdown(view).encode())
        return told.complete

    def _shown(self, subject: Subject) -> Subject:
        if not self._redaction.active:
            return subject
        hide = self._redaction
        judgements = tuple(
            replace(one, decision=hide.decision(one.decision), evidence=one.evidence and hide.evidence(one.evidence))
            for one in subject.judgements
        )
        record = subject.record
        if record is not None and record.evidence is not None:
            record = replace(record, evidence=hide.evidence(record.evidence))
        return replace(subject, judgements=judgements, record=record)

    def _manifest(self, folders: dict[str, str]) -> PackManifest:
        dossier = self._dossier
        scans = [dossier.scan.folder.id] if dossier.scan is not None else []
        return PackManifest(
            schema=SCHEMA_VERSION,
            purpose=self._purpose,
            engine=__version__,
            runs=tuple(sorted([*(one.run.id for one in dossier.gates), *scans])),
            packages={folder: self._redaction.text(package) for package, folder in folders.items()},
            redactions=self._redaction.told(),
            files=self._contents.entries(),
        )

    def _add(self, name: str, data: bytes) -> None:
        """A file of a run: as it is, unless something may have to be taken out."""
        if not self._redaction.active:
            self._contents.add(name, data)
        elif name.endswith(".jsonl"):
            lines = [self._redaction.document(msgspec.json.decode(line)) for line in data.splitlines()]
            self._contents.add(name, b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        else:
            self._document(name, msgspec.json.decode(data))

    def _document(self, name: str, document: Any) -> None:
        self._contents.add(name, encode(self._redaction.document(document)))

    def _run_folder(self, id_: str) -> str:
        return f"runs/{_plain(id_)}"


def _plain(id_: str) -> str:
    """An id as the name of a folder. One that is none of ours may hold anything."""
    return id_ if is_safe(id_) and "/" not in id_ else f"run-{sha256(id_.encode('utf-8', 'surrogatepass'))[7:39]}"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ScanError(f"{path}: cannot be read: {error.strerror}") from error


def _recorded(folder: Path | None) -> dict[str, bytes]:
    """Name -> bytes of each response in a folder that `--record` wrote.

    Raises:
        PackError: none are there, or something that is no recorded response.
        Unlisted: the folder cannot be read.
    """
    if folder is None:
        return {}
    found = {}
    for path in entries(folder):
        if path.is_symlink() or not path.is_file() or not _RECORDING.fullmatch(path.name):
            raise PackError(f"{path}: is no recorded response", "name a folder that `--record` wrote")
        try:
            if path.stat().st_size > _MAX_RECORDING:
                raise ValueError("it is too large")
            data = path.read_bytes()
            source = json.loads(data)["source"]
            if not isinstance(source["api"], str) or not isinstance(source["request_id"], str | None):
                raise ValueError("it names no call")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise PackError(
                f"{path}: is no recorded response: {error}", "name a folder that `--record` wrote"
            ) from error
        found[path.name] = data
    if not found:
        raise PackError(f"{folder}: holds no recorded response", "name a folder that `--record` wrote")
    return found
