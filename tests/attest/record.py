"""Write what one release signs and logs for `tests/compat`: `python -m tests.attest.record tests/compat/v0.1.0`.

From the release's records there, as `tests.replay.record` wrote them, which calls this, too. Written once, with the release:
it shows that what it signed is still verified. The private key is not kept.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from modelwarden.attest import entry, log
from modelwarden.attest.attestation import attest
from modelwarden.attest.audit import audit
from modelwarden.attest.entering import word_of
from modelwarden.attest.entry import Word
from modelwarden.attest.key import LocalKey, new_pair, read_private
from modelwarden.attest.receipt import receipt_of
from modelwarden.attest.shelf import Folder
from modelwarden.run import read
from modelwarden.scan.folder import Folder as Scan
from modelwarden.scan.word import word_of as word_of_scan
from tests.attest.conftest import NOW

AT = NOW
"""When all of it was entered and signed."""


def main(into: Path) -> None:
    """An attestation of each run of the gate, a log of them and of the scan, and the receipt of the first."""
    folder = into / "signed"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "log").mkdir(parents=True)
    with TemporaryDirectory() as secret:
        new_pair(Path(secret) / "key", None)
        key = read_private(Path(secret) / "key", bytes)
    (folder / "key.pub").write_bytes(key.public_key.pem())
    shelf = Folder(folder / "log")
    for path in sorted((into / "gate").glob("*.json")):
        run, data = read(path), path.read_bytes()
        # As by its ARN, as of now and under a pinned organization layer: nothing else is signed.
        proven = replace(run, decision=replace(run.decision, advisory=False, asserted=()))
        attestation = attest(proven, hashlib.sha256(data).hexdigest(), key)
        (folder / f"{run.id}.intoto.jsonl").write_bytes(attestation)
        _enter(shelf, word_of(run, data, attestation), key)
    _enter(shelf, word_of_scan(Scan(into / "scan")), key)
    (folder / "receipt.json").write_bytes(receipt_of(audit(shelf, key.public_key), 1))


def _enter(shelf: Folder, word: Word, key: LocalKey) -> None:
    number = log.append(shelf, entry.signed(replace(word, entered_at=AT), key))
    log.sign(shelf, key, lambda: AT, entered=(number,))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
