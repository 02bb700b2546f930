"""The dictionary of facts: every pointer that evidence may hold, its type, and where it is read.

A pointer is a path such as `/artifact/0/kms_key/manager`. A pattern has `*` for a member of a list and `{key}` for a
member of a map. Two conventions make a record self-describing:

- the members of `/artifact/*` are listed by the fact `/artifact_count`; a wildcard expands over that count, never over
  the facts in hand, so a member that was lost is unknown instead of gone;
- the members of `/tag/{key}` are listed by the fact `/tag_keys`; a key outside of it is absent.

The Cedar schema, the JSON Schema of evidence and `docs/facts.md` are generated from this table.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Literal

from msgspec import Struct

FactType = Literal["string", "long", "bool", "number", "set", "list", "time"]
"""`set`: strings without order. `list`: strings in order. `number`: any JSON number. `time`: UTC as `2026-11-22T02:10:00Z`."""


class FactKind(Struct, frozen=True):
    """One row of the dictionary."""

    pattern: str
    """Pointer with `*` for list members and `{key}` for map members."""
    type: FactType
    source: str
    """API and field as AWS spells them."""
    about: str
    """What the value means, where the name does not say it."""


def _rows(prefix: str, source: str, rows: str) -> list[FactKind]:
    """Parse `name type field about...` lines below one prefix; `field` is appended to the source."""
    kinds = []
    for line in filter(None, map(str.strip, rows.splitlines())):
        name, type_, field, *about = line.split(maxsplit=3)
        where = source if field == "-" else f"{source} {field}"
        kinds.append(FactKind(f"{prefix}/{name}", type_, where, about[0] if about else ""))  # type: ignore[arg-type]
    return kinds


_DESCRIBE = "sagemaker:DescribeModelPackage"

_KEY = """
arn            string  KeyMetadata.Arn
manager        string  KeyMetadata.KeyManager  CUSTOMER or AWS; absent where no KMS key is used
state          string  KeyMetadata.KeyState  Enabled, Disabled, PendingDeletion ...
origin         string  KeyMetadata.Origin  AWS_KMS, EXTERNAL, AWS_CLOUDHSM, EXTERNAL_KEY_STORE
rotation_enabled bool  GetKeyRotationStatus.KeyRotationEnabled  absent where the key has no key material of KMS (Origin is not AWS_KMS)
"""

_IMAGE = """
uri            string  Image  as the package states it
source         string  Image  HOST/REPOSITORY, without tag and digest
registry       string  Image  the account id of a private ECR registry; absent for other hosts
registry_region string Image  region of a private ECR registry; absent for other hosts
repository     string  Image  repository name
reference      string  Image  how it is given: tag, digest, tag and digest, or none (then latest is meant)
tag            string  Image  absent where the image is given by digest alone
pinned_digest  string  ImageDigest  sha256:... from ImageDigest, else from @sha256: in Image; absent where neither is given
"""

_ECR_IMAGE = """
resolved_digest string BatchGetImage.imageId.imageDigest  what the tag (else the digest) points to now; absent where ECR has no such image
pushed_at       time   DescribeImages.imagePushedAt
tag_mutability  string DescribeRepositories.imageTagMutability  MUTABLE, IMMUTABLE, MUTABLE_WITH_EXCLUSION, IMMUTABLE_WITH_EXCLUSION
tag_mutability_exclusions set DescribeRepositories.imageTagMutabilityExclusionFilters  wildcard filters such as release-*
tag_immutable  bool   DescribeRepositories.imageTagMutability  whether this very tag can be moved, its repository's filters considered; absent where the image has no tag
manifest_count  long   BatchGetImage.imageManifest  1, or one for each platform of an image index
"""

_MANIFEST = """
platform       string  imageManifest.manifests[].platform  os/architecture; absent for a single manifest
digest         string  imageId.imageDigest
layers         list    imageManifest.layers[].digest  from the base upwards
diff_ids       list    rootfs.diff_ids  of the image configuration, from the base upwards; unknown where the config was not read
"""

_ARTIFACT = """
container      long    -  index of the container that loads it; absent for that of a source algorithm
origin         string  -  the member of the description that names it: ModelDataUrl, ModelDataSource, AdditionalModelDataSources, AdditionalS3DataSource, SourceAlgorithms, BaseModel, or one that is not known here
location       string  -  S3 URI as the package states it
uri            string  -  S3 URI of the object; several objects below one S3Prefix are several artifacts
"""

_OBJECT = """
encryption/sse string  ServerSideEncryption  AES256, aws:kms, aws:kms:dsse
etag           string  ETag  a change marker, no content hash
version_id     string  VersionId  absent in a bucket without versioning
checksum_sha256 string ChecksumSHA256  absent where the uploader sent none
size           long    ContentLength
modified_at    time    LastModified
"""

_REPORT = """
uri            string  {leaf}.S3Uri
declared_digest string {leaf}.ContentDigest  absent where the pipeline set none
"""

_REPORT_OBJECT = """
state          string  -  valid or malformed; absent where the object does not exist
problem        string  -  why it is malformed; absent otherwise
content_sha256 string  -  sha256:... over the bytes that were read
etag           string  ETag
version_id     string  VersionId
modified_at    time    LastModified
"""

_TABLE: list[FactKind] = [
    *_rows(
        "/package",
        _DESCRIBE,
        """
