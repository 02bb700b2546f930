"""Container image does not descend from an approved base image.

An image descends from a base if the base's complete list of layers opens its own: by layer digests, or by the digests of
the unpacked layers (`diff_ids`), which stay the same when a layer is compressed again. An image index holds one manifest
for each platform, and each of them must descend from a manifest of its platform. Parameter `approved_base_images`: the
URIs whose layers stand below `/reference/base_image`; a reference that the parameter does not name counts for nothing.
"""

from msgspec import Struct, field

from modelwarden.control import Fail, Parameters, Pass, Unknown, Verdict, View, control
from modelwarden.evidence import Absent, Present

_LAYERS = ("layers", "diff_ids")
_BASES = "/reference/base_image"
_EXPECTED = (
    "the complete layers of an approved base image as the first layers of every manifest of every container image"
)


@control(
    id="IMG-04",
    title="container image does not descend from an approved base image",
    severity="high",
    rationale="Nobody patches or watches what lies below an image that was built on a base of unknown origin.",
    remediation="rebuild the image on an approved base image, push it to ECR for every platform and register the package again",
    reads=(
        "/container_count",
        "/container/*/image/uri",
        "/container/*/image/registry",
        "/container/*/image/resolved_digest",
        "/container/*/image/manifest_count",
        "/container/*/image/manifest/*/platform",
        "/container/*/image/manifest/*/layers",
        "/container/*/image/manifest/*/diff_ids",
        f"{_BASES}_count",
        f"{_BASES}/*/uri",
        f"{_BASES}/*/manifest_count",
        f"{_BASES}/*/manifest/*/platform",
        f"{_BASES}/*/manifest/*/layers",
        f"{_BASES}/*/manifest/*/diff_ids",
        "parameter:approved_base_images",
    ),
    source="NIST 800-53 SR-4; SLSA v1 provenance",
    since="0.1.0",
)
def check(evidence: View, parameters: Parameters) -> Verdict:
    approved = parameters["approved_base_images"]
    containers = evidence.members("/container")
    count = evidence.get("/container_count")
    if isinstance(count, Absent) or (isinstance(count, Present) and count.value == 0):
        return Fail(_EXPECTED, at=["/container_count"], reason="the package has no container")
    if containers and not approved:
        at = ["/container_count", *(f"{container}/image/uri" for container in containers)]
        return Fail(
            _EXPECTED, at=at, reason="no base image is approved: parameter approved_base_images is an empty list"
        )
    seen = _Seen()
    if evidence.value("/container_count") != len(containers):
        seen.unread.append("/container_count")
    bases = _bases(evidence, approved)
    for container in containers:
        _judge(evidence, f"{container}/image", bases, seen)
    if seen.bad:
        return Fail(_EXPECTED, at=seen.bad, reason="; ".join(seen.told))
    if seen.unread:
        at = list(dict.fromkeys(seen.unread))
        return Unknown("cannot tell whether every container image descends from an approved base image", at=at)
    _forget_alternatives(evidence)
    return Pass()


class _Seen(Struct):
    """What is known of the images."""

    bad: list[str] = field(default_factory=list)
    """Pointers that prove a violation."""
    told: list[str] = field(default_factory=list)
    """The same for people."""
    unread: list[str] = field(default_factory=list)
    """Pointers without which an image is neither good nor bad."""


class _Bases(Struct):
    """The approved base images."""

    manifests: list[str] = field(default_factory=list)
    """Prefixes of the facts of their manifests."""
    unread: list[str] = field(default_factory=list)
    """Pointers without which some base cannot be excluded."""


def _bases(evidence: View, approved: tuple[str, ...]) -> _Bases:
    bases = _Bases()
    heads = evidence.members(_BASES)
    if evidence.value(f"{_BASES}_count") != len(heads):
        bases.unread.append(f"{_BASES}_count")
        return bases
    named = {str(evidence.value(f"{head}/uri")): head for head in heads if evidence.value(f"{head}/uri") is not None}
    nameless = [f"{head}/uri" for head in heads if head not in named.values()]
    for uri in approved:
        if uri not in named:
            bases.unread += nameless or [f"{_BASES}_count"]
            continue
        manifests = evidence.members(f"{named[uri]}/manifest")
        if evidence.value(f"{named[uri]}/manifest_count") == len(manifests):
            bases.manifests += manifests
        elif not isinstance(evidence.get(f"{named[uri]}/manifest_count"), Absent):
            bases.unread.append(f"{named[uri]}/manifest_count")
    return bases


