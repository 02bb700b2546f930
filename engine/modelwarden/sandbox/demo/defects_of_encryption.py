"""Defects of encryption."""

from __future__ import annotations

from modelwarden.sandbox.demo import estate
from modelwarden.sandbox.demo.damage import Change, defect, trait
from modelwarden.sandbox.demo.draft import Draft


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
defect("artifact-key-unapproved", ENC_02="fail")(_artifact_key("scratch"))
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
    source = {
        "S3Uri": f"s3://{draft.bucket}/{draft.prefix}/model/",
        "S3DataType": "S3Prefix",
        "CompressionType": "None",
    }
    draft.container["ModelDataSource"] = {"S3DataSource": source}


@defect("one-of-many-without-key", ENC_02="fail", ENC_06="fail")
def _one_of_many_without_key(draft: Draft) -> None:
    _model_data_source(draft)
    one = draft.object("weights-00002.safetensors")
    one["sse"] = "AES256"
    del one["key_arn"]
