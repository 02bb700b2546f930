"""Images in ECR: repositories, manifests of every platform, and configurations. Reading; what is said is `image`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from msgspec import Struct

from modelwarden.collect.answer import Answer, Failure
from modelwarden.collect.cell import Lookups
from modelwarden.collect.image import (
    MANIFEST_FACTS,
    ImageUri,
    Manifest,
    manifest_facts,
    no_image,
    platform_of,
    read_diff_ids,
    read_manifest,
    repository_facts,
)
from modelwarden.collect.text import time_fact, whole
from modelwarden.evidence import Absent, Fact, Present, Source, Unknown

Facts = dict[str, Fact]

_MANIFEST_TYPES: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)
_MAX_CONFIG: Final = 8_000_000
_MAX_CHILDREN: Final = 100
"""Images that one BatchGetImage takes; no index has as many platforms."""
_NO_IMAGE: Final = frozenset({"ImageNotFound"})


class Wanted(Struct, frozen=True):
    """Which parts of an image are asked for."""

    manifest: bool
    layers: bool
    diff_ids: bool
    repository: bool
    pushed: bool


class Images(Struct, frozen=True):
    """ECR lookups with the credentials of one account; what a registry answers depends on nobody who asks."""

    lookups: Lookups
    account: str

    def facts(self, pointer: str, image: ImageUri, pinned: str | None, wanted: Wanted) -> Facts:
        """ECR's facts below the pointer, with relative names `resolved_digest`, `manifest/*/layers` and so on."""
        if image.ecr is None:
            return no_image(pointer, Unknown("not an ECR registry"))
        one = _Image(self, *image.ecr, image, pinned, pointer)
        beside = [one.repository] if wanted.repository else []
        beside += [one.pushed] if wanted.pushed else []
        started = self.lookups.pools.spread(lambda read: read(), beside)
        facts = one.manifests(wanted) if wanted.manifest else {}
        for found in started:
            facts |= found
        return facts