def _judge(evidence: View, image: str, bases: _Bases, seen: _Seen) -> None:
    """Sort one container image into `seen`."""
    shown = f"`{evidence.value(f'{image}/uri')}`"
    for name, why in (("registry", "is in no private ECR registry"), ("resolved_digest", "does not exist in ECR")):
        fact = evidence.get(f"{image}/{name}")
        if isinstance(fact, Absent):
            seen.bad += [f"{image}/uri", f"{image}/{name}"]
            seen.told.append(f"{shown} {why}")
            return
        if not isinstance(fact, Present):
            seen.unread.append(f"{image}/{name}")
    manifests = evidence.members(f"{image}/manifest")
    count = evidence.value(f"{image}/manifest_count")
    if count == 0:
        seen.bad += [f"{image}/uri", f"{image}/manifest_count"]
        seen.told.append(f"{shown} has no manifest for any platform")
    elif count != len(manifests):
        seen.unread.append(f"{image}/manifest_count")
    for manifest in manifests:
        unread = list(bases.unread)
        if any(_descends(evidence, manifest, base, unread) for base in bases.manifests):
            continue
        if unread:
            seen.unread += unread
            continue
        platform = evidence.value(f"{manifest}/platform")
        seen.told.append(f"{shown}{f' for {platform}' if platform else ''} descends from no approved base image")
        shows = (
            f"{image}/uri",
            f"{image}/resolved_digest",
            f"{manifest}/platform",
            *(f"{manifest}/{one}" for one in _LAYERS),
        )
        seen.bad += [pointer for pointer in shows if evidence.value(pointer) is not None]


def _descends(evidence: View, manifest: str, base: str, unread: list[str]) -> bool:
    """Whether it is proven; what would have to be read to disprove it goes to `unread`."""
    same = _same_platform(evidence, manifest, base)
    if same is False:
        return False
    excluded = False
    for name in _LAYERS:
        mine, theirs = evidence.value(f"{manifest}/{name}"), evidence.value(f"{base}/{name}")
        if mine is None or theirs is None:
            continue
        if theirs and mine[: len(theirs)] == theirs:
            unread += [] if same else [f"{manifest}/platform", f"{base}/platform"]
            return same is True
        # Layers that differ may unpack to the same content; an image with fewer of them than the base cannot.
        excluded = excluded or name == "diff_ids" or not theirs or len(mine) < len(theirs)
    if not excluded:
        pointers = [f"{holder}/{name}" for holder in (manifest, base) for name in _LAYERS]
        unread += [pointer for pointer in pointers if not isinstance(evidence.get(pointer), Present | Absent)]
    return False


def _same_platform(evidence: View, manifest: str, base: str) -> bool | None:
    """None where it was not read. A manifest outside of an index states no platform: then its layers say enough."""
    mine = evidence.get(f"{manifest}/platform")
    if isinstance(mine, Absent):
        return True
    theirs = evidence.get(f"{base}/platform")
    if isinstance(theirs, Absent):
        return True if isinstance(mine, Present) else None
    if not isinstance(mine, Present) or not isinstance(theirs, Present):
        return None
    # os/architecture, and the variant where both name one: linux/arm64 is linux/arm64/v8.
    return all(
        one == other for one, other in zip(str(mine.value).split("/"), str(theirs.value).split("/"), strict=False)
    )


def _forget_alternatives(evidence: View) -> None:
    """Drop unread facts that cannot matter any more: each manifest was proven to descend from some approved base image."""
    for pointer, fact in list(evidence.touched.items()):
        alternative = pointer.startswith(f"{_BASES}/") or pointer.endswith(tuple(f"/{name}" for name in _LAYERS))
        if alternative and not isinstance(fact, Present | Absent):
            del evidence.touched[pointer]
