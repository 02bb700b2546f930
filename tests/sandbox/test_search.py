"""Search: operators, nesting, sorting, paging, hits, tags."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import REGION, RETAIL, SHARED, Organization


def names(answer: dict[str, Any]) -> list[str]:
    return [one["ModelPackage"]["ModelPackageArn"].partition("/")[2] for one in answer["Results"]]


def where(*filters: tuple[str, str] | tuple[str, str, str], operator: str = "And") -> dict[str, Any]:
    listed = [dict(zip(("Name", "Operator", "Value"), one, strict=False)) for one in filters]
    return {"Filters": listed, "Operator": operator}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (where(("ModelApprovalStatus", "Equals", "Approved")), {"churn/1"}),
        (where(("ModelApprovalStatus", "NotEquals", "Approved")), {"churn/2", "loose"}),
        (where(("ModelPackageVersion", "GreaterThan", "1")), {"churn/2"}),
        (where(("ModelPackageVersion", "GreaterThanOrEqualTo", "1")), {"churn/1", "churn/2"}),
        (where(("ModelPackageVersion", "LessThan", "2")), {"churn/1"}),
        (where(("CreationTime", "LessThanOrEqualTo", "2026-11-02T07:30:00Z")), {"churn/1", "churn/2"}),
        (where(("LastModifiedTime", "GreaterThan", "2026-11-01T12:00:00Z")), {"churn/2"}),
        (where(("ModelPackageArn", "Contains", "CHURN")), {"churn/1", "churn/2"}),
        (where(("ModelApprovalStatus", "Exists")), {"churn/1", "churn/2"}),
        (where(("ModelApprovalStatus", "NotExists")), {"loose"}),
        (where(("ModelApprovalStatus", "In", "Approved,Rejected")), {"churn/1"}),
        (where(("Tags.owner", "Equals", "retention")), {"churn/1", "churn/2"}),
        (where(("ModelLifeCycle.Stage", "Equals", "Staging")), {"churn/1"}),
        (
            where(("ModelPackageVersion", "Equals", "2"), ("Tags.owner", "Equals", "nobody"), operator="Or"),
            {"churn/2", "loose"},
        ),
        (where(("ModelPackageVersion", "Equals", "2"), ("Tags.owner", "Equals", "nobody")), set()),
        ({"SubExpressions": [where(("ModelPackageVersion", "Equals", "2"))]}, {"churn/2"}),
    ],
)
def test_operators(shared: Organization, expression: dict[str, Any], expected: set[str]) -> None:
    answer = shared.client("sagemaker").search(Resource="ModelPackage", SearchExpression=expression)
    assert set(names(answer)) == expected
    assert answer["TotalHits"] == {"Value": len(expected), "Relation": "EqualTo"}


def test_newest_change_comes_first_unless_told_otherwise(shared: Organization) -> None:
    client = shared.client("sagemaker")
    assert names(client.search(Resource="ModelPackage")) == ["churn/2", "churn/1", "loose"]
    ascending = client.search(Resource="ModelPackage", SortBy="CreationTime", SortOrder="Ascending")
    assert names(ascending) == ["churn/1", "churn/2", "loose"]


def test_pages_tell_the_number_of_all_hits(shared: Organization) -> None:
    pages = list(
        shared.client("sagemaker")
        .get_paginator("search")
        .paginate(Resource="ModelPackage", PaginationConfig={"PageSize": 2})
    )
    assert [names(page) for page in pages] == [["churn/2", "churn/1"], ["loose"]]
    assert [page["TotalHits"]["Value"] for page in pages] == [3, 3]


def test_search_agrees_with_describe_but_for_the_storage_type(shared: Organization) -> None:
    client = shared.client("sagemaker")
    for one in client.search(Resource="ModelPackage")["Results"]:
        found = one["ModelPackage"]
        described = client.describe_model_package(ModelPackageName=found["ModelPackageArn"])
        del described["ResponseMetadata"]
        described.pop("ManagedStorageType", None)
        assert {name: value for name, value in found.items() if name != "Tags"} == described


def test_groups_are_found_too_and_nothing_of_other_accounts(shared: Organization) -> None:
    found = shared.client("sagemaker").search(Resource="ModelPackageGroup")["Results"]
    assert [one["ModelPackageGroup"]["ModelPackageGroupArn"].split(":")[4] for one in found] == [RETAIL]
    across = shared.client("sagemaker").search(Resource="ModelPackage", CrossAccountFilterOption="CrossAccount")
    assert names(across) == ["shared/1"]
    listed = shared.client("sagemaker").list_model_packages(
        ModelPackageGroupName=f"arn:aws:sagemaker:{REGION}:{SHARED}:model-package-group/shared"
    )
    assert len(listed["ModelPackageSummaryList"]) == 1


def test_an_expression_without_a_filter_is_refused(shared: Organization) -> None:
    with pytest.raises(ClientError, match="at least one filter"):
        shared.client("sagemaker").search(Resource="ModelPackage", SearchExpression={"Operator": "And"})
    with pytest.raises(ClientError, match="not valid for the property"):
        shared.client("sagemaker").search(
            Resource="ModelPackage", SearchExpression=where(("CreationTime", "LessThan", "soon"))
        )