arn            string  ModelPackageArn
account        string  ModelPackageArn  the owner
region         string  ModelPackageArn
partition      string  ModelPackageArn  aws, aws-cn, aws-us-gov
group          string  ModelPackageGroupName  absent for an unversioned package
version        long    ModelPackageVersion  absent for an unversioned package
status         string  ModelPackageStatus  Completed, Failed ...
registration_type string ModelPackageRegistrationType
created_at     time    CreationTime
modified_at    time    LastModifiedTime
source_uri     string  SourceUri
original_arn   string  CustomerMetadataProperties.OriginalARN  the package this one was copied from
realtime_instance_types set InferenceSpecification.SupportedRealtimeInferenceInstanceTypes
transform_instance_types set InferenceSpecification.SupportedTransformInstanceTypes
""",
    ),
    *_rows("/package/kms_key", "kms:DescribeKey", _KEY),
    FactKind("/package/kms_key/id", "string", f"{_DESCRIBE} SecurityConfig.KmsKeyId", "as the package states it"),
    *_rows(
        "/approval",
        _DESCRIBE,
        "status string ModelApprovalStatus  absent on unversioned packages\ndescription string ApprovalDescription",
    ),
    *_rows(
        "/life_cycle",
        _DESCRIBE,
        "stage string ModelLifeCycle.Stage\nstate string ModelLifeCycle  set, or none where the package has no life cycle\nstage_status string ModelLifeCycle.StageStatus",
    ),
    *_rows(
        "/creator",
        _DESCRIBE,
        """
principal      string  CreatedBy.IamIdentity.Arn  the IAM user or role, without the session
identity       string  CreatedBy.IamIdentity  the person where AWS names one (SourceIdentity, an IAM user, a session of IAM Identity Center), else the principal
kind           string  CreatedBy.IamIdentity  person, or role where nobody is named behind it
person         string  CreatedBy.IamIdentity  the person; absent where nobody is named behind the role
""",
    ),
    *_rows(
        "/approver",
        "cloudtrail:LookupEvents UpdateModelPackage",
        """
principal      string  userIdentity  the IAM user or role that last set the approval status, without the session
identity       string  userIdentity  as for the creator
kind           string  userIdentity  person or role
person         string  userIdentity  the person; absent where nobody is named behind the role
approved_at    time    eventTime
""",
    ),
    *_rows(
        "",
        _DESCRIBE,
        """
