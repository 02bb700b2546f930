"""Container images: what a URI says, and what manifests and configurations say. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from modelwarden.collect.report import plain
from modelwarden.collect.text import text_fact, whole
from modelwarden.evidence import Absent, Fact, Present, Source, Unknown

_ECR: Final = re.compile(
    r"(?P<registry>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)"
)
_STATED: Final = ("uri", "source", "registry", "registry_region", "repository", "tag", "pinned_digest", "reference")
_ECR_FACTS: Final = (
    "resolved_digest",
    "tag_mutability",
    "tag_mutability_exclusions",
    "tag_immutable",
    "pushed_at",
    "manifest_count",
)
MANIFEST_FACTS: Final = ("platform", "digest", "layers", "diff_ids")


class ImageUri(Struct, frozen=True):
    """`[HOST/]REPOSITORY[:TAG][@DIGEST]` in parts."""

    text: str
    host: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def source(self) -> str:
        return f"{self.host}/{self.repository}"

    @property
    def ecr(self) -> tuple[str, str] | None:
        """(registry, region) of a private ECR registry."""
        found = _ECR.fullmatch(self.host)
        return (found["registry"], found["region"]) if found else None


class Manifest(Struct, frozen=True):
    """A manifest, or an index of them, that has the digest which its registry names."""

    digest: str
    document: Mapping[str, Any]
    source: Source

    @property
    def children(self) -> list[Mapping[str, Any]] | None:
        """Manifests of an index; None for a single one. Attestations, which run nowhere, are left out."""
        listed = self.document.get("manifests")
        if not isinstance(listed, list):
            return None
        found = [child if isinstance(child, dict) else {} for child in listed]
        return [child for child in found if platform_of(child) != "unknown/unknown"]

    @property
    def config(self) -> str | None:
        """Digest of the image's configuration."""
        config = self.document.get("config")
        digest = config.get("digest") if isinstance(config, dict) else None
        return digest if isinstance(digest, str) else None


def parse_image(text: str) -> ImageUri:
    """The parts as a container runtime reads them; Docker Hub's short names are spelled out. Never raises."""
    name, _, digest = text.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    path = f"{head}{slash}{last}"
    host, separator, repository = path.partition("/")
    if not separator or not ("." in host or ":" in host or host == "localhost"):
        host, repository = "docker.io", path if separator else f"library/{path}"
    return ImageUri(text, host.lower(), repository, tag or None, digest or None)


def uri_facts(pointer: str, container: Mapping[str, Any], source: Source) -> dict[str, Fact]:
    """Facts that the package itself states; `Image` may be missing."""
    text = container.get("Image")
    if not text:
        return {f"{pointer}/{name}": Absent(source) for name in _STATED}
    image = parse_image(whole(text))
    registry, region = image.ecr or (None, None)
    stated = whole(container.get("ImageDigest") or "") or image.digest
    reference = "tag and digest" if image.tag and stated else "tag" if image.tag else "digest" if stated else "none"
    values = (image.text, image.source, registry, region, image.repository, image.tag, stated, reference)
    return {f"{pointer}/{name}": text_fact(value, source) for name, value in zip(_STATED, values, strict=True)}


def no_image(pointer: str, fact: Fact) -> dict[str, Fact]:
    """What ECR would have said."""
    return {f"{pointer}/{name}": fact for name in _ECR_FACTS}


def repository_facts(pointer: str, found: Mapping[str, Any], tag: str | None, source: Source) -> dict[str, Fact]:
    """Whether tags can be moved, from one entry of ecr:DescribeRepositories."""
    mutability = found.get("imageTagMutability")
    filters = [one["filter"] for one in found.get("imageTagMutabilityExclusionFilters", []) if "filter" in one]
    return {
        f"{pointer}/tag_mutability": text_fact(mutability, source),
        f"{pointer}/tag_mutability_exclusions": Present(tuple(sorted({whole(one) for one in filters})), source),
        f"{pointer}/tag_immutable": _immutable(mutability, filters, tag, source),
    }


def _immutable(mutability: Any, filters: Iterable[str], tag: str | None, source: Source) -> Fact:
    """Whether the tag can be moved: an exclusion filter turns the repository's rule round for the tags it matches."""
    if tag is None:
        return Absent(source)
    excluded = any(re.fullmatch(".*".join(map(re.escape, one.split("*"))), tag) for one in filters)
    match mutability:
        case "IMMUTABLE":
            return Present(value=True, source=source)
        case "MUTABLE":
            return Present(value=False, source=source)
        case "IMMUTABLE_WITH_EXCLUSION":
            return Present(not excluded, source)
        case "MUTABLE_WITH_EXCLUSION":
            return Present(excluded, source)
    return Unknown("malformed", source, "ECR names a tag mutability that is not known")


def read_manifest(found: Mapping[str, Any], asked: str | None, source: Source) -> Manifest | Unknown:
    """One image of ecr:BatchGetImage; `asked`: the digest that it was asked by."""
    text = found.get("imageManifest", "")
    digest = "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return Unknown("malformed", source, "the manifest is not JSON")
    if not isinstance(document, dict):
        return Unknown("malformed", source, "the manifest is no object")
    if {digest} != {found.get("imageId", {}).get("imageDigest"), asked or digest}:
        return Unknown("malformed", source, "the manifest does not have the digest that ECR names")
    return Manifest(digest, document, source)


def manifest_facts(pointer: str, manifest: Manifest, platform: str | None) -> dict[str, Fact]:
    """Facts of a single manifest but for its `diff_ids`, which stand in its configuration."""
    source, layers = manifest.source, manifest.document.get("layers")
    listed = layers if isinstance(layers, list) else [None]
    digests = [layer.get("digest") if isinstance(layer, dict) else None for layer in listed]
    read = all(isinstance(one, str) for one in digests)
    known: Fact = Present(tuple(whole(str(one)) for one in digests), source)
    return {
        f"{pointer}/platform": Present(platform, source) if platform else Absent(source),
        f"{pointer}/digest": Present(manifest.digest, source),
        f"{pointer}/layers": known if read else Unknown("malformed", source, "no list of layers"),
    }


def read_diff_ids(body: bytes, digest: str, source: Source) -> Fact:
    """The diff_ids in an image configuration, which must have the digest that the manifest names."""
    if "sha256:" + hashlib.sha256(body).hexdigest() != digest:
        return Unknown("malformed", source, "the configuration does not have the digest that the manifest names")
    try:
        found = json.loads(body)["rootfs"]["diff_ids"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Unknown("malformed", source, "the configuration names no diff_ids")
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        return Unknown("malformed", source, "the diff_ids are no list of texts")
    return Present(tuple(map(whole, found)), source)


def platform_of(child: Mapping[str, Any]) -> str | None:
    """`linux/amd64` of an entry of an index."""
    platform = child.get("platform")
    if not isinstance(platform, Mapping):
        return None
    parts = [str(platform[name]) for name in ("os", "architecture", "variant") if platform.get(name)]
    return plain("/".join(parts)) or None
