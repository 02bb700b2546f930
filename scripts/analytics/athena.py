"""`deploy/analytics.yaml`: a bucket for published scans, their tables in Glue, a workgroup of Athena with its questions."""

from __future__ import annotations

from typing import Any, Final

from scripts.analytics.access import key_arn, policies
from scripts.analytics.cloudformation import argued, arn_of, ref, sub
from scripts.analytics.questions import QUESTIONS

from modelwarden.analytics.tables import PARTITION, TABLES, Kind, Table

GLUE: Final[dict[Kind, str]] = {
    "text": "string",
    "count": "bigint",
    "number": "double",
    "flag": "boolean",
    "time": "timestamp",
    "day": "date",
}
_DESCRIPTION: Final = (
    "modelwarden analytics: where `modelwarden publish` puts scans, their tables in Glue, and a workgroup of Athena with "
    "named queries. Deploy it once, in the account in which the scan runs. Linted, and its queries run over published "
    "scans by another engine; never deployed to AWS by the tests of this project."
)


def _parameters() -> dict[str, Any]:
    return {
        "Database": {
            "Type": "String",
            "Default": "modelwarden",
            "AllowedPattern": "^[a-z][a-z0-9_]{0,99}$",
            "Description": "Database in the Glue catalog, which this stack creates.",
        },
        "KeyArn": {
            "Type": "String",
            "Default": "",
            "AllowedPattern": "^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?$",
            "Description": "KMS key of this region for data and results; empty creates one.",
        },
        "KeepDays": {
            "Type": "Number",
            "Default": 800,
            "MinValue": 400,
            "MaxValue": 1090,
            "Description": "How long published scans are kept; the longest question looks 400 days back.",
        },
        "ResultDays": {
            "Type": "Number",
            "Default": 7,
            "MinValue": 1,
            "Description": "How long results of queries are kept.",
        },
        "BytesLimit": {
            "Type": "Number",
            "Default": 10_737_418_240,
            "MinValue": 10_000_000,
            "Description": "Bytes that one query may read; a query that would read more is cancelled.",
        },
        "QuickSight": {
            "Type": "String",
            "Default": "no",
            "AllowedValues": ["yes", "no"],
            "Description": "Whether a role for QuickSight is created, which deploy/dashboard.yaml needs.",
        },
        "PermissionsBoundary": {
            "Type": "String",
            "Default": "",
            "AllowedPattern": "^(arn:[a-z-]+:iam::[0-9]{12}:policy/.+)?$",
            "Description": "Boundary of that role; empty for none.",
        },
    }


def _storage() -> dict[str, Any]:
    key = {
        "Type": "AWS::KMS::Key",
        "Condition": "CreateKey",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "Description": "modelwarden analytics",
            "EnableKeyRotation": True,
            "KeyPolicy": {
                "Version": "2012-10-17",
                "Statement": [
                    argued(
                        "Who may use the key is for the policies of this account to say; the resource is this key.",
                        {
                            "Sid": "Account",
                            "Effect": "Allow",
                            "Principal": {"AWS": sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")},
                            "Action": "kms:*",
                            "Resource": "*",
                        },
                    )
                ],
            },
        },
    }
    rules = [
        {"Id": "tables", "Prefix": "tables/", "Status": "Enabled", "ExpirationInDays": ref("KeepDays")},
        {"Id": "results", "Prefix": "results/", "Status": "Enabled", "ExpirationInDays": ref("ResultDays")},
        {
            "Id": "leftovers",
            "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2},
        },
    ]
    encryption = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn()}
    bucket = {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    {"BucketKeyEnabled": True, "ServerSideEncryptionByDefault": encryption}
                ]
            },
            "LifecycleConfiguration": {"Rules": rules},
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "VersioningConfiguration": {"Status": "Enabled"},
        },
    }
    policy = {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {
            "Bucket": ref("Bucket"),
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    argued(
                        "Denies, so that it says everybody and everything.",
                        {
                            "Sid": "EncryptedTransportOnly",
                            "Effect": "Deny",
                            "Principal": "*",
                            "Action": "s3:*",
                            "Resource": [arn_of("Bucket"), sub("${Bucket.Arn}/*")],
                            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                        },
                    )
                ],
            },
        },
    }
    return {"Key": key, "Bucket": bucket, "BucketPolicy": policy}


def _catalog() -> dict[str, Any]:
    database = {
        "Type": "AWS::Glue::Database",
        "Properties": {
            "CatalogId": ref("AWS::AccountId"),
            "DatabaseInput": {"Name": ref("Database"), "Description": "What the scans of modelwarden found."},
        },
    }
    return {"GlueDatabase": database} | {f"{camel(name)}Table": _table(table) for name, table in TABLES.items()}


