"""The operations that are called, and what makes a success of each an answer."""

from __future__ import annotations

from typing import Final

NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "s3:HeadObject": ("ETag", "LastModified", "ContentLength"),
    "s3:GetObject": ("ETag", "LastModified", "ContentLength", "Body"),
    "s3:ListObjectsV2": ("KeyCount", "IsTruncated"),
    "s3:ListObjectVersions": ("IsTruncated",),
    "s3:PutObject": (),
    # botocore asks these itself: where a bucket lies, and for a session with a directory bucket.
    "s3:HeadBucket": (),
    "s3:CreateSession": (),
    "sts:GetCallerIdentity": ("Arn", "Account"),
    "sts:AssumeRole": ("Credentials",),
    "sagemaker:DescribeModelPackage": ("ModelPackageArn", "ModelPackageStatus"),
    "sagemaker:ListModelPackages": ("ModelPackageSummaryList",),
    "sagemaker:ListModelPackageGroups": ("ModelPackageGroupSummaryList",),
    "sagemaker:Search": ("Results",),
    "sagemaker:UpdateModelPackage": ("ModelPackageArn",),
    "sagemaker:ListModelCards": ("ModelCardSummaries",),
    "sagemaker:DescribeModelCard": ("ModelCardArn",),
    "sagemaker:DescribeTrainingJob": ("TrainingJobArn",),
    "sagemaker:ListEndpoints": ("Endpoints",),
    "sagemaker:DescribeEndpoint": ("EndpointArn", "EndpointStatus", "LastModifiedTime"),
    "sagemaker:DescribeEndpointConfig": ("EndpointConfigName", "ProductionVariants", "CreationTime"),
    "sagemaker:DescribeModel": ("ModelName", "CreationTime"),
    "sagemaker:ListTags": ("Tags",),
    "sagemaker:GetModelPackageGroupPolicy": ("ResourcePolicy",),
    "ecr:BatchGetImage": ("images",),
    "ecr:DescribeRepositories": ("repositories",),
    "ecr:DescribeImages": ("imageDetails",),
    "ecr:GetDownloadUrlForLayer": ("layerDigest",),
    "kms:DescribeKey": ("KeyMetadata",),
    "kms:GetKeyRotationStatus": ("KeyRotationEnabled",),
    "kms:GetPublicKey": ("KeyId", "PublicKey", "KeyUsage"),
    "kms:Sign": ("Signature",),
    "cloudtrail:LookupEvents": ("Events",),
    "cloudwatch:GetMetricData": ("MetricDataResults",),
    "organizations:ListAccounts": ("Accounts",),
    "organizations:ListRoots": ("Roots",),
    "organizations:ListOrganizationalUnitsForParent": ("OrganizationalUnits",),
    "organizations:ListAccountsForParent": ("Accounts",),
    "organizations:ListTagsForResource": ("Tags",),
    "ec2:DescribeRegions": ("Regions",),
    "securityhub:BatchImportFindings": ("SuccessCount", "FailedCount"),
    "securityhub:GetFindings": ("Findings",),
    "dynamodb:GetItem": (),
    "dynamodb:BatchGetItem": (),
    "dynamodb:Query": (),
    "dynamodb:Scan": ("Items", "Count"),
    "dynamodb:PutItem": (),
    "dynamodb:TransactWriteItems": (),
    "sqs:SendMessage": ("MessageId",),
    "sns:Publish": ("MessageId",),
    "events:PutEvents": ("FailedEntryCount", "Entries"),
}
"""What every true answer has. Without it a stray answer says that there is nothing: a HEAD has no body to be guarded.

No other operation is called: clients are made without them.
"""
