"""Every AWS operation that the product calls: the sandbox answers each of them, and its contract test calls each of them."""

from __future__ import annotations

from typing import Final

USED: Final[dict[str, tuple[str, ...]]] = {
    "sts": ("GetCallerIdentity", "AssumeRole"),
    "organizations": (
        "DescribeOrganization",
        "ListAccounts",
        "ListRoots",
        "ListOrganizationalUnitsForParent",
        "ListAccountsForParent",
        "ListTagsForResource",
    ),
    "ec2": ("DescribeRegions",),
    "sagemaker": (
        "DescribeModelPackage",
        "ListModelPackages",
        "ListModelPackageGroups",
        "DescribeModelPackageGroup",
        "GetModelPackageGroupPolicy",
        "ListTags",
        "Search",
        "BatchDescribeModelPackage",
        "DescribeTrainingJob",
        "ListModelCards",
        "DescribeModelCard",
        "ListEndpoints",
        "DescribeEndpoint",
        "DescribeEndpointConfig",
        "DescribeModel",
        "QueryLineage",
        "UpdateModelPackage",
    ),
    "ecr": ("BatchGetImage", "DescribeImages", "DescribeRepositories", "GetDownloadUrlForLayer"),
    "kms": ("DescribeKey", "GetKeyRotationStatus"),
    "s3": ("HeadObject", "GetObject", "ListObjectsV2", "GetBucketEncryption", "GetBucketVersioning"),
    "cloudtrail": ("LookupEvents",),
    "cloudwatch": ("GetMetricData",),
}
"""Service, as IAM calls it -> operations."""

FILLING: Final[dict[str, tuple[str, ...]]] = {
    "organizations": ("CreateAccount",),
    "sagemaker": (
        "CreateModelPackageGroup",
        "CreateModelPackage",
        "PutModelPackageGroupPolicy",
        "DeleteModelPackageGroupPolicy",
        "DeleteModelPackage",
        "DeleteModelPackageGroup",
        "AddTags",
        "DeleteTags",
        "CreateModelCard",
        "UpdateModelCard",
        "DeleteModelCard",
        "ListModelCardVersions",
    ),
    "ecr": ("CreateRepository", "InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage"),
    "kms": ("CreateKey", "CreateAlias", "EnableKeyRotation", "DisableKey", "ScheduleKeyDeletion"),
    "s3": ("CreateBucket", "PutObject", "PutBucketVersioning", "PutBucketEncryption", "DeleteObject"),
}
"""Operations with which any AWS client fills the `empty` scenario."""
