"""Who may publish and who may ask, and the role by which QuickSight asks. Each grant names what it is for."""

from __future__ import annotations

from typing import Any

from scripts.analytics.cloudformation import argued, arn_of, nothing, ref, sub, when


def key_arn() -> Any:
    """The key of data and results: the stack's own, or one that was there."""
    return when("CreateKey", arn_of("Key"), ref("KeyArn"))


def _publishing() -> list[dict[str, Any]]:
    """What `modelwarden publish` calls."""
    return [
        argued(
            "What lies below this prefix is published, and nothing else is written.",
            _allow("Publish", ["s3:PutObject"], sub("${Bucket.Arn}/tables/*")),
        ),
        argued(
            "One object for each scan that is shown.",
            _allow("ReadWhatIsShown", ["s3:GetObject"], sub("${Bucket.Arn}/tables/runs/*")),
        ),
        argued(
            "Without it S3 does not say that an object is not there.",
            _allow(
                "ListWhatIsShown",
                ["s3:ListBucket"],
                arn_of("Bucket"),
                {"StringLike": {"s3:prefix": "tables/runs/*"}},
            ),
        ),
        _allow("Key", ["kms:GenerateDataKey", "kms:Decrypt"], key_arn(), _by_s3()),
    ]


def _asking() -> list[dict[str, Any]]:
    """What it takes to put a question to Athena: to read the tables, and to write and read results."""
    queries = ("StartQueryExecution", "StopQueryExecution", "GetQueryExecution", "GetQueryResults")
    more = ("GetQueryResultsStream", "BatchGetQueryExecution", "GetWorkGroup")
    named = ("ListNamedQueries", "GetNamedQuery", "BatchGetNamedQuery")
    group = sub("arn:${AWS::Partition}:athena:${AWS::Region}:${AWS::AccountId}:workgroup/${WorkGroup}")
    glue = "arn:${AWS::Partition}:glue:${AWS::Region}:${AWS::AccountId}"
    catalog = [sub(f"{glue}:catalog"), sub(f"{glue}:database/${{Database}}"), sub(f"{glue}:table/${{Database}}/*")]
    results = ("GetObject", "PutObject", "AbortMultipartUpload", "ListMultipartUploadParts")
    prefixes = {"StringLike": {"s3:prefix": ["tables/*", "results/*"]}}
    return [
        _allow("Ask", [f"athena:{name}" for name in (*queries, *more, *named)], group),
        argued(
            "The tables of one database.",
            _allow("Catalog", ["glue:GetDatabase", "glue:GetTable", "glue:GetTables"], catalog),
        ),
        argued("The files of all tables.", _allow("Tables", ["s3:GetObject"], sub("${Bucket.Arn}/tables/*"))),
        argued(
            "Athena writes results with the rights of whoever asks, under names of its own.",
            _allow("Results", [f"s3:{name}" for name in results], sub("${Bucket.Arn}/results/*")),
        ),
        argued(
            "Athena lists the days of a table, and its results.",
            _allow("List", ["s3:ListBucket"], arn_of("Bucket"), prefixes),
        ),
        _allow("Location", ["s3:GetBucketLocation"], arn_of("Bucket")),
        _allow("Key", ["kms:GenerateDataKey", "kms:Decrypt"], key_arn(), _by_s3()),
    ]


def _allow(sid: str, actions: list[str], resource: Any, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def _by_s3() -> dict[str, Any]:
    return {"StringEquals": {"kms:ViaService": sub("s3.${AWS::Region}.${AWS::URLSuffix}")}}


def policies() -> dict[str, Any]:
    def policy(about: str, statements: list[dict[str, Any]]) -> dict[str, Any]:
        document = {"Version": "2012-10-17", "Statement": statements}
        return {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"Description": about, "PolicyDocument": document}}

    role = {
        "Type": "AWS::IAM::Role",
        "Condition": "WithQuickSight",
        "Properties": {
            "Description": "QuickSight asks Athena by it.",
            "PermissionsBoundary": when("Bounded", ref("PermissionsBoundary"), nothing()),
            "ManagedPolicyArns": [ref("Analyst")],
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "quicksight.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                        "Condition": {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}},
                    }
                ],
            },
        },
    }
    return {
        "Publisher": policy("For the role that runs modelwarden publish.", _publishing()),
        "Analyst": policy("For whoever asks Athena.", _asking()),
        "QuickSightRole": role,
    }
