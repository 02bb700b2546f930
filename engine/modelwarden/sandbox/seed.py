"""From a scenario into the world and into moto's backends, without any API call."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from modelwarden.sandbox import ecr, endpoints, kms, s3
from modelwarden.sandbox.moto_module import moto
from modelwarden.sandbox.organizations import backend as organizations_backend
from modelwarden.sandbox.scenario import Scenario, ScenarioError, moment, typed
from modelwarden.sandbox.wire import operation_model
from modelwarden.sandbox.world import Account, Denial, Group, World

_PLACEHOLDER = re.compile(r"@digest:(?P<image>[0-9]{12}/[a-z0-9-]+/[a-z0-9._/-]+:[A-Za-z0-9._-]+)")
_ARN = re.compile(r"arn:aws[a-z-]*:(?P<service>[a-z-]+):(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):(?P<rest>.+)")


def seed(scenario: Scenario) -> World:
    """Build the world of a scenario. To be called in the turn of fresh backends.

    Raises:
        ScenarioError: an entry does not fit AWS's own shapes, or points at nothing.
    """
    world = World(scenario.organization.get("id", "o-sandbox0000"), scenario.management, scenario.clock)
    _organization(world, scenario)
    _keys(world, scenario)
    _buckets(world, scenario)
    _objects(world, scenario)
    digests = _repositories(world, scenario)
    scenario = _resolved(scenario, digests)
    _groups(world, scenario)
    _packages(world, scenario)
    _jobs(world, scenario)
    _cards(world, scenario)
    endpoints.seed(world, scenario)
    for _, entry in scenario.each("trail"):
        world.cell(entry["account"], entry["region"]).trail.append(entry["event"])
    world.denials = [Denial(one["op"], one.get("account"), one.get("region")) for _, one in scenario.each("denied")]
    return world


def _organization(world: World, scenario: Scenario) -> None:
    given = scenario.organization
    backend = organizations_backend(world.management)
    backend.create_organization("us-east-1", FeatureSet="ALL")
    root = f"r-{hashlib.sha256(world.organization.encode()).hexdigest()[:4]}"
    backend.org.id, backend.org.root_id = world.organization, root
    backend.ou[0].id, backend.ou[0].organization_id = root, world.organization
    models = moto("organizations.models")
    for unit in given.get("units", []):
        made = models.FakeOrganizationalUnit(
            backend.org, Name=unit["name"], ParentId=root if unit["parent"] == "root" else unit["parent"]
        )
        made.id = unit["id"]
        backend.ou.append(made)
    management = {"id": world.management, "name": "management"}
    listed = given.get("accounts", [])
    backend.accounts.clear()
    for one in listed if any(one["id"] == world.management for one in listed) else [management, *listed]:
        account = _account(one)
        world.accounts[account.id] = account
        tags = [{"Key": key, "Value": value} for key, value in account.tags.items()]
        member = models.FakeAccount(
            backend.org, AccountName=account.name, Email=f"{account.name}@example.com", Tags=tags
        )
        member.id, member.state = account.id, account.state
        member.status = account.state if account.state in ("SUSPENDED", "PENDING_CLOSURE") else "ACTIVE"
        member.parent_id = root if account.unit == "root" else account.unit
        member.joined_method = "INVITED" if account.id == world.management else "CREATED"
        member.create_time = _naive(scenario.clock)
        backend.accounts.append(member)


def _naive(at: datetime | None) -> datetime:
    """moto keeps some times in UTC without saying so."""
    return (at or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)


def _account(one: Mapping[str, Any]) -> Account:
    return Account(
        id=one["id"],
        name=one.get("name", one["id"]),
        unit=one.get("unit", "root"),
        state=one.get("state", "ACTIVE"),
        reader_role=one.get("reader_role", True),
        external_id=one.get("external_id", ""),
        tags=one.get("tags", {}),
    )


def _keys(world: World, scenario: Scenario) -> None:
    for where, one in scenario.each("keys"):
        keys = kms.backend(one["account"], one["region"])
        key = keys.create_key(
            None,
            "ENCRYPT_DECRYPT",
            "SYMMETRIC_DEFAULT",
            one.get("description", ""),
            None,
            origin=one.get("origin", "AWS_KMS"),
        )
        del keys.keys[key.id]
        key.id, key.arn = one["id"], f"arn:aws:kms:{one['region']}:{one['account']}:key/{one['id']}"
        keys.keys[key.id] = key
        key.key_manager, key.key_state = one.get("manager", "CUSTOMER"), one.get("state", "Enabled")
        key.enabled, key.key_rotation_status = key.key_state == "Enabled", bool(one.get("rotation", False))
        now = scenario.clock or datetime.now(UTC)
        key.creation_date = (moment(where, one["created"]) if one.get("created") else now).timestamp()
        if key.key_state == "PendingDeletion":
            key.deletion_date = _naive(now)
        if alias := one.get("alias"):
            keys.create_alias(key.id, alias)
        if one.get("denied"):
            world.denied_keys.add(key.arn)


def _buckets(world: World, scenario: Scenario) -> None:
    models = moto("s3.models")
    for _, one in scenario.each("buckets"):
        backend = models.s3_backends[one["account"]]["aws"]
        bucket = models.FakeBucket(one["name"], one["account"], one["region"])
        bucket.creation_date = scenario.clock or datetime.now(UTC)
        bucket.versioning_status = "Enabled" if one.get("versioning") else None
        if one.get("sse", "AES256") != "AES256":
            bucket.encryption = s3.encryption(one["sse"], one.get("key"))
        backend.buckets[one["name"]] = bucket


def _objects(world: World, scenario: Scenario) -> None:
    s3_backends = moto("s3.models").s3_backends
    for where, one in scenario.each("objects"):
        if one["bucket"] not in s3_backends.bucket_accounts:
            raise ScenarioError(f"{where}: bucket `{one['bucket']}` is not listed in `buckets`")
        partition, account = s3_backends.bucket_accounts[one["bucket"]]
        bucket = s3_backends[account][partition].buckets[one["bucket"]]
        applied = bucket.encryption["Rule"]["ApplyServerSideEncryptionByDefault"]
        sse = one.get("sse", applied["SSEAlgorithm"])
        key = one.get("key_arn") or applied.get("KMSMasterKeyID")
        if sse.startswith("aws:kms"):
            found = kms.resolve(key or "alias/aws/s3", bucket.account_id, bucket.region_name)
            key = found.arn if found is not None else key
        encryption = (None if sse == "none" else sse, key if sse.startswith("aws:kms") else None)
        at = moment(where, one["modified"]) if one.get("modified") else scenario.clock or datetime.now(UTC)
        content = b"" if "size" in one else scenario.content(where, one)
        s3.store(bucket, one["key"], content, one.get("size"), encryption, at.replace(microsecond=0))
        if one.get("denied"):
            world.denied_objects.add((one["bucket"], one["key"]))


def _repositories(world: World, scenario: Scenario) -> dict[str, str]:
    """`ACCOUNT/REGION/REPOSITORY:TAG` -> digest."""
    digests: dict[str, str] = {}
    for where, one in scenario.each("repositories"):
        backend = ecr.backend(one["account"], one["region"])
        exclusions = [{"filterType": "WILDCARD", "filter": text} for text in one.get("exclusions", [])]
        names = (
            "registry_id",
            "encryption_config",
            "image_scan_config",
            "image_tag_mutability_exclusion_filters",
            "tags",
        )
        repository = backend.create_repository(one["name"], image_tag_mutability="MUTABLE", **dict.fromkeys(names))
        repository._update_image_tag_mutability(one.get("mutability", "MUTABLE"), exclusions or None)
        repository.policy = json.dumps(one["policy"]) if one.get("policy") else None
        repository.created_at = scenario.clock or repository.created_at
        for image in one.get("images", []):
            at = moment(where, image["pushed"]) if image.get("pushed") else scenario.clock or datetime.now(UTC)
            digest = _image(world, repository, image, where, at)
            for tag in image.get("tags", []):
                digests[f"{one['account']}/{one['region']}/{one['name']}:{tag}"] = digest
    return digests


def _image(world: World, repository: Any, image: Mapping[str, Any], where: str, at: datetime) -> str:
    for child in image.get("children", []):
        _image(world, repository, child, where, at)
    manifest = image.get("index") or image.get("manifest")
    if not isinstance(manifest, dict):
        raise ScenarioError(f"{where}: image {image.get('tags', [])} has neither `manifest` nor `index`")
    text = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False)
    digest = ecr.digest_of(text.encode())
    if "config" in image:
        content = json.dumps(image["config"], separators=(",", ":"), ensure_ascii=False).encode()
        world.blobs[manifest.get("config", {}).get("digest") or ecr.digest_of(content)] = content
    stored = moto("ecr.models").Image(
        repository.account_id, None, text, repository.name, ecr.media_type(manifest), digest
    )
    for tag in image.get("tags", []):
        stored.update_tag(tag)
    stored.image_pushed_at = int(at.timestamp())
    if all(one.get_image_digest() != digest for one in repository.images):
        repository.images.append(stored)
    return digest


def _resolved(scenario: Scenario, digests: Mapping[str, str]) -> Scenario:
    """The scenario with `@digest:ACCOUNT/REGION/REPOSITORY:TAG` replaced wherever it stands."""

    def digest(match: re.Match[str]) -> str:
        if match["image"] not in digests:
            raise ScenarioError(f"{scenario.file}: `{match[0]}` names no image of the scenario")
        return digests[match["image"]]

    lists = {
        name: json.loads(_PLACEHOLDER.sub(digest, json.dumps(entries))) for name, entries in scenario.lists.items()
    }
    return replace(scenario, lists=lists)


def _groups(world: World, scenario: Scenario) -> None:
    for where, one in scenario.each("groups"):
        arn = f"arn:aws:sagemaker:{one['region']}:{one['account']}:model-package-group/{one['name']}"
        created = moment(where, one["created"]) if one.get("created") else scenario.clock or datetime.now(UTC)
        policy = json.dumps(one["policy"]) if one.get("policy") else None
        group = Group(
            one["name"],
            arn,
            created,
            one.get("description", ""),
            one.get("created_by", {}),
            dict(one.get("tags", {})),
            policy,
        )
        world.cell(one["account"], one["region"]).groups[one["name"]] = group


def _packages(world: World, scenario: Scenario) -> None:
    shape = operation_model("sagemaker", "DescribeModelPackage").output_shape
    for where, one in scenario.each("packages"):
        described = typed(f"{where}.describe", shape, one["describe"])
        match = _ARN.fullmatch(str(described.get("ModelPackageArn", "")))
        if match is None or not match["rest"].startswith("model-package/"):
            raise ScenarioError(f"{where}: `{described.get('ModelPackageArn')}` is not the ARN of a model package")
        key, cell = match["rest"].partition("/")[2], world.cell(match["account"], match["region"])
        group = described.get("ModelPackageGroupName")
        if group is not None and group not in cell.groups:
            raise ScenarioError(f"{where}: group `{group}` is not listed in `groups`")
        described.setdefault("ModelPackageName", key)
        described.setdefault("CreationTime", scenario.clock or datetime.now(UTC))
        described.setdefault("ModelPackageStatus", "Completed")
        described.setdefault("ModelPackageStatusDetails", {"ValidationStatuses": []})
        cell.packages[key] = described
        if group is None:
            cell.package_tags[key] = dict(one.get("tags", {}))


def _jobs(world: World, scenario: Scenario) -> None:
    for name, kind, operation in (
        ("training_jobs", "training-job", "DescribeTrainingJob"),
        ("processing_jobs", "processing-job", "DescribeProcessingJob"),
    ):
        shape = operation_model("sagemaker", operation).output_shape
        for where, one in scenario.each(name):
            match = _ARN.fullmatch(one["arn"])
            if match is None or not match["rest"].startswith(f"{kind}/"):
                raise ScenarioError(f"{where}: `{one['arn']}` is not the ARN of a {kind}")
            label = "TrainingJob" if kind == "training-job" else "ProcessingJob"
            job = match["rest"].partition("/")[2]
            own = {f"{label}Name": job, f"{label}Arn": one["arn"], "CreationTime": scenario.clock or datetime.now(UTC)}
            given = typed(where, shape, {key: value for key, value in one.items() if key != "arn"})
            world.cell(match["account"], match["region"]).jobs[kind, job] = {**own, **given}


def _cards(world: World, scenario: Scenario) -> None:
    shape = operation_model("sagemaker", "DescribeModelCard").output_shape
    for where, one in scenario.each("model_cards"):
        given = typed(where, shape, {key: value for key, value in one.items() if key not in ("account", "region")})
        name = given["ModelCardName"]
        own = {
            "ModelCardArn": f"arn:aws:sagemaker:{one['region']}:{one['account']}:model-card/{name}",
            "ModelCardVersion": 1,
            "ModelCardStatus": "Draft",
            "CreationTime": scenario.clock or datetime.now(UTC),
            "CreatedBy": {},
        }
        world.cell(one["account"], one["region"]).cards.setdefault(name, []).append({**own, **given})
