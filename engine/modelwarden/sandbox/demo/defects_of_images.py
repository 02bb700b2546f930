"""Defects of container images."""

from __future__ import annotations

from typing import Any

from modelwarden.sandbox.demo import estate
from modelwarden.sandbox.demo.damage import Change, defect, trait
from modelwarden.sandbox.demo.draft import Draft

Json = dict[str, Any]


def _second(draft: Draft, **image: Any) -> Json:
    return {**image, "ContainerHostname": "post-processing", "ModelDataUrl": draft.container["ModelDataUrl"]}


def _experiment(draft: Draft) -> Json:
    where = f"{estate.RETAIL}/{estate.IRELAND}/team/experiments:0.3"
    return {
        "Image": f"{estate.host(estate.RETAIL, estate.IRELAND)}/team/experiments:0.3",
        "ImageDigest": f"@digest:{where}",
    }


@defect("image-of-a-team", IMG_01="fail")
def _image_of_a_team(draft: Draft) -> None:
    draft.container.update(_experiment(draft))


@defect("second-image-of-a-team", IMG_01="fail")
def _second_image_of_a_team(draft: Draft) -> None:
    draft.describe["InferenceSpecification"]["Containers"].append(_second(draft, **_experiment(draft)))


@defect("image-from-docker-hub", IMG_01="fail", IMG_02="fail", IMG_03="fail", IMG_04="fail")
def _image_from_docker_hub(draft: Draft) -> None:
    draft.container["Image"] = "docker.io/library/python:latest"
    del draft.container["ImageDigest"]


@defect("additional-specification-of-a-team", IMG_01="fail", IMG_02="fail")
def _additional_specification(draft: Draft) -> None:
    image = _experiment(draft)["Image"]
    draft.describe["AdditionalInferenceSpecifications"] = [
        {
            "Name": "low-latency",
            "Description": "compiled for another instance type",
            "Containers": [{"Image": image, "ModelDataUrl": draft.container["ModelDataUrl"]}],
            "SupportedRealtimeInferenceInstanceTypes": ["ml.c5.large"],
        }
    ]


@trait("good-additional-specification")
def _good_additional_specification(draft: Draft) -> None:
    _additional_specification(draft)
    draft.describe["AdditionalInferenceSpecifications"][0]["Containers"][0].update(draft.image("4.3"))


@trait("two-good-containers")
def _two_good_containers(draft: Draft) -> None:
    draft.describe["InferenceSpecification"]["Containers"].append(_second(draft, **draft.image("4.3")))


@trait("image-by-digest")
def _image_by_digest(draft: Draft) -> None:
    digest = draft.container.pop("ImageDigest")
    draft.container["Image"] = f"{draft.container['Image'].rpartition(':')[0]}@{digest}"


@defect("image-by-tag", IMG_02="fail")
def _image_by_tag(draft: Draft) -> None:
    del draft.container["ImageDigest"]


@defect("image-tag-moved", IMG_02="fail", IMG_03="fail")
def _image_tag_moved(draft: Draft) -> None:
    draft.container.update(draft.image("2.0", "ml/legacy"), ImageDigest=estate.MOVED_DIGEST)


@defect("image-deleted", IMG_02="fail", IMG_04="fail")
def _image_deleted(draft: Draft) -> None:
    repository = draft.container["Image"].rpartition(":")[0]
    draft.container["Image"] = f"{repository}@{estate.DELETED_DIGEST}"
    del draft.container["ImageDigest"]


def _other_image(tag: str, name: str = "ml/scoring") -> Change:
    def change(draft: Draft) -> None:
        draft.container.update(draft.image(tag, name))

    return change


defect("mutable-repository", IMG_03="fail")(_other_image("2.1", "ml/legacy"))
defect("tag-excluded-from-immutability", IMG_03="fail")(_other_image("dev-31", "ml/nightly"))
defect("forbidden-tag", IMG_03="fail")(_other_image("latest"))
defect("foreign-base-image", IMG_04="fail")(_other_image("3.8"))
defect("borrowed-base-layers", IMG_04="fail")(_other_image("4.0"))
defect("one-platform-on-foreign-base", IMG_04="fail")(_other_image("4.1"))
trait("multi-platform-image")(_other_image("4.3"))
trait("recompressed-base-layers")(_other_image("3.9"))
trait("tag-made-immutable-by-filter")(_other_image("release-7", "ml/edge"))


@defect("registry-unreadable", IMG_02="unknown", IMG_04="unknown")
def _registry_unreadable(draft: Draft) -> None:
    """The image lies in the account's own registry, where a standing rule denies ecr:BatchGetImage."""
    where = f"{estate.CLAIMS}/{estate.VIRGINIA}/claims/fraud-scorer:1.8"
    draft.container["Image"] = f"{estate.host(estate.CLAIMS, estate.VIRGINIA)}/claims/fraud-scorer:1.8"
    draft.container["ImageDigest"] = f"@digest:{where}"
