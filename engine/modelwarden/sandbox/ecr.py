"""ECR over moto's repositories: true digests, foreign registries, image configurations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from modelwarden.sandbox.moto_module import moto
from modelwarden.sandbox.wire import Refusal
from modelwarden.sandbox.world import Call, Handler, page

_INDEX: Final = ("application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json")
_DOCKER: Final = "application/vnd.docker.distribution.manifest.v2+json"


def digest_of(content: bytes) -> str:
    """The digest that registries use: of the exact bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def media_type(manifest: Mapping[str, Any]) -> str:
    """OCI allows a manifest to leave its type out."""
    default = _INDEX[1] if "manifests" in manifest else _DOCKER
    return str(manifest.get("mediaType") or default)


def install() -> None:
    """Let images that clients push get the digest of their manifest; moto's is a digest of layer names."""

    def create_digest(image: Any) -> None:
        image._image_digest = digest_of(image.image_manifest.encode())

    moto("ecr.models").Image._create_digest = create_digest


def backend(account: str, region: str) -> Any:
    """moto's registry of one account and region."""
    return moto("ecr.models").ecr_backends[account][region]


def _registry(call: Call) -> str:
    return str(call.parameters.get("registryId") or call.account)


def _repository(call: Call, name: str | None = None) -> Any:
    registry, wanted = _registry(call), name or call.need("repositoryName")
    found = backend(registry, call.region).repositories.get(wanted)
    if found is None:
        text = f"The repository with name '{wanted}' does not exist in the registry with id '{registry}'"
        raise Refusal("RepositoryNotFoundException", text)
    return found


def _image(repository: Any, wanted: Mapping[str, str]) -> Any | None:
    """By digest, by tag, or by both, which must then agree."""
    digest, tag = wanted.get("imageDigest"), wanted.get("imageTag")
    for image in repository.images:
        if (digest is None or image.get_image_digest() == digest) and (tag is None or tag in image.image_tags):
            return image
    return None


def _batch_get_image(call: Call) -> Mapping[str, Any]:
    repository, accepted = _repository(call), call.parameters.get("acceptedMediaTypes")
    images: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    for wanted in call.need("imageIds"):
        if not wanted.get("imageDigest") and not wanted.get("imageTag"):
            failures.append(
                _failure(
                    wanted, "MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null"
                )
            )
            continue
        image = _image(repository, wanted)
        kind = media_type(json.loads(image.image_manifest)) if image else ""
        if image is None or (accepted and kind not in accepted):
            failures.append(_failure(wanted, "ImageNotFound", "Requested image not found"))
            continue
        number = {"imageDigest": image.get_image_digest()} | (
            {"imageTag": wanted["imageTag"]} if wanted.get("imageTag") else {}
        )
        owner = {"registryId": _registry(call), "repositoryName": repository.name, "imageId": number}
        images.append({**owner, "imageManifest": image.image_manifest, "imageManifestMediaType": kind})
    return {"images": images, "failures": failures}


def _failure(wanted: Mapping[str, str], code: str, reason: str) -> dict[str, Any]:
    return {"imageId": dict(wanted), "failureCode": code, "failureReason": reason}


def _describe_images(call: Call) -> Mapping[str, Any]:
    repository, registry = _repository(call), _registry(call)
    asked = call.parameters.get("imageIds")
    if not asked:
        tagged = (call.parameters.get("filter") or {}).get("tagStatus", "ANY")
        wanted = [one for one in repository.images if tagged == "ANY" or bool(one.image_tags) == (tagged == "TAGGED")]
        found, token = page(wanted, call, 100, "nextToken", "maxResults")
        return {"imageDetails": [_detail(one, registry) for one in found], **token}
    details: dict[str, dict[str, Any]] = {}
    for one in asked:
        image = _image(repository, one)
        if image is None:
            identity = f"{{imageDigest:'{one.get('imageDigest', 'null')}', imageTag:'{one.get('imageTag', 'null')}'}}"
            place = f"within the repository with name '{repository.name}' in the registry with id '{registry}'"
            raise Refusal("ImageNotFoundException", f"The image with imageId {identity} does not exist {place}")
        details[image.get_image_digest()] = _detail(image, registry)
    return {"imageDetails": list(details.values())}


def _detail(image: Any, registry: str) -> dict[str, Any]:
    manifest = json.loads(image.image_manifest)
    parts = [*manifest.get("layers", []), *([manifest["config"]] if "config" in manifest else [])]
    detail = {
        "registryId": registry,
        "repositoryName": image.repository_name,
        "imageDigest": image.get_image_digest(),
        "imageTags": list(image.image_tags),
        "imageSizeInBytes": sum(part.get("size", 0) for part in parts),
        "imagePushedAt": image.image_pushed_at,
        "imageManifestMediaType": media_type(manifest),
        "artifactMediaType": manifest.get("config", {}).get("mediaType"),
    }
    return {key: value for key, value in detail.items() if value not in (None, [])}


def _describe_repositories(call: Call) -> Mapping[str, Any]:
    names = call.parameters.get("repositoryNames")
    every = backend(_registry(call), call.region).repositories
    wanted = [_repository(call, name) for name in names] if names else sorted(every.values(), key=lambda one: one.name)
    found, token = page(wanted, call, 100, "nextToken", "maxResults")
    return {"repositories": [_summary(one) for one in found], **token}


def _summary(repository: Any) -> dict[str, Any]:
    filters = repository.image_tag_mutability_exclusion_filters
    return {
        "repositoryArn": repository.arn,
        "registryId": repository.registry_id,
        "repositoryName": repository.name,
        "repositoryUri": repository.uri,
        "createdAt": repository.created_at.timestamp(),
        "imageTagMutability": str(getattr(repository.image_tag_mutability, "value", repository.image_tag_mutability)),
        **({"imageTagMutabilityExclusionFilters": filters} if filters else {}),
        "imageScanningConfiguration": repository.image_scanning_configuration,
        "encryptionConfiguration": repository.encryption_configuration,
    }


def _policy(call: Call) -> Mapping[str, Any]:
    repository = _repository(call)
    if not repository.policy:
        text = f"Repository policy does not exist for the repository with name '{repository.name}' in the registry with id '{_registry(call)}'"
        raise Refusal("RepositoryPolicyNotFoundException", text)
    return {"registryId": _registry(call), "repositoryName": repository.name, "policyText": repository.policy}


def _download_url(call: Call) -> Mapping[str, Any]:
    digest, repository = call.need("layerDigest"), _repository(call)
    if digest in call.world.blobs:
        return {"downloadUrl": f"{call.world.endpoint}/_sandbox/blobs/{digest}", "layerDigest": digest}
    text = f"The layer with digest '{digest}' does not exist in the repository with name '{repository.name}'"
    raise Refusal("LayersNotFoundException", text)


def _complete_upload(call: Call) -> None:
    """Keep the bytes, which moto throws away; moto answers."""
    upload = _repository(call).uploads.get(call.parameters.get("uploadId"))
    if upload is not None:
        content = bytes(upload.layer_parts)
        call.world.blobs[digest_of(content)] = content


OPERATIONS: Final[dict[str, Handler]] = {
    "ecr:BatchGetImage": _batch_get_image,
    "ecr:DescribeImages": _describe_images,
    "ecr:DescribeRepositories": _describe_repositories,
    "ecr:GetDownloadUrlForLayer": _download_url,
    "ecr:GetRepositoryPolicy": _policy,
    "ecr:CompleteLayerUpload": _complete_upload,
}
