"""Container images: what a URI says, and what ECR says of it."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from modelwarden.collect.aws import Answer, Aws, Failure
from modelwarden.collect.report import plain
from modelwarden.evidence import Absent, Fact, Present, Source, Unknown

_ECR: Final = re.compile(
    r"(?P<registry>\d{6,12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)"
)
_MANIFEST_TYPES: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
_MAX_CONFIG: Final = 8_000_000
_ECR_FACTS: Final = (
    "resolved_digest",
    "tag_mutability",
    "tag_mutability_exclusions",
    "tag_immutable",
    "pushed_at",
    "manifest_count",
)


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
    names = ("uri", "source", "registry", "registry_region", "repository", "tag", "pinned_digest", "reference")
    text = container.get("Image")
    if not isinstance(text, str) or not text:
        return {f"{pointer}/{name}": Absent(source) for name in names}
    image = parse_image(plain(text))
    registry, region = image.ecr or (None, None)
    stated = container.get("ImageDigest") or image.digest
    reference = "tag and digest" if image.tag and stated else "tag" if image.tag else "digest" if stated else "none"
    values = (image.text, image.source, registry, region, image.repository, image.tag, stated, reference)
    return {
        f"{pointer}/{name}": Present(value, source) if value else Absent(source)
        for name, value in zip(names, values, strict=True)
    }


def no_image(pointer: str, fact: Fact) -> dict[str, Fact]:
    """What ECR would have said."""
    return {f"{pointer}/{name}": fact for name in _ECR_FACTS}


class Wanted(Struct, frozen=True):
    """Which parts of an image are asked for."""

    manifest: bool
    layers: bool
    diff_ids: bool
    repository: bool
    pushed: bool


class Images:
    """ECR lookups with the credentials of one account; answers are shared by registry, repository and reference."""

    def __init__(self, aws: Aws, ask: Any) -> None:
        self._aws = aws
        self._ask = ask

    def facts(self, account: str, pointer: str, image: ImageUri, pinned: str | None, wanted: Wanted) -> dict[str, Fact]:
        """ECR's facts below the pointer, with relative names `resolved_digest`, `manifest/*/layers` and so on."""
        if image.ecr is None:
            return no_image(pointer, Unknown("not an ECR registry"))
        registry, region = image.ecr
        facts: dict[str, Fact] = {}
        if wanted.repository:
            facts |= self._repository(account, pointer, registry, region, image)
        if wanted.pushed:
            facts |= self._pushed(account, pointer, registry, region, image, pinned)
        if wanted.manifest:
            facts |= self._manifests(account, pointer, registry, region, image, pinned, wanted)
        return facts

    def _repository(self, account: str, pointer: str, registry: str, region: str, image: ImageUri) -> dict[str, Fact]:
        answer = self._call(
            account, region, "DescribeRepositories", registryId=registry, repositoryNames=[image.repository]
        )
        keys = [f"{pointer}/{name}" for name in ("tag_mutability", "tag_mutability_exclusions", "tag_immutable")]
        if isinstance(answer, Failure):
            return dict.fromkeys(keys, answer.fact())
        listed = answer.data.get("repositories") or [{}]
        found = listed[0] if isinstance(listed[0], Mapping) else {}
        mutability = found.get("imageTagMutability")
        filters = [
            f["filter"]
            for f in found.get("imageTagMutabilityExclusionFilters", [])
            if isinstance(f, Mapping) and "filter" in f
        ]
        return {
            keys[0]: Present(mutability, answer.source) if mutability else Absent(answer.source),
            keys[1]: Present(tuple(sorted(set(filters))), answer.source),
            keys[2]: _immutable(mutability, filters, image.tag, answer.source),
        }

    def _pushed(
        self, account: str, pointer: str, registry: str, region: str, image: ImageUri, pinned: str | None
    ) -> dict[str, Fact]:
        answer = self._call(
            account,
            region,
            "DescribeImages",
            registryId=registry,
            repositoryName=image.repository,
            imageIds=[_id(image, pinned)],
        )
        key = f"{pointer}/pushed_at"
        if isinstance(answer, Failure):
            return {key: answer.fact()}
        details = answer.data.get("imageDetails") or [{}]
        pushed = details[0].get("imagePushedAt")
        return {key: Present(time_text(pushed), answer.source) if pushed else Absent(answer.source)}

    def _manifests(
        self,
        account: str,
        pointer: str,
        registry: str,
        region: str,
        image: ImageUri,
        pinned: str | None,
        wanted: Wanted,
    ) -> dict[str, Fact]:
        found = self._manifest(account, registry, region, image.repository, _id(image, pinned))
        if not isinstance(found, tuple):
            return {f"{pointer}/resolved_digest": found, f"{pointer}/manifest_count": found}
        digest, document, source = found
        facts: dict[str, Fact] = {f"{pointer}/resolved_digest": Present(digest, source)}
        if not wanted.layers:
            return facts
        children = document.get("manifests")
        if not isinstance(children, list):
            facts[f"{pointer}/manifest_count"] = Present(1, source)
            return facts | self._layers(
                account, f"{pointer}/manifest/0", registry, region, image, (digest, document, source), None, wanted
            )
        # Attestations stand in an index as manifests of an unknown platform and run nowhere.
        children = [child for child in children if isinstance(child, dict) and _platform(child) != "unknown/unknown"]
        facts[f"{pointer}/manifest_count"] = Present(len(children), source)
        for index, child in enumerate(children):
            inner = self._manifest(
                account, registry, region, image.repository, {"imageDigest": str(child.get("digest"))}
            )
            head = f"{pointer}/manifest/{index}"
            if isinstance(inner, tuple):
                facts |= self._layers(account, head, registry, region, image, inner, _platform(child), wanted)
            else:
                facts |= {f"{head}/{name}": inner for name in ("platform", "digest", "layers", "diff_ids")}
        return facts

    def _manifest(
        self, account: str, registry: str, region: str, repository: str, image_id: dict[str, str]
    ) -> tuple[str, dict[str, Any], Source] | Fact:
        """(digest, manifest, source), or the state of the image."""
        answer = self._call(
            account,
            region,
            "BatchGetImage",
            registryId=registry,
            repositoryName=repository,
            imageIds=[image_id],
            acceptedMediaTypes=list(_MANIFEST_TYPES),
        )
        if isinstance(answer, Failure):
            return answer.fact()
        for image in answer.data.get("images", []):
            text = image.get("imageManifest", "")
            digest = "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
            try:
                document = json.loads(text)
            except (ValueError, RecursionError):
                return Unknown("malformed", answer.source, "the manifest is not JSON")
            if not isinstance(document, dict):
                return Unknown("malformed", answer.source, "the manifest is no object")
            if digest != image.get("imageId", {}).get("imageDigest"):
                return Unknown("malformed", answer.source, "the manifest does not have the digest that ECR names")
            return digest, document, answer.source
        failures = answer.data.get("failures", [])
        codes = {failure.get("failureCode") for failure in failures if isinstance(failure, Mapping)}
        if codes and codes <= {"ImageNotFound", "ImageTagDoesNotMatchDigest", "MissingDigestAndTag"}:
            return Absent(answer.source)
        return Unknown(
            ", ".join(sorted(map(str, codes))) or "malformed", answer.source, "ECR named no image and no failure"
        )

    def _layers(
        self,
        account: str,
        head: str,
        registry: str,
        region: str,
        image: ImageUri,
        manifest: tuple[str, dict[str, Any], Source],
        platform: str | None,
        wanted: Wanted,
    ) -> dict[str, Fact]:
        digest, document, source = manifest
        layers = document.get("layers")
        config = document.get("config")
        digests = (
            [layer.get("digest") for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else None
        )
        known = digests is not None and all(isinstance(one, str) for one in digests)
        facts: dict[str, Fact] = {
            f"{head}/platform": Present(platform, source) if platform else Absent(source),
            f"{head}/digest": Present(digest, source),
            f"{head}/layers": Present(tuple(map(str, digests or ())), source)
            if known
            else Unknown("malformed", source, "no list of layers"),
        }
        if wanted.diff_ids:
            name = config.get("digest") if isinstance(config, dict) else None
            read = (
                self._diff_ids(account, registry, region, image.repository, name)
                if isinstance(name, str)
                else Unknown("malformed", source, "no configuration")
            )
            facts[f"{head}/diff_ids"] = read
        return facts

    def _diff_ids(self, account: str, registry: str, region: str, repository: str, config: str) -> Fact:
        answer = self._call(
            account,
            region,
            "GetDownloadUrlForLayer",
            registryId=registry,
            repositoryName=repository,
            layerDigest=config,
        )
        if isinstance(answer, Failure):
            # A configuration that ECR does not serve leaves the layers as proof; nothing says that there are no diff_ids.
            return Unknown(answer.code, answer.source, answer.message)
        read = self._ask(
            ("config", registry, region, repository, config),
            lambda: _fetch(str(answer.data.get("downloadUrl")), config, answer.source),
        )
        assert isinstance(read, Present | Unknown)
        return read

    def _call(self, account: str, region: str, operation: str, **parameters: Any) -> Answer | Failure:
        key = ("ecr", region, operation, json.dumps(parameters, sort_keys=True))
        answer: Answer | Failure = self._ask(
            key, lambda: self._aws.call(account, region, "ecr", operation, **parameters)
        )
        return answer


def _immutable(mutability: Any, filters: Iterable[str], tag: str | None, source: Source) -> Fact:
    """Whether the tag can be moved: an exclusion filter turns the repository's rule round for the tags it matches."""
    if tag is None:
        return Absent(source)
    excluded = any(re.fullmatch(".*".join(map(re.escape, str(one).split("*"))), tag) for one in filters)
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


def _id(image: ImageUri, pinned: str | None) -> dict[str, str]:
    """By tag where there is one, so that the answer tells what the tag points to now."""
    if image.tag:
        return {"imageTag": image.tag}
    digest = image.digest or pinned
    return {"imageDigest": digest} if digest else {"imageTag": "latest"}


def _fetch(url: str, digest: str, source: Source) -> Fact:
    """The diff_ids in a configuration blob, which must have the digest that the manifest names."""
    if not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        return Unknown("malformed", source, "the download address is no https address")
    try:
        with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 - the scheme was checked above
            body = response.read(_MAX_CONFIG + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        return Unknown("unreachable", source, plain(type(error).__name__))
    if "sha256:" + hashlib.sha256(body).hexdigest() != digest:
        return Unknown("malformed", source, "the configuration does not have the digest that the manifest names")
    try:
        found = json.loads(body)["rootfs"]["diff_ids"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Unknown("malformed", source, "the configuration names no diff_ids")
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        return Unknown("malformed", source, "the diff_ids are no list of texts")
    return Present(tuple(found), source)


def _platform(child: Mapping[str, Any]) -> str | None:
    platform = child.get("platform")
    if not isinstance(platform, Mapping):
        return None
    parts = [str(platform[name]) for name in ("os", "architecture", "variant") if platform.get(name)]
    return plain("/".join(parts)) or None


def time_text(value: Any) -> str:
    """A datetime as evidence writes times."""
    from datetime import UTC, datetime

    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else plain(str(value))
