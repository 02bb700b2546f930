"""Policy packs: one digest for every form, and archives that a careful person would not unpack."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from modelwarden.settings import read_sources
from modelwarden.settings.pack import MAX_FILES, digest_pack, read_pack
from modelwarden.toml import SettingsError

FILES = {
    "modelwarden.toml": b"profile = 'strict'\nbundle = ['policies']\n",
    "policies/a.cedar": b"// a",
    "waivers/w.toml": b"# none",
}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def folder(files: dict[str, bytes], name: str = "pack") -> str:
    for path, data in files.items():
        Path(name, path).parent.mkdir(parents=True, exist_ok=True)
        Path(name, path).write_bytes(data)
    return name


def tar(members: list[tuple[str, bytes | tarfile.TarInfo]]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name, data in members:
            if isinstance(data, tarfile.TarInfo):
                archive.addfile(data)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return whole.getvalue()


def zipped(members: list[tuple[str, bytes]]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return whole.getvalue()


def refused(data: bytes) -> str:
    Path("pack.bin").write_bytes(data)
    with pytest.raises(SettingsError) as caught:
        read_pack("pack.bin", None)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_form_of_one_pack_has_one_digest() -> None:
    forms = {
        "tar": tar(list(FILES.items())),
        "zip": zipped(list(FILES.items())),
        "one folder in a tar": tar([(f"house-1.0/{name}", data) for name, data in reversed(FILES.items())]),
        "one folder in a zip": zipped([(f"house-1.0/{name}", data) for name, data in FILES.items()]),
    }
    expected = digest_pack(read_pack(folder(FILES), None))
    assert expected.startswith("sha256:")
    for name, data in forms.items():
        Path("pack.bin").write_bytes(data)
        assert digest_pack(read_pack("pack.bin", None)) == expected, name
    assert (
        digest_pack(
            read_pack("s3://bucket/pack.zip", lambda uri: forms["zip"] if uri == "s3://bucket/pack.zip" else b"")
        )
        == expected
    )


def test_each_byte_and_each_name_counts() -> None:
    expected = digest_pack(FILES)
    assert digest_pack({**FILES, "policies/a.cedar": b"// b"}) != expected
    assert (
        digest_pack(
            {("policies/b.cedar" if name == "policies/a.cedar" else name): data for name, data in FILES.items()}
        )
        != expected
    )
    assert digest_pack({**FILES, "rules/x.py": b""}) != expected


def test_names_with_a_dot_and_caches_are_neither_hashed_nor_used() -> None:
    expected = digest_pack(read_pack(folder(FILES), None))
    folder({".git/config": b"x", "rules/__pycache__/a.pyc": b"x", "waivers/.hidden.toml": b"["})
    files = read_pack("pack", None)
    assert digest_pack(files) == expected
    assert sorted(files) == sorted(FILES)


def _link(kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo("policies/link.cedar")
    info.type = kind
    info.linkname = target
    return info


def _damaged(data: bytes) -> bytes:
    """One bit of the first member's content is wrong; its checksum tells."""
    at = 30 + len("modelwarden.toml") + 8
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


