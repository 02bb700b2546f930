"""A pack is signed in a file beside it, which says who made these very bytes and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import jsonschema
import msgspec
import pytest

from modelwarden.attest import packed
from modelwarden.attest.envelope import seal
from modelwarden.attest.key import read_private
from modelwarden.attest.statement import SubjectOf
from modelwarden.audit.pack import subject
from modelwarden.audit.pack.build import build
from modelwarden.run import write
from tests.cli.conftest import clean_environment
from tests.command import Done, inside

from .test_pack import SCHEMAS, call, gate, sealed, verify


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(gate(), tmp_path_factory.mktemp("gate"))


@pytest.fixture(scope="module")
def signed(gated: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A folder with a signed pack, the key that signed it and another one; and what the command said."""
    folder = tmp_path_factory.mktemp("signed")
    for name in ("k", "other"):
        assert inside("key", "new", name, "--no-passphrase", folder=folder, environment=clean_environment()).code == 0
    return folder, call(folder, gated, "--for", "mrm", "-o", "p.zip", "--sign", "k")


def test_a_pack_is_signed_beside_it_and_verified_by_the_key(signed: tuple[Path, Done], gated: Path) -> None:
    folder, done = signed
    assert done.code == 0, done.err
    key = done.err.splitlines()[-1].removeprefix("signed in p.zip.dsse.json by ")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", key)
    pack = (folder / "p.zip").read_bytes()
    assert pack == build(subject.of_gate(gated), "mrm").data, "the archive is the same, signed or not"
    envelope = json.loads((folder / "p.zip.dsse.json").read_bytes())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    jsonschema.validate(statement, json.loads((SCHEMAS / "pack_statement.schema.json").read_text()))
    assert statement["subject"] == [{"name": "p.zip", "digest": {"sha256": hashlib.sha256(pack).hexdigest()}}]
    told = statement["predicate"]
    assert (told["manifest"], told["purpose"]) == (done.out.strip(), "mrm")
    proven = verify(folder, "p.zip", "--key", "k.pub", "--digest", done.out.strip())
    assert (proven.code, proven.err) == (0, "")
    assert proven.out.splitlines()[-1] == f"signed    p.zip.dsse.json: by {key} at {told['signedAt']}"


def test_a_signature_of_another_key_pack_or_kind_is_refused(signed: tuple[Path, Done], tmp_path: Path) -> None:
    folder, _ = signed
    pack, line = (folder / "p.zip").read_bytes(), (folder / "p.zip.dsse.json").read_bytes()
    key = read_private(folder / "k", lambda: b"")
    digest = hashlib.sha256(pack).hexdigest()

    def refused(data: bytes, signature: bytes | None, public: str = "k.pub") -> str:
        (tmp_path / "a.zip").write_bytes(data)
        file = tmp_path / "a.zip.dsse.json"
        file.unlink(missing_ok=True)
        if signature is not None:
            file.write_bytes(signature)
        found = verify(tmp_path, "a.zip", "--key", folder / public)
        assert found.code == 1
        assert "signed" not in found.out
        return found.err.splitlines()[0]

    assert "a.zip.dsse.json: signed by another key" in refused(pack, line, "other.pub")
    assert "a.zip.dsse.json: of another pack, or the pack was changed" in refused(sealed({}), line)
    assert "a.zip: refused: " in refused(pack[:-1], line)
    assert "a.zip.dsse.json: cannot be read: No such file" in refused(pack, None)
    envelope = json.loads(line)
    changed = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
    changed[-1] ^= 1
    envelope["signatures"][0]["sig"] = base64.b64encode(changed).decode()
    assert "a.zip.dsse.json: the signature does not fit" in refused(pack, msgspec.json.encode(envelope))
    assert "a.zip.dsse.json: larger than 20000 bytes" in refused(pack, b"x" * 20_001)
    about = packed.PackOf("sha256:0", "mrm", "0.1.0", "2026-11-22T02:10:00Z")
    two = packed.PackStatement(
        subject=(SubjectOf("a", {"sha256": digest}), SubjectOf("b", {"sha256": digest})), predicate=about
    )
    assert "of another pack" in refused(pack, seal(msgspec.json.encode(two), key))
    other_kind = {**json.loads(msgspec.json.encode(two)), "predicateType": "urn:modelwarden:decision:1"}
    assert "not the statement about a pack" in refused(pack, seal(json.dumps(other_kind).encode(), key))


def test_what_cannot_be_signed_is_not_written(signed: tuple[Path, Done], gated: Path, tmp_path: Path) -> None:
    folder, _ = signed
    done = call(tmp_path, gated, "--for", "mrm", "-o", "p.zip", "--sign", folder / "none")
    assert (done.code, done.out) == (2, "")
    (tmp_path / "p.zip.dsse.json").write_text("mine")
    done = call(tmp_path, gated, "--for", "mrm", "-o", "p.zip", "--sign", folder / "k")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: p.zip.dsse.json: is there already")
    assert [one.name for one in tmp_path.iterdir()] == ["p.zip.dsse.json"]
