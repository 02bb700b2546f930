"""What can be wrong with a package of the demo, and which findings each defect must lead to.

A defect damages a draft; `FINDINGS` is the oracle. Entries of `TRAITS` damage nothing: they are unusual, and must pass.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from modelwarden.sandbox.demo import estate
from modelwarden.sandbox.demo.draft import APPROVER, TRAINER_ROLE, Draft, iso

Json = dict[str, Any]
Change = Callable[[Draft], None]

CHANGES: dict[str, Change] = {}
FINDINGS: dict[str, dict[str, str]] = {}
"""defect -> control -> fail or unknown, at the level of evidence: whether it blocks is the settings' concern"""

_NO_REPORT = {"BIAS-02": "unknown", "BIAS-03": "unknown"}
_BLIND = tuple("ENC-01 ENC-02 ENC-06 IMG-01 IMG-02 IMG-03 IMG-04 CARD-01 CARD-02 CARD-03 CARD-04 CARD-07".split())


def defect(name: str, **findings: str) -> Callable[[Change], Change]:
    """Register a change under its name; findings as `ENC_02="fail"`."""

    def register(change: Change) -> Change:
        CHANGES[name] = change
        FINDINGS[name] = {control.replace("_", "-"): outcome for control, outcome in findings.items()}
        return change

    return register


def trait(name: str) -> Callable[[Change], Change]:
    """Register a change that must lead to no finding."""
    return defect(name)


# --- encryption -------------------------------------------------------------------------------------------------------


@defect("no-package-key", ENC_01="fail", ENC_06="fail")
def _no_package_key(draft: Draft) -> None:
    del draft.describe["SecurityConfig"]


@defect("package-key-of-aws", ENC_01="fail")
def _package_key_of_aws(draft: Draft) -> None:
    key = estate.key_arn(draft.group.account, draft.group.region, "aws-s3")
    draft.describe["SecurityConfig"] = {"KmsKeyId": key}


@defect("artifact-without-key", ENC_02="fail", ENC_06="fail")
def _artifact_without_key(draft: Draft) -> None:
    artifact = draft.object("model.tar.gz")
    artifact["sse"] = "AES256"
    del artifact["key_arn"]


@defect("artifact-key-of-aws", ENC_02="fail")
def _artifact_key_of_aws(draft: Draft) -> None:
    key = estate.key_arn(draft.group.account, draft.group.region, "aws-s3")
    draft.object("model.tar.gz")["key_arn"] = key


@defect("artifact-unreadable", ENC_02="unknown", ENC_06="unknown")
def _artifact_unreadable(draft: Draft) -> None:
    draft.object("model.tar.gz")["denied"] = True


def _artifact_key(name: str) -> Change:
    def change(draft: Draft) -> None:
        draft.object("model.tar.gz")["key_arn"] = estate.key_arn(draft.group.account, draft.group.region, name)

    return change


defect("artifact-key-unreadable", ENC_02="unknown", ENC_06="unknown")(_artifact_key("sealed"))
defect("artifact-key-disabled", ENC_06="fail")(_artifact_key("disabled"))
defect("artifact-key-leaving", ENC_06="fail")(_artifact_key("leaving"))
defect("artifact-key-unrotated", ENC_06="fail")(_artifact_key("unrotated"))