SETTINGS = ("modelwarden.toml", b"")
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "tar climbs": (lambda: tar([SETTINGS, ("../evil", b"x")]), "`../evil` is no path inside the pack"),
    "tar is absolute": (lambda: tar([SETTINGS, ("/etc/evil", b"x")]), "`/etc/evil` is no path inside the pack"),
    "tar climbs in the middle": (
        lambda: tar([SETTINGS, ("a/../../evil", b"x")]),
        "`a/../../evil` is no path inside the pack",
    ),
    "tar holds a symbolic link": (
        lambda: tar([SETTINGS, ("", _link(tarfile.SYMTYPE, "/etc/passwd"))]),
        "`policies/link.cedar` is a link or device",
    ),
    "tar holds a hard link": (
        lambda: tar([SETTINGS, ("", _link(tarfile.LNKTYPE, "modelwarden.toml"))]),
        "`policies/link.cedar` is a link or device",
    ),
    "tar holds a device": (
        lambda: tar([SETTINGS, ("", _link(tarfile.CHRTYPE, ""))]),
        "`policies/link.cedar` is a link or device",
    ),
    "tar holds a pipe": (
        lambda: tar([SETTINGS, ("", _link(tarfile.FIFOTYPE, ""))]),
        "`policies/link.cedar` is a link or device",
    ),
    "tar holds a name twice": (lambda: tar([SETTINGS, SETTINGS]), "`modelwarden.toml` occurs twice"),
    "names that differ in case": (
        lambda: zipped([SETTINGS, ("a.cedar", b""), ("A.cedar", b"")]),
        "`A.cedar` occurs twice",
    ),
    "names that differ in dots": (
        lambda: tar([SETTINGS, ("a.cedar", b""), ("./a.cedar", b"")]),
        "`a.cedar` occurs twice",
    ),
    "tar has a large member": (
        lambda: tar([SETTINGS, ("big", b"0" * 4_000_001)]),
        "`big` is larger than 4000000 bytes",
    ),
    "tar is a bomb": (lambda: gzip.compress(b"\0" * 129_000_000, 9), "unpacks to more than 128000000 bytes"),
    "too many files": (
        lambda: tar([(f"f{n}", b"") for n in range(MAX_FILES + 1)]),
        f"holds more than {MAX_FILES} files",
    ),
    "tar is cut": (lambda: tar(list(FILES.items()))[:-60], "is a broken archive"),
    "zip climbs": (lambda: zipped([SETTINGS, ("../evil", b"x")]), "`../evil` is no path inside the pack"),
    "zip has back slashes": (lambda: zipped([SETTINGS, ("..\\evil", b"x")]), "is no path inside the pack"),
    "zip has a large member": (
        lambda: zipped([SETTINGS, ("big", b"0" * 4_000_001)]),
        "`big` is larger than 4000000 bytes",
    ),
    "zip is cut": (lambda: zipped(list(FILES.items()))[:-30], "is a broken archive"),
    "zip is damaged": (lambda: _damaged(zipped(list(FILES.items()))), "is a broken archive"),
    "no archive": (lambda: b"profile = 'strict'", "is no policy pack"),
    "no settings": (lambda: zipped([("policies/a.cedar", b"")]), "holds no modelwarden.toml"),
    "control characters": (lambda: tar([SETTINGS, ("a\x1b[31m", b"")]), "`a\\x1b[31m` is no path inside the pack"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(name: str) -> None:
    make, says = HOSTILE[name]
    assert says in refused(make())


def test_a_zip_that_lies_about_sizes_stops_at_the_limit() -> None:
    data = bytearray(zipped([SETTINGS, ("big", b"0" * 5_000_000)]))
    true, claimed = (5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    assert data.count(true) == 2
    message = refused(bytes(data.replace(true, claimed)))
    assert "broken archive" in message or "larger than" in message


def test_a_zip_may_hold_no_links() -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(*SETTINGS)
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    assert refused(whole.getvalue()) == "pack.bin: `link` is a link or device"


def test_links_stay_inside_a_folder() -> None:
    folder(FILES)
    Path("secret.toml").write_text("x", encoding="utf-8")
    Path("pack/inside.cedar").symlink_to("policies/a.cedar")
    assert read_pack("pack", None)["inside.cedar"] == b"// a"
    Path("pack/outside.toml").symlink_to("../secret.toml")
    with pytest.raises(SettingsError, match=r"`outside\.toml` is a link out of the pack"):
        read_pack("pack", None)
    Path("pack/outside.toml").unlink()
    Path("pack/rules").symlink_to("policies")
    with pytest.raises(SettingsError, match="`rules` is a link to a folder"):
        read_pack("pack", None)


def test_a_pipe_in_a_folder_is_refused_and_not_waited_for() -> None:
    folder(FILES)
    os.mkfifo("pack/policies/pipe.cedar")
    with pytest.raises(SettingsError, match=r"`policies/pipe\.cedar` is no regular file"):
        read_pack("pack", None)


def test_a_waiver_file_that_cannot_be_read_stops_everything() -> None:
    for data, says in {
        b"[[waiver": "waivers/w.toml: ",
        b"# none": "holds no waiver",
        b"\xff": "not UTF-8",
        b"[other]\na=1": "unknown setting `other`",
    }.items():
        folder({**FILES, "waivers/w.toml": data})
        digest = digest_pack(read_pack("pack", None))
        with pytest.raises(SettingsError) as caught:
            read_sources(organization="pack", organization_digest=digest, environment={}, flags={})
        assert str(caught.value).startswith("pack/waivers/w.toml: ")
        assert says in str(caught.value)


def test_a_pack_in_s3_is_fetched_and_a_missing_one_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a real HTTP server that speaks S3."""
    import boto3
    from moto.server import ThreadedMotoServer

    from modelwarden.collect.pack import fetch_pack

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in {
            "ENDPOINT_URL": f"http://{host}:{port}",
            "ACCESS_KEY_ID": "synthetic",
            "SECRET_ACCESS_KEY": "synthetic",
            "DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="house")
        client.put_object(Bucket="house", Key="packs/1.zip", Body=zipped(list(FILES.items())))
        assert digest_pack(read_pack("s3://house/packs/1.zip", fetch_pack)) == digest_pack(FILES)
        with pytest.raises(SettingsError) as caught:
            read_pack("s3://house/packs/2.zip", fetch_pack)
        assert str(caught.value) == "s3://house/packs/2.zip: cannot be read: s3:GetObject answered NoSuchKey"
        with pytest.raises(SettingsError, match="s3://house: names no object"):
            read_pack("s3://house", fetch_pack)
    finally:
        server.stop()