class _Image(Struct, frozen=True):
    """One image in one registry."""

    images: Images
    registry: str
    region: str
    uri: ImageUri
    pinned: str | None
    pointer: str

    def repository(self) -> Facts:
        answer = self._call("DescribeRepositories", repositoryNames=[self.uri.repository])
        keys = [f"{self.pointer}/{name}" for name in ("tag_mutability", "tag_mutability_exclusions", "tag_immutable")]
        if isinstance(answer, Failure):
            return dict.fromkeys(keys, answer.fact())
        named = [one for one in answer.data["repositories"] if one.get("repositoryName") == self.uri.repository]
        if not named:
            return dict.fromkeys(keys, Unknown("malformed", answer.source, "ECR described no such repository"))
        return repository_facts(self.pointer, named[0], self.uri.tag, answer.source)

    def pushed(self) -> Facts:
        answer = self._call("DescribeImages", repositoryName=self.uri.repository, imageIds=[self._id()])
        key = f"{self.pointer}/pushed_at"
        if isinstance(answer, Failure):
            return {key: answer.fact()}
        details = answer.data["imageDetails"]
        if not details:
            return {key: Unknown("malformed", answer.source, "ECR described no image")}
        return {key: time_fact(details[0].get("imagePushedAt"), answer.source)}

    def manifests(self, wanted: Wanted) -> Facts:
        """The manifest, or those of all platforms of an index."""
        found = self._get([self._id()])[0]
        if not isinstance(found, Manifest):
            return {f"{self.pointer}/resolved_digest": found, f"{self.pointer}/manifest_count": found}
        facts: Facts = {f"{self.pointer}/resolved_digest": Present(found.digest, found.source)}
        if not wanted.layers:
            return facts
        children = found.children
        if children is not None and len(children) > _MAX_CHILDREN:
            why = f"an index of more than {_MAX_CHILDREN} manifests"
            return facts | {f"{self.pointer}/manifest_count": Unknown("incomplete", found.source, why)}
        members = [(found, None)] if children is None else self._children(children, found.source)
        facts[f"{self.pointer}/manifest_count"] = Present(len(members), found.source)
        for read in self.images.lookups.pools.gather(partial(self._member, wanted), enumerate(members)):
            facts |= read
        return facts

    def _children(
        self, children: Sequence[Mapping[str, Any]], source: Source
    ) -> Sequence[tuple[Manifest | Fact, str | None]]:
        """(manifest or why it was not read, platform) of each entry of an index, in one call."""
        named = [child["digest"] for child in children if isinstance(child.get("digest"), str)]
        got = dict(zip(named, self._get([{"imageDigest": digest} for digest in named]), strict=True)) if named else {}
        nameless = Unknown("malformed", source, "an entry of the index names no manifest")
        return [(got.get(child.get("digest", ""), nameless), platform_of(child)) for child in children]

    def _member(self, wanted: Wanted, numbered: tuple[int, tuple[Manifest | Fact, str | None]]) -> Facts:
        index, (manifest, platform) = numbered
        head = f"{self.pointer}/manifest/{index}"
        if not isinstance(manifest, Manifest):
            return {f"{head}/{name}": manifest for name in MANIFEST_FACTS}
        facts = manifest_facts(head, manifest, platform)
        return facts | ({f"{head}/diff_ids": self._diff_ids(manifest)} if wanted.diff_ids else {})

    def _diff_ids(self, manifest: Manifest) -> Fact:
        digest = manifest.config
        if digest is None:
            return Unknown("malformed", manifest.source, "no configuration")
        answer = self._call(
            "GetDownloadUrlForLayer", repositoryName=self.uri.repository, layerDigest=digest, MaxBytes=_MAX_CONFIG
        )
        if isinstance(answer, Failure):
            # A configuration that ECR does not serve leaves the layers as proof; nothing says that there are no diff_ids.
            return answer.unknown()
        body = answer.data.get("Body")
        if not isinstance(body, bytes):
            return Unknown("malformed", answer.source, "no configuration was downloaded")
        return read_diff_ids(body, digest, answer.source)

    def _get(self, ids: Sequence[Mapping[str, str]]) -> list[Manifest | Fact]:
        """For each id the manifest, or the state of the image."""
        answer = self._call(
            "BatchGetImage",
            repositoryName=self.uri.repository,
            imageIds=list(ids),
            acceptedMediaTypes=list(_MANIFEST_TYPES),
        )
        if isinstance(answer, Failure):
            return [answer.fact()] * len(ids)
        return [_one(answer, wanted) for wanted in ids]

    def _id(self) -> dict[str, str]:
        """By tag where there is one, so that the answer tells what the tag points to now."""
        if self.uri.tag:
            return {"imageTag": self.uri.tag}
        digest = self.uri.digest or self.pinned
        return {"imageDigest": digest} if digest else {"imageTag": "latest"}

    def _call(self, operation: str, **parameters: Any) -> Answer | Failure:
        own = self.images
        return own.lookups.call(
            own.account, self.region, "ecr", operation, whoever=True, registryId=self.registry, **parameters
        )


def _one(answer: Answer, wanted: Mapping[str, str]) -> Manifest | Fact:
    """What BatchGetImage says of one image: absent only where ECR says so of this very image."""
    for image in answer.data["images"]:
        if _is_meant(image, wanted):
            return read_manifest(image, wanted.get("imageDigest"), answer.source)
    named = [one for one in answer.data.get("failures", []) if _is_meant(one, wanted)]
    codes = {str(one.get("failureCode")) for one in named}
    if codes and codes <= _NO_IMAGE:
        return Absent(answer.source)
    told = ", ".join(sorted(map(whole, codes)))
    return Unknown(told or "malformed", answer.source, "" if told else "ECR named neither image nor failure")


def _is_meant(found: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    """Whether an entry of the answer is about the image that was asked for, as far as it says."""
    named = found.get("imageId", {})
    return all(named.get(name, value) == value for name, value in wanted.items())
