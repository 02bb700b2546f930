"""Keys: what is written, and what is taken."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from modelwarden.attest.key import KeyProblem, new_pair, read_private, read_public

NOBODY = serialization.NoEncryption()


def no_passphrase() -> bytes:
    raise AssertionError("nobody may be asked")


def test_a_pair_signs_and_verifies(tmp_path: Path) -> None:
    public = new_pair(tmp_path / "k", None)
    private = read_private(tmp_path / "k", no_passphrase)
    signature = private.sign(b"message")
    assert read_public(tmp_path / "k.pub") == private.public_key == public
    assert public.verifies(signature, b"message")
    assert not public.verifies(signature, b"massage")
    assert public.id == "sha256:" + hashlib.sha256(public.spki).hexdigest()
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {
        "k": "0o600",
        "k.pub": "0o644",
    }


def test_nobody_makes_a_second_signature_of_one(tmp_path: Path) -> None:
    new_pair(tmp_path / "k", None)
    private = read_private(tmp_path / "k", no_passphrase)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for number in range(20):
        message = b"%d" % number
        signature = private.sign(message)
        r, s = decode_dss_signature(signature)
        assert s <= order // 2
        second = encode_dss_signature(r, order - s)
        private.private.public_key().verify(second, message, ec.ECDSA(hashes.SHA256()))  # the standard knows both
        assert private.public_key.verifies(signature, message)
        assert not private.public_key.verifies(second, message)
    for none in (b"", b"x" * 70, encode_dss_signature(0, 0), encode_dss_signature(1, order + 7)):
        assert not private.public_key.verifies(none, b"message")


def test_a_passphrase_opens_what_it_closed(tmp_path: Path) -> None:
    public = new_pair(tmp_path / "k", b"correct horse")
    assert b"ENCRYPTED" in (tmp_path / "k").read_bytes()
    assert read_private(tmp_path / "k", lambda: b"correct horse").public_key == public
    with pytest.raises(KeyProblem, match="k: the passphrase does not open it"):
        read_private(tmp_path / "k", lambda: b"battery staple")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_private_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    new_pair(tmp_path / "k", None)
    (tmp_path / "k").chmod(mode)
    with pytest.raises(KeyProblem, match=f"others may read or write it: its mode is 0{mode:o}") as error:
        read_private(tmp_path / "k", no_passphrase)
    assert error.value.help.startswith("chmod 600 ")


@pytest.mark.parametrize("there", ["k", "k.pub"])
def test_nothing_is_written_over(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(KeyProblem, match="no pair of keys can be written: File exists"):
        new_pair(tmp_path / "k", None)
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_other_kinds_of_keys_are_refused(tmp_path: Path) -> None:
    pem, spki = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    for name, private in (
        ("rsa", rsa.generate_private_key(65537, 2048)),
        ("p384", ec.generate_private_key(ec.SECP384R1())),
    ):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, NOBODY))
        (tmp_path / f"{name}.pub").write_bytes(private.public_key().public_bytes(pem, spki))
        with pytest.raises(KeyProblem, match=f"{name}: not a key on the curve P-256"):
            read_private(tmp_path / name, no_passphrase)
        with pytest.raises(KeyProblem, match=f"{name}.pub: not a key on the curve P-256"):
            read_public(tmp_path / f"{name}.pub")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a public key in PEM"),
        (b"\xff" * 99, "not a public key in PEM"),
        (b"x" * 30_000, "larger than 20000 bytes"),
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "k").write_bytes(data)
    with pytest.raises(KeyProblem, match=f"k: {said}"):
        read_public(tmp_path / "k")


def test_a_private_key_does_not_verify(tmp_path: Path) -> None:
    new_pair(tmp_path / "k", None)
    with pytest.raises(KeyProblem, match="k: is a private key") as error:
        read_public(tmp_path / "k")
    assert error.value.help == f"verifying takes the public one: {tmp_path / 'k.pub'}"
