"""Container images of the demo: layers are real tar archives, so that digests and diff ids are true hashes of bytes.

A child image's layers start with all layers of its base, as a build on top of it leaves them. The archives themselves
are not kept: nothing in modelwarden downloads a layer.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
import zlib
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def compact(document: Json) -> bytes:
    """The bytes that a registry hashes: compact JSON, keys in the order given."""
    return json.dumps(document, separators=(",", ":")).encode()


def manifest_digest(document: Json) -> str:
    """`sha256:` over the exact bytes of a manifest or index."""
    return _digest(compact(document))


def _gzip_stored(data: bytes, name: bytes = b"") -> bytes:
    """A gzip member in stored blocks: the same bytes under every version of zlib. A `name` changes the bytes alone."""
    header = (
        b"\x1f\x8b\x08" + (b"\x08" if name else b"\x00") + bytes(4) + b"\x00\xff" + (name + b"\x00" if name else b"")
    )
    blocks = b""
    for start in range(0, len(data), 0xFFFF):
        part = data[start : start + 0xFFFF]
        last = start + 0xFFFF >= len(data)
        blocks += struct.pack("<BHH", last, len(part), len(part) ^ 0xFFFF) + part
    return header + blocks + struct.pack("<II", zlib.crc32(data), len(data))


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: the compressed archive's digest and size, and the digest of the archive inside."""

    digest: str
    diff_id: str
    size: int


def layer(name: str, *, recompressed: bool = False) -> Layer:
    """The layer that adds one file `name`; `recompressed` keeps the content (diff id) and changes the digest."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        text = f"synthetic layer: {name}\n".encode()
        entry = tarfile.TarInfo(f"opt/demo/{name}")
        entry.size, entry.mode, entry.mtime = len(text), 0o644, 0
        tar.addfile(entry, io.BytesIO(text))
    packed = _gzip_stored(archive.getvalue(), b"again" if recompressed else b"")
    return Layer(_digest(packed), _digest(archive.getvalue()), len(packed))


@dataclass(frozen=True, slots=True)
class Image:
    """One image for one platform."""

    layers: tuple[Layer, ...]
    architecture: str = "amd64"

    def config(self) -> Json:
        """The configuration blob; its bytes are what the manifest names."""
        diffs = [part.diff_id for part in self.layers]
        return {"architecture": self.architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": diffs}}

    def manifest(self) -> Json:
        config = compact(self.config())
        return {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "size": len(config), "digest": _digest(config)},
            "layers": [{"mediaType": _LAYER, "size": part.size, "digest": part.digest} for part in self.layers],
        }

    def digest(self) -> str:
        return manifest_digest(self.manifest())

    def on_top(self, *names: str) -> Image:
        """The image that a build FROM this one leaves."""
        return Image((*self.layers, *map(layer, names)), self.architecture)


def image(*names: str, architecture: str = "amd64") -> Image:
    """An image from scratch, one layer a name."""
    return Image(tuple(map(layer, names)), architecture)


def single(tags: list[str], pushed: str, built: Image) -> Json:
    """A scenario's image entry."""
    return {"tags": tags, "pushed": pushed, "manifest": built.manifest(), "config": built.config()}


def index(tags: list[str], pushed: str, *children: Image) -> Json:
    """A scenario's entry for an image index: one manifest for each architecture."""
    listed = [
        {
            "mediaType": _MANIFEST,
            "size": len(compact(child.manifest())),
            "digest": child.digest(),
            "platform": {"architecture": child.architecture, "os": "linux"},
        }
        for child in children
    ]
    document = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": listed}
    return {
        "tags": tags,
        "pushed": pushed,
        "index": document,
        "children": [{"manifest": child.manifest(), "config": child.config()} for child in children],
    }
