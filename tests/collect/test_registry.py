"""Images in ECR: an image is absent only where ECR says so of that very image, and digests are checked, not believed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from modelwarden.collect.image import parse_image
from modelwarden.evidence import Absent, Evidence, Present, Unknown

from .conftest import ARN, Script, below, described, failure, read

REGISTRY = "333333333333.dkr.ecr.eu-west-1.amazonaws.com"
NEEDED = ("/container/*/image/manifest/*/diff_ids", "/container/*/image/tag_immutable", "/container/*/image/pushed_at")


def digest(text: str | bytes) -> str:
    return "sha256:" + hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()


CONFIG = json.dumps({"rootfs": {"type": "layers", "diff_ids": ["sha256:d1", "sha256:d2"]}}).encode()
SINGLE = json.dumps(
    {"config": {"digest": digest(CONFIG)}, "layers": [{"digest": "sha256:l1"}, {"digest": "sha256:l2"}]}
)
OTHER = json.dumps({"config": {"digest": digest(CONFIG)}, "layers": [{"digest": "sha256:l3"}]})


def index(*children: Any) -> str:
    return json.dumps({"manifests": list(children)})


def child(text: str, architecture: str = "amd64", system: str = "linux") -> dict[str, Any]:
    return {"digest": digest(text), "platform": {"os": system, "architecture": architecture}}


def store(**named: str) -> Any:
    """A repository: tag -> manifest; manifests are also found by their digest."""
    by_digest = {digest(text): text for text in named.values()}

    def answer(parameters: Mapping[str, Any]) -> dict[str, Any]:
        images, failures = [], []
        for wanted in parameters["imageIds"]:
            text = by_digest.get(wanted.get("imageDigest", ""), named.get(wanted.get("imageTag", "")))
            if text is None:
                failures.append({"imageId": wanted, "failureCode": "ImageNotFound"})
            else:
                images.append({"imageId": {**wanted, "imageDigest": digest(text)}, "imageManifest": text})
        return {"images": images, "failures": failures}

    return answer


def package(image: str, pinned: str | None = None, **answers: Any) -> Evidence:
    container = {"Image": f"{REGISTRY}/{image}", **({"ImageDigest": pinned} if pinned else {})}
    script = Script(
        {
            "DescribeModelPackage": described(InferenceSpecification={"Containers": [container]}),
            "GetDownloadUrlForLayer": {"layerDigest": digest(CONFIG), "Body": CONFIG},
            **answers,
        }
    )
    return read(script, needed=NEEDED)


def facts(evidence: Evidence, *names: str) -> dict[str, Any]:
    found = {name: evidence.get(f"/container/0/image/{name}") for name in names}
    return {name: fact.value if isinstance(fact, Present) else type(fact) for name, fact in found.items()}


def test_a_single_image() -> None:
    evidence = package("ml/base:1.0", BatchGetImage=store(**{"1.0": SINGLE}))
    names = ("resolved_digest", "manifest_count", "manifest/0/platform", "manifest/0/layers", "manifest/0/diff_ids")
    assert facts(evidence, *names) == {
        "resolved_digest": digest(SINGLE),
        "manifest_count": 1,
        "manifest/0/platform": Absent,
        "manifest/0/layers": ("sha256:l1", "sha256:l2"),
        "manifest/0/diff_ids": ("sha256:d1", "sha256:d2"),
    }


def test_an_index_is_read_platform_by_platform_in_two_calls() -> None:
    text = index(child(SINGLE), child(OTHER, "arm64"), child("an attestation", "unknown", "unknown"))
    script = Script(
        {
            "DescribeModelPackage": described(
                InferenceSpecification={"Containers": [{"Image": f"{REGISTRY}/ml/base:1.0"}]}
            ),
            "BatchGetImage": store(**{"1.0": text, "a": SINGLE, "b": OTHER}),
        }
    )
    evidence = read(script, needed=("/container/*/image/manifest/*/layers",))
    names = ("manifest_count", "manifest/0/platform", "manifest/1/platform", "manifest/0/layers", "manifest/1/layers")
    assert facts(evidence, *names) == {
        "manifest_count": 2,
        "manifest/0/platform": "linux/amd64",
        "manifest/1/platform": "linux/arm64",
        "manifest/0/layers": ("sha256:l1", "sha256:l2"),
        "manifest/1/layers": ("sha256:l3",),
    }
    assert script.times("BatchGetImage") == 2


@pytest.mark.parametrize(
    ("children", "expected"),
    [
        ([child(SINGLE), child("deleted")], [("sha256:l1", "sha256:l2"), Absent]),
        ([child(SINGLE), {"platform": {"os": "linux"}}], [("sha256:l1", "sha256:l2"), Unknown]),
        ([child(SINGLE), 7], [("sha256:l1", "sha256:l2"), Unknown]),
        ([child(index(child(SINGLE)))], [Unknown]),
        ([], []),
    ],
)
def test_a_child_that_is_not_there_is_not_left_out(children: list[Any], expected: list[Any]) -> None:
    inner = index(child(SINGLE))
    evidence = package("ml/base:1.0", BatchGetImage=store(**{"1.0": index(*children), "a": SINGLE, "b": inner}))
    names = [f"manifest/{number}/layers" for number in range(len(expected))]
    assert facts(evidence, "manifest_count", *names) == {
        "manifest_count": len(expected),
        **dict(zip(names, expected, strict=True)),
    }


def test_an_index_of_too_many_manifests_is_not_counted() -> None:
    text = index(*[child(str(number)) for number in range(101)])
    evidence = package("ml/base:1.0", BatchGetImage=store(**{"1.0": text}))
    assert facts(evidence, "resolved_digest", "manifest_count") == {
        "resolved_digest": digest(text),
        "manifest_count": Unknown,
    }


def image(text: str, **changed: Any) -> dict[str, Any]:
    return {"imageId": {"imageTag": "1.0", "imageDigest": digest(text)}, "imageManifest": text, **changed}


def failed(code: str, **image_id: str) -> dict[str, Any]:
    return {"imageId": image_id or {"imageTag": "1.0"}, "failureCode": code}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"images": [image(SINGLE)], "failures": [failed("ImageNotFound", imageTag="2.0")]}, digest(SINGLE)),
        ({"images": [image(OTHER, imageId={"imageTag": "2.0", "imageDigest": digest(OTHER)})]}, "malformed"),
        ({"images": [image(SINGLE, imageId={"imageTag": "1.0", "imageDigest": digest(OTHER)})]}, "malformed"),
        ({"images": [image(SINGLE, imageId={"imageTag": "1.0"})]}, "malformed"),
        ({"images": [image("[]")]}, "malformed"),
        ({"images": [image("[" * 100_000)]}, "malformed"),
        ({"images": [{"imageId": {"imageTag": "1.0"}}]}, "malformed"),
        ({"images": [], "failures": [failed("ImageNotFound")]}, Absent),
        ({"images": [], "failures": [failed("ImageNotFound", imageTag="2.0")]}, "malformed"),
        ({"images": [], "failures": [failed("ImageNotFound"), failed("KmsError")]}, "ImageNotFound, KmsError"),
        ({"images": [], "failures": [failed("MissingDigestAndTag")]}, "MissingDigestAndTag"),
        ({"images": [], "failures": [failed("UnableToAccessUpstreamRegistry")]}, "UnableToAccessUpstreamRegistry"),
        ({"images": []}, "malformed"),
        (failure("RepositoryNotFoundException", "read"), Absent),
        (failure("AccessDeniedException"), "AccessDeniedException"),
    ],
)
def test_what_batch_get_image_says_of_the_image_that_was_asked_for(answer: Any, expected: Any) -> None:
    fact = package("ml/base:1.0", BatchGetImage=answer).get("/container/0/image/resolved_digest")
    said = fact.value if isinstance(fact, Present) else fact.reason if isinstance(fact, Unknown) else type(fact)
    assert said == expected


def test_an_image_that_is_asked_for_by_digest_must_have_it() -> None:
    swapped = {"images": [{"imageId": {"imageDigest": digest(SINGLE)}, "imageManifest": OTHER}]}
    evidence = package(f"ml/base@{digest(SINGLE)}", BatchGetImage=swapped)
    assert isinstance(evidence.get("/container/0/image/resolved_digest"), Unknown)


@pytest.mark.parametrize(
    ("uri", "pinned", "asked"),
    [
        ("ml/base:1.0", "sha256:p", {"imageTag": "1.0"}),
        ("ml/base:1.0@sha256:d", "sha256:p", {"imageTag": "1.0"}),
        ("ml/base@sha256:d", "sha256:p", {"imageDigest": "sha256:d"}),
        ("ml/base", "sha256:p", {"imageDigest": "sha256:p"}),
        ("ml/base", None, {"imageTag": "latest"}),
    ],
)
def test_a_tag_is_asked_for_so_that_the_answer_tells_where_it_points_now(
    uri: str, pinned: str | None, asked: dict[str, str]
) -> None:
    seen: list[Any] = []
    package(uri, pinned, BatchGetImage=lambda given: seen.append(given) or {"images": []})
    assert [given["imageIds"] for given in seen] == [[asked]]
    assert seen[0]["registryId"] == "333333333333"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"layerDigest": digest(CONFIG), "Body": CONFIG + b" "}, "the configuration does not have the digest"),
        ({"layerDigest": digest(CONFIG)}, "no configuration was downloaded"),
        (failure("LayersNotFoundException", "malformed", "no layer"), "no layer"),
        (failure("404", "read", "gone"), "gone"),
        (failure("AccessDeniedException", message="no"), "no"),
    ],
)
def test_a_configuration_that_was_not_read_is_unknown(answer: Any, why: str) -> None:
    evidence = package("ml/base:1.0", BatchGetImage=store(**{"1.0": SINGLE}), GetDownloadUrlForLayer=answer)
    fact = evidence.get("/container/0/image/manifest/0/diff_ids")
    assert isinstance(fact, Unknown)
    assert why in fact.detail


@pytest.mark.parametrize(
    "config", [b"[]", b"{}", b'{"rootfs": {"diff_ids": "a"}}', b'{"rootfs": {"diff_ids": [1]}}', b"\xff"]
)
def test_a_configuration_of_another_shape_is_unknown(config: bytes) -> None:
    text = json.dumps({"config": {"digest": digest(config)}, "layers": []})
    answer = {"layerDigest": digest(config), "Body": config}
    evidence = package("ml/base:1.0", BatchGetImage=store(**{"1.0": text}), GetDownloadUrlForLayer=answer)
    assert isinstance(evidence.get("/container/0/image/manifest/0/diff_ids"), Unknown)


def repository(**members: Any) -> dict[str, Any]:
    return {"repositories": [{"repositoryName": "ml/base", **members}]}


FILTERS = {"imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "dev-*"}]}


@pytest.mark.parametrize(
    ("answer", "tag", "immutable"),
    [
        (repository(imageTagMutability="IMMUTABLE"), "1.0", True),
        (repository(imageTagMutability="MUTABLE"), "1.0", False),
        (repository(imageTagMutability="IMMUTABLE_WITH_EXCLUSION", **FILTERS), "dev-1", False),
        (repository(imageTagMutability="IMMUTABLE_WITH_EXCLUSION", **FILTERS), "1.0", True),
        (repository(imageTagMutability="MUTABLE_WITH_EXCLUSION", **FILTERS), "dev-1", True),
        (repository(imageTagMutability="SOMETHING_NEW"), "1.0", Unknown),
        (repository(), "1.0", Unknown),
        ({"repositories": []}, "1.0", Unknown),
        ({"repositories": [{"repositoryName": "ml/other", "imageTagMutability": "IMMUTABLE"}]}, "1.0", Unknown),
        (failure("RepositoryNotFoundException", "read"), "1.0", Absent),
        (failure("AccessDeniedException"), "1.0", Unknown),
    ],
)
def test_whether_a_tag_can_be_moved(answer: Any, tag: str, immutable: Any) -> None:
    evidence = package(f"ml/base:{tag}", DescribeRepositories=answer)
    assert facts(evidence, "tag_immutable") == {"tag_immutable": immutable}


@pytest.mark.parametrize(
    ("answer", "pushed"),
    [
        ({"imageDetails": [{"imagePushedAt": datetime(2026, 10, 1, 8, tzinfo=UTC)}]}, "2026-10-01T08:00:00Z"),
        ({"imageDetails": [{}]}, Absent),
        ({"imageDetails": []}, Unknown),
        (failure("ImageNotFoundException", "read"), Absent),
    ],
)
def test_when_an_image_was_pushed(answer: Any, pushed: Any) -> None:
    assert facts(package("ml/base:1.0", DescribeImages=answer), "pushed_at") == {"pushed_at": pushed}


@pytest.mark.parametrize(
    "uri", ["docker.io/library/busybox", "public.ecr.aws/x/y:1", f"{REGISTRY}.evil.com/a", "x@y:z/:"]
)
def test_a_registry_that_is_not_ecr_is_never_asked(uri: str) -> None:
    script = Script({"DescribeModelPackage": described(InferenceSpecification={"Containers": [{"Image": uri}]})})
    evidence = read(script, ARN, needed=NEEDED)
    ours = {name: fact for name, fact in below(evidence.facts, "/container/0/image/").items() if name in _ECR}
    assert {fact.reason for fact in ours.values()} == {"not an ECR registry"}  # type: ignore[union-attr]
    assert [operation for operation, _ in script.asked] == ["DescribeModelPackage"]


_ECR = ("resolved_digest", "tag_mutability", "tag_immutable", "pushed_at", "manifest_count")


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        (f"{REGISTRY}/ml/base:1.0@sha256:a", (REGISTRY, "ml/base", "1.0", "sha256:a")),
        ("busybox", ("docker.io", "library/busybox", None, None)),
        ("team/image:1", ("docker.io", "team/image", "1", None)),
        ("localhost:5000/a:b", ("localhost:5000", "a", "b", None)),
    ],
)
def test_a_uri_is_read_as_a_container_runtime_reads_it(uri: str, parts: tuple[Any, ...]) -> None:
    image_uri = parse_image(uri)
    assert (image_uri.host, image_uri.repository, image_uri.tag, image_uri.digest) == parts