trainer_count  long    MetadataProperties.GeneratedBy  training jobs that the package or its card names
trainer/*/job  string  MetadataProperties.GeneratedBy  ARN, as the package or its card states it
""",
    ),
    *_rows(
        "/trainer/*",
        "sagemaker:DescribeTrainingJob",
        "principal string RoleArn\nstatus string TrainingJobStatus",
    ),
    *_rows(
        "/metadata_properties",
        _DESCRIBE,
        """
commit_id      string  MetadataProperties.CommitId
repository     string  MetadataProperties.Repository
generated_by   string  MetadataProperties.GeneratedBy
project_id     string  MetadataProperties.ProjectId
""",
    ),
    FactKind("/customer_metadata_keys", "set", f"{_DESCRIBE} CustomerMetadataProperties", ""),
    FactKind("/customer_metadata/{key}", "string", f"{_DESCRIBE} CustomerMetadataProperties", ""),
    FactKind(
        "/tag_keys",
        "set",
        "sagemaker:ListTags",
        "of the package, and of its group where the package has none of that key",
    ),
    FactKind("/tag/{key}", "string", "sagemaker:ListTags", ""),
    *_rows(
        "/group_policy",
        "sagemaker:GetModelPackageGroupPolicy",
        """
state          string  ResourcePolicy  valid or malformed; absent where the group has no policy
document       string  ResourcePolicy
principals     set     ResourcePolicy  every principal of every Allow statement
actions        set     ResourcePolicy  every action of every Allow statement
""",
    ),
    FactKind(
        "/container_count",
        "long",
        _DESCRIBE,
        "containers of InferenceSpecification and of every AdditionalInferenceSpecifications entry",
    ),
    *_rows(
        "/container/*",
        _DESCRIBE,
        """
specification  string  Name  InferenceSpecification, or the name of the additional specification
framework      string  Framework
framework_version string FrameworkVersion
environment_keys set   Environment  the names only; values may be secret
environment_sha256 string Environment  digest of names and values
base_model     string  BaseModel.HubContentName
""",
    ),
    *_rows("/container/*/image", f"{_DESCRIBE} Containers[]", _IMAGE),
    *_rows("/container/*/image", "ecr:", _ECR_IMAGE),
    *_rows("/container/*/image/manifest/*", "ecr:BatchGetImage", _MANIFEST),
    FactKind("/artifact_count", "long", _DESCRIBE, "objects that the containers load"),
    *_rows("/artifact/*", _DESCRIBE, _ARTIFACT),
    *_rows("/artifact/*", "s3:HeadObject", _OBJECT),
    *_rows("/artifact/*/kms_key", "kms:DescribeKey", _KEY),
    *_rows(
        "/card",
        _DESCRIBE,
        """
state          string  ModelCard  valid (a JSON object) or malformed; absent where there is no card
problem        string  ModelCard  why it is malformed; absent otherwise
origin         string  ModelCard  package (embedded) or standalone
status         string  ModelCardStatus
content_sha256 string  ModelCardContent  sha256:... over the text
schema_errors  list    ModelCardContent  what violates the card schema, in words; empty where nothing does
string_pointers list   ModelCardContent  the pointer of every text in the card
blank_pointers set     ModelCardContent  those of them without a visible character
bias_groups    set     evaluation_details[].metric_groups[].name  names of metric groups that hold bias metrics
explainability_groups set evaluation_details[].metric_groups[].name  names of metric groups that hold attributions
""",
    ),
    *_rows(
        "/card/content",
        "model card",
        """
model_overview/model_description string -
model_overview/model_creator string -
model_overview/model_owner string -
model_overview/algorithm_type string -
model_overview/problem_type string -
model_overview/model_artifact list -
intended_uses/purpose_of_model string -
intended_uses/intended_uses string -
intended_uses/factors_affecting_model_efficiency string -
intended_uses/risk_rating string - High, Medium, Low or Unknown
intended_uses/explanations_for_risk_rating string -
business_details/business_problem string -
business_details/business_stakeholders string -
business_details/line_of_business string -
training_details/training_job_details/training_arn string -
training_details/training_job_details/training_datasets list -
training_details/training_job_details/training_environment/container_image list -
training_details/training_observations string -
additional_information/ethical_considerations string -
additional_information/caveats_and_recommendations string -
evaluation_details_count long -
evaluation_details/*/name string -
evaluation_details/*/evaluation_observation string -
evaluation_details/*/datasets list -
evaluation_details/*/numeric_metric_count long - metrics of type number with a finite value
""",
    ),
    FactKind(
        "/card/text/{key}", "string", "model card", "texts outside the fields above, keyed by their path in the card"
    ),
    FactKind(
        "/bias_report_count",
        "long",
        f"{_DESCRIBE} ModelMetrics.Bias",
        "leaves with an S3Uri; 0 for an empty Bias object",
    ),
    FactKind(
        "/bias_report/*/kind",
        "string",
        f"{_DESCRIBE} ModelMetrics.Bias",
        "Report, PreTrainingReport or PostTrainingReport",
    ),
    *_rows("/bias_report/*", f"{_DESCRIBE} ModelMetrics.Bias", _REPORT.replace("{leaf}", "*")),
    *_rows("/bias_report/*", "s3:GetObject", _REPORT_OBJECT),
    *_rows(
        "/bias_report/*",
        "analysis.json",
        """
label          string  label
positive_label string  label_value_or_threshold
has_pre_training bool  pre_training_bias_metrics
has_post_training bool post_training_bias_metrics
facet_count    long    facets.*[]  one for each section, facet and value
""",
    ),
    *_rows(
        "/bias_report/*/facet/*",
        "analysis.json",
        """
section        string  -  pre_training or post_training
name           string  facets.*
value_or_threshold string value_or_threshold  text: one value, a comma list or an interval
metric_count   long    metrics[]
""",
    ),
    *_rows(
        "/bias_report/*/facet/*/metric/*",
        "analysis.json",
        """
name           string  metrics[].name
state          string  metrics[].value  number, infinite or undefined (null, NaN, an error, or no number at all)
value          number  metrics[].value  finite; the text Infinity or -Infinity where infinite; unknown where undefined
error          string  metrics[].error
""",
    ),
    *_rows("/evaluation", f"{_DESCRIBE}", _REPORT.replace("{leaf}", "ModelMetrics.ModelQuality.Statistics")),
    *_rows("/evaluation", "s3:GetObject", _REPORT_OBJECT),
    *_rows(
        "/evaluation",
        "evaluation.json",
        "metric_count long -\nlabel_count long confusion_matrix 0 where the report holds no confusion matrix",
    ),
    *_rows(
        "/evaluation/metric/*",
        "evaluation.json",
        "name string - with its problem type: binary_classification_metrics.auc\nstate string - number, infinite or undefined\nvalue number -",
    ),
    *_rows(
        "/evaluation/label/*",
        "evaluation.json",
        "name string confusion_matrix\nobserved number confusion_matrix rows that have this label\npredicted number confusion_matrix rows that were given this label",
    ),
    *_rows("/explainability", _DESCRIBE, _REPORT.replace("{leaf}", "ModelMetrics.Explainability.Report")),
    # Facts of the request and of the reference, which controls read like those of the package.
    *_rows(
        "/request",
        "request",
        """
stage          string  -
moment         string  -  approve, deploy or serve
as_of          time    -
principal/state string -  proven (sts:GetCallerIdentity), asserted (--principal) or none (a scan has no principal)
principal/principal string - the IAM user or role, without the session
principal/identity string -
principal/kind string -
principal/person string - absent where nobody is named behind the role
""",
    ),
    FactKind("/reference/base_image_count", "long", "parameter approved_base_images", ""),
    *_rows(
        "/reference/base_image/*",
        "ecr:BatchGetImage",
        "uri string - as the parameter states it\nresolved_digest string imageId.imageDigest\nmanifest_count long imageManifest",
    ),
    *_rows("/reference/base_image/*/manifest/*", "ecr:BatchGetImage", _MANIFEST),
]