def _table(table: Table) -> dict[str, Any]:
    """No partition is ever added: Athena makes them of the days of the last three years."""
    projection = {
        "projection.enabled": "true",
        f"projection.{PARTITION}.type": "date",
        f"projection.{PARTITION}.format": "yyyy-MM-dd",
        f"projection.{PARTITION}.range": "NOW-3YEARS,NOW+1DAYS",
        f"projection.{PARTITION}.interval": "1",
        f"projection.{PARTITION}.interval.unit": "DAYS",
    }
    hive = "org.apache.hadoop.hive.ql.io.parquet"
    columns = [{"Name": one.name, "Type": GLUE[one.kind], "Comment": one.meaning} for one in table.columns]
    return {
        "Type": "AWS::Glue::Table",
        "Properties": {
            "CatalogId": ref("AWS::AccountId"),
            "DatabaseName": ref("GlueDatabase"),
            "TableInput": {
                "Name": table.name,
                "Description": table.meaning,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", **projection},
                "PartitionKeys": [
                    {"Name": PARTITION, "Type": "string", "Comment": "day (UTC) on which the scan began"}
                ],
                "StorageDescriptor": {
                    "Columns": columns,
                    "Location": sub(f"s3://${{Bucket}}/tables/{table.name}/"),
                    "InputFormat": f"{hive}.MapredParquetInputFormat",
                    "OutputFormat": f"{hive}.MapredParquetOutputFormat",
                    "SerdeInfo": {"SerializationLibrary": f"{hive}.serde.ParquetHiveSerDe"},
                },
            },
        },
    }


def _athena() -> dict[str, Any]:
    group = {
        "Type": "AWS::Athena::WorkGroup",
        "Properties": {
            "Name": ref("AWS::StackName"),
            "Description": "Questions about published scans.",
            "RecursiveDeleteOption": False,
            "WorkGroupConfiguration": {
                "BytesScannedCutoffPerQuery": ref("BytesLimit"),
                "EnforceWorkGroupConfiguration": True,
                "EngineVersion": {"SelectedEngineVersion": "Athena engine version 3"},
                "PublishCloudWatchMetricsEnabled": True,
                "RequesterPaysEnabled": False,
                "ResultConfiguration": {
                    "EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": key_arn()},
                    "ExpectedBucketOwner": ref("AWS::AccountId"),
                    "OutputLocation": sub("s3://${Bucket}/results/"),
                },
            },
        },
    }
    queries = {
        f"{camel(one.name)}Query": {
            "Type": "AWS::Athena::NamedQuery",
            "Properties": {
                "Name": one.title,
                "Description": one.meaning,
                "Database": ref("GlueDatabase"),
                "WorkGroup": ref("WorkGroup"),
                "QueryString": sub(one.sql),
            },
        }
        for one in QUESTIONS.values()
    }
    return {"WorkGroup": group, **queries}


def _output(about: str, value: Any, name: str = "", condition: str = "") -> dict[str, Any]:
    return {
        **({"Condition": condition} if condition else {}),
        "Description": about,
        "Value": value,
        **({"Export": {"Name": sub(f"${{AWS::StackName}}-{name}")}} if name else {}),
    }


def template() -> dict[str, Any]:
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": _DESCRIPTION,
        "Parameters": _parameters(),
        "Conditions": {
            "CreateKey": {"Fn::Equals": [ref("KeyArn"), ""]},
            "WithQuickSight": {"Fn::Equals": [ref("QuickSight"), "yes"]},
            "Bounded": {"Fn::Not": [{"Fn::Equals": [ref("PermissionsBoundary"), ""]}]},
        },
        "Resources": {**_storage(), **_catalog(), **_athena(), **policies()},
        "Outputs": {
            "Place": _output("What `modelwarden publish RUN PLACE` is given.", sub("s3://${Bucket}/tables")),
            "PublisherPolicyArn": _output("Attach it to the role that publishes.", ref("Publisher")),
            "AnalystPolicyArn": _output("Attach it to whoever asks Athena.", ref("Analyst")),
            "WorkGroupName": _output("Workgroup of Athena.", ref("WorkGroup"), "WorkGroup"),
            "DatabaseName": _output("Database of the tables.", ref("GlueDatabase"), "Database"),
            "QuickSightRoleArn": _output(
                "Role of QuickSight.", arn_of("QuickSightRole"), "QuickSightRole", "WithQuickSight"
            ),
        },
    }


def camel(name: str) -> str:
    """`use_cases` -> `UseCases`."""
    return "".join(part.capitalize() for part in name.split("_"))