@trait("model-data-source")
def _model_data_source(draft: Draft) -> None:
    """Uncompressed model below a prefix instead of one archive."""
    draft.objects.remove(draft.object("model.tar.gz"))
    for name in ("model/weights-00001.safetensors", "model/weights-00002.safetensors", "model/config.json"):
        draft.put(name, size=2048)
    del draft.container["ModelDataUrl"]
    source = {"S3Uri": f"s3://{draft.bucket}/{draft.prefix}/model/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    draft.container["ModelDataSource"] = {"S3DataSource": source}


@defect("one-of-many-without-key", ENC_02="fail", ENC_06="fail")
def _one_of_many_without_key(draft: Draft) -> None:
    _model_data_source(draft)
    one = draft.object("weights-00002.safetensors")
    one["sse"] = "AES256"
    del one["key_arn"]


# --- images -----------------------------------------------------------------------------------------------------------


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


# --- model card -------------------------------------------------------------------------------------------------------


def _card(draft: Draft) -> Json:
    if draft.card is None:
        raise ValueError("an earlier defect took the card away")
    return draft.card


def _raw_card(draft: Draft, text: str) -> None:
    draft.card = None
    draft.describe["ModelCard"] = {"ModelCardContent": text, "ModelCardStatus": "Approved"}


@defect("card-missing", CARD_01="fail", CARD_02="unknown", CARD_03="fail", CARD_04="fail", CARD_07="unknown")
def _card_missing(draft: Draft) -> None:
    draft.card = None


@defect("card-not-json", CARD_01="fail", CARD_02="unknown", CARD_03="unknown", CARD_04="unknown", CARD_07="unknown")
def _card_not_json(draft: Draft) -> None:
    _raw_card(draft, json.dumps(_card(draft), ensure_ascii=False)[:900])


@defect("card-empty", CARD_03="fail", CARD_04="fail")
def _card_empty(draft: Draft) -> None:
    _raw_card(draft, "{}")


@trait("card-encoded-twice")
def _card_encoded_twice(draft: Draft) -> None:
    _raw_card(draft, json.dumps(json.dumps(_card(draft), ensure_ascii=False), ensure_ascii=False))


@trait("standalone-card")
def _standalone_card(draft: Draft) -> None:
    """No card in the package; a standalone one names the package as its model."""
    content = _card(draft)
    content["model_overview"] = {
        "model_id": draft.arn,
        "model_name": f"{draft.group.name}-{draft.version}",
        **content["model_overview"],
        "inference_environment": {"container_image": [draft.container["Image"]]},
    }
    name = f"{draft.group.name}-{draft.version}"
    draft.describe["CustomerMetadataProperties"]["model_card_name"] = name
    draft.card = None
    draft.standalone.append(
        {
            "account": draft.group.account,
            "region": draft.group.region,
            "ModelCardName": name,
            "ModelCardStatus": "Approved",
            "Content": json.dumps(content, ensure_ascii=False, separators=(",", ":")),
            "CreationTime": iso(draft.created),
        }
    )


@defect("card-with-invented-key", CARD_02="fail")
def _card_with_invented_key(draft: Draft) -> None:
    _card(draft)["model_overview"]["training_job_name"] = draft.job["TrainingJobName"]


@defect("card-metric-as-text", CARD_02="fail")
def _card_metric_as_text(draft: Draft) -> None:
    data = _card(draft)["evaluation_details"][0]["metric_groups"][0]["metric_data"]
    accuracy = next(metric for metric in data if metric["name"] == "accuracy")
    accuracy["value"] = str(accuracy["value"])


@defect("card-without-ethics", CARD_03="fail")
def _card_without_ethics(draft: Draft) -> None:
    del _card(draft)["additional_information"]["ethical_considerations"]


@defect("card-without-owner", CARD_03="fail")
def _card_without_owner(draft: Draft) -> None:
    del _card(draft)["model_overview"]["model_owner"]


@defect("card-not-approved", CARD_03="fail")
def _card_not_approved(draft: Draft) -> None:
    draft.describe["ModelCard"] = {"ModelCardStatus": "Draft"}


@defect("evaluated-on-training-data", CARD_03="fail")
def _evaluated_on_training_data(draft: Draft) -> None:
    content = _card(draft)
    trained_on = content["training_details"]["training_job_details"]["training_datasets"]
    content["evaluation_details"][0]["datasets"] = list(trained_on)


@defect("placeholder-purpose", CARD_03="fail", CARD_07="fail")
def _placeholder_purpose(draft: Draft) -> None:
    _card(draft)["intended_uses"]["purpose_of_model"] = "TBD"


@defect("placeholder-observation", CARD_07="fail")
def _placeholder_observation(draft: Draft) -> None:
    _card(draft)["training_details"]["training_observations"] = "TODO"


@trait("card-in-another-script")
def _card_in_another_script(draft: Draft) -> None:
    uses = "정기 배송 고객의 해지 가능성을 매주 추정하여 상담 대상을 고르는 데 사용합니다."
    _card(draft)["intended_uses"]["intended_uses"] = uses


@defect("rating-in-lower-case", CARD_02="fail", CARD_04="fail")
def _rating_in_lower_case(draft: Draft) -> None:
    _card(draft)["intended_uses"]["risk_rating"] = "high"


@defect("rating-unknown", CARD_04="fail")
def _rating_unknown(draft: Draft) -> None:
    _card(draft)["intended_uses"]["risk_rating"] = "Unknown"


@defect("rating-missing", CARD_03="fail", CARD_04="fail")
def _rating_missing(draft: Draft) -> None:
    del _card(draft)["intended_uses"]["risk_rating"]


@defect("rating-unexplained", CARD_03="fail", CARD_04="fail")
def _rating_unexplained(draft: Draft) -> None:
    del _card(draft)["intended_uses"]["explanations_for_risk_rating"]


# --- evaluation and bias ----------------------------------------------------------------------------------------------


@defect("evaluation-missing", EVAL_01="fail", BIAS_04="unknown")
def _evaluation_missing(draft: Draft) -> None:
    draft.describe["ModelMetrics"]["ModelQuality"] = {}
    draft.objects.remove(draft.object("evaluation.json"))


@defect("evaluation-malformed", EVAL_01="fail", BIAS_04="unknown")
def _evaluation_malformed(draft: Draft) -> None:
    report = draft.object("evaluation.json")
    del report["file"]
    report["text"] = '{"binary_classification_metrics": {"accuracy": {"value": 0.91'
    del draft.describe["ModelMetrics"]["ModelQuality"]["Statistics"]["ContentDigest"]


@defect("evaluation-changed", EVAL_01="fail")
def _evaluation_changed(draft: Draft) -> None:
    draft.describe["ModelMetrics"]["ModelQuality"]["Statistics"]["ContentDigest"] = "sha256:" + "5a" * 32


@defect("evaluation-unreadable", EVAL_01="unknown", BIAS_04="unknown")
def _evaluation_unreadable(draft: Draft) -> None:
    draft.object("evaluation.json")["denied"] = True


@defect("bias-empty", BIAS_01="fail", **{k.replace("-", "_"): v for k, v in _NO_REPORT.items()})
def _bias_empty(draft: Draft) -> None:
    draft.describe["ModelMetrics"]["Bias"] = {}
    draft.objects.remove(draft.object("bias/analysis.json"))


@defect("bias-malformed", BIAS_01="fail", BIAS_02="unknown", BIAS_03="unknown")
def _bias_malformed(draft: Draft) -> None:
    report = draft.object("bias/analysis.json")
    del report["file"]
    report["text"] = '{"version": "1.0", "post_training_bias_metrics": {"facets": {"sex": ['


@defect("bias-unreadable", BIAS_01="unknown", BIAS_02="unknown", BIAS_03="unknown")
def _bias_unreadable(draft: Draft) -> None:
    draft.object("bias/analysis.json")["denied"] = True


def _told_by_the_model(draft: Draft) -> None:
    """The defect lies in the model that the version was built from; its reports say so."""


defect("biased", BIAS_02="fail")(_told_by_the_model)
defect("constant-predictor", BIAS_02="unknown", BIAS_04="fail")(_told_by_the_model)
defect("constant-by-confusion-matrix", BIAS_04="fail")(_told_by_the_model)
defect("metric-undefined", BIAS_02="unknown", BIAS_03="fail")(_told_by_the_model)
defect("metric-infinite", BIAS_02="fail", BIAS_03="fail")(_told_by_the_model)
defect("no-post-training-section", BIAS_01="fail", BIAS_02="unknown", BIAS_03="fail")(_told_by_the_model)
defect("attribute-not-reported", BIAS_01="fail", BIAS_02="unknown", BIAS_03="fail", CARD_03="fail")(_told_by_the_model)
defect("no-confusion-matrix", BIAS_04="unknown")(_told_by_the_model)
defect("tag-missing-on-group", HYG_01="fail")(_told_by_the_model)
defect(
    "account-not-readable",
    **dict.fromkeys((c.replace("-", "_") for c in (*_BLIND, "EVAL-01", "BIAS-04", "APR-02", "HYG-01")), "unknown"),
)(_told_by_the_model)


# --- approval ---------------------------------------------------------------------------------------------------------


@defect("approver-is-creator", APR_02="fail")
def _approver_is_creator(draft: Draft) -> None:
    """The creator signs in with another role; SourceIdentity and the session of IAM Identity Center tell."""
    identity = draft.describe["CreatedBy"]["IamIdentity"]
    person = identity.get("SourceIdentity") or identity["Arn"].rpartition("/")[2]
    if "@" not in person:
        raise ValueError(f"nobody is named behind {identity['Arn']}")
    draft.principal = APPROVER.rpartition("/")[0] + "/" + person


@defect("approver-is-trainer", APR_02="fail")
def _approver_is_trainer(draft: Draft) -> None:
    draft.principal = f"arn:aws:sts::{draft.group.account}:assumed-role/{TRAINER_ROLE}/console"


def _approve(draft: Draft, who: str) -> None:
    approved = draft.created + timedelta(days=2)
    group = draft.group
    role, _, session = who.partition("assumed-role/")[2].partition("/")
    account = who.split(":")[4]
    issuer = {
        "type": "Role",
        "arn": f"arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/{role}",
        "accountId": account,
        "userName": role,
    }
    draft.describe.update(
        ModelApprovalStatus="Approved",
        ApprovalDescription="approved after review of the card and the reports",
        LastModifiedTime=iso(approved),
        ModelLifeCycle={"Stage": "Production", "StageStatus": "Approved"},
    )
    event = {
        "eventVersion": "1.09",
        "eventID": f"{group.name}-{draft.version}-approved",
        "eventTime": iso(approved),
        "eventSource": "sagemaker.amazonaws.com",
        "eventName": "UpdateModelPackage",
        "awsRegion": group.region,
        "recipientAccountId": group.account,
        "userIdentity": {
            "type": "AssumedRole",
            "arn": who,
            "accountId": account,
            "principalId": f"AROAEXAMPLEEXAMPLE000:{session}",
            "sessionContext": {"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "true"}},
        },
        "requestParameters": {"modelPackageArn": draft.arn, "modelApprovalStatus": "Approved"},
        "responseElements": {"modelPackageArn": draft.arn},
        "resources": [{"ARN": draft.arn, "accountId": group.account, "type": "AWS::SageMaker::ModelPackage"}],
        "readOnly": False,
    }
    draft.trail.append({"account": group.account, "region": group.region, "event": event})


@trait("approved")
def _approved(draft: Draft) -> None:
    _approve(draft, APPROVER)


@defect("approved-by-creator", APR_02="fail")
def _approved_by_creator(draft: Draft) -> None:
    _approver_is_creator(draft)
    _approve(draft, draft.principal)
    draft.principal = APPROVER


@defect("approval-not-in-trail", APR_02="unknown")
def _approval_not_in_trail(draft: Draft) -> None:
    _approve(draft, APPROVER)
    draft.trail.clear()


@defect("not-approved", APR_01="fail", APR_02="unknown")
def _not_approved(draft: Draft) -> None:
    draft.describe["ModelApprovalStatus"] = "PendingManualApproval"


@defect("rejected", APR_01="fail")
def _rejected(draft: Draft) -> None:
    _approve(draft, APPROVER)
    draft.describe.update(ModelApprovalStatus="Rejected", ApprovalDescription="the fairness panel asked for another version")
    draft.trail[0]["event"]["requestParameters"]["modelApprovalStatus"] = "Rejected"


# --- other oddities ---------------------------------------------------------------------------------------------------


@trait("hostile-text")
def _hostile_text(draft: Draft) -> None:
    draft.describe["ModelPackageDescription"] = "<script>alert(1)</script> \x1b[31mred\x1b[0m =1+1 \u202eeslaf\u202c \x00 ]]>"
    draft.describe["CustomerMetadataProperties"]["note"] = "::error file=x::%0A|a|b|\n# heading `code` ${jndi:ldap://x}"
    _card(draft)["model_overview"]["model_description"] = (
        "Estimates churn <img src=x onerror=alert(1)> \x07 and rings the bell of a terminal."
    )


@trait("unversioned")
def _unversioned(draft: Draft) -> None:
    """A package outside of any group: no version, no approval status, tags of its own."""
    group, name = draft.group, f"{draft.group.name}-single"
    arn = f"arn:aws:sagemaker:{group.region}:{group.account}:model-package/{name}"
    for field in ("ModelPackageGroupName", "ModelPackageVersion", "ModelApprovalStatus", "ModelLifeCycle"):
        del draft.describe[field]
    draft.describe.update(ModelPackageName=name, ModelPackageArn=arn)
    draft.tags = group.all_tags()