KEYED: dict[str, str] = {"/tag/": "/tag_keys", "/customer_metadata/": "/customer_metadata_keys"}
"""Prefix of a map's members -> the fact that lists its keys; a key that is not listed is absent."""


@cache
def kinds() -> dict[str, FactKind]:
    """Pattern -> row, in the order of the table. Patterns are unique."""
    return {kind.pattern: kind for kind in _TABLE}


@cache
def lists() -> frozenset[FactKind]:
    """The counts that list members; other counts only count."""
    heads = {pattern[: at.start()] for pattern in kinds() for at in re.finditer(r"/\*", pattern)}
    return frozenset(kind for kind in kinds().values() if kind.pattern.removesuffix("_count") in heads)


def escape(key: str) -> str:
    """A key as one segment of a pointer (RFC 6901: `~` is `~0`, `/` is `~1`)."""
    return key.replace("~", "~0").replace("/", "~1")


def unescape(segment: str) -> str:
    """The law: `unescape(escape(key)) == key`."""
    return segment.replace("~1", "/").replace("~0", "~")


@lru_cache(maxsize=65_536)
def kind_of(pointer: str) -> FactKind | None:
    """The row that a concrete pointer or pattern falls under; None for a pointer outside of the dictionary."""
    table = kinds()
    if pointer in table:
        return table[pointer]
    segments = ["*" if s.isdigit() else s for s in pointer.split("/")]
    pattern = "/".join(segments)
    if pattern in table:
        return table[pattern]
    for prefix in (*KEYED, "/card/text/"):
        if pointer.startswith(prefix):
            return table[f"{prefix}{{key}}"]
    return None
