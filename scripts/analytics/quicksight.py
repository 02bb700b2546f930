"""`deploy/dashboard.yaml`: a data source, data sets and a dashboard of QuickSight over the stack of analytics."""

from __future__ import annotations

from typing import Any, Final

from scripts.analytics.athena import camel
from scripts.analytics.cloudformation import Call, arn_of, nothing, ref, sub, when
from scripts.analytics.dashboard import definition
from scripts.analytics.questions import QUESTIONS
from scripts.analytics.sql import Question

from modelwarden.analytics.tables import Kind

TYPES: Final[dict[Kind, str]] = {
    "text": "STRING",
    "count": "INTEGER",
    "number": "DECIMAL",
    "flag": "BOOLEAN",
    "time": "DATETIME",
    "day": "DATETIME",
}
_DESCRIPTION: Final = (
    "modelwarden dashboard: data sets and a dashboard of QuickSight over the stack of deploy/analytics.yaml "
    "(with QuickSight: yes), in the same account and region, where QuickSight is subscribed. Linted and compared with the "
    "service model; never deployed to AWS by the tests of this project."
)
_PRINCIPAL: Final = "arn:[a-z-]+:quicksight:[a-z0-9-]+:[0-9]{12}:(user|group)/.+"
READING: Final = {
    "DataSource": ("DescribeDataSource", "DescribeDataSourcePermissions", "PassDataSource"),
    "DataSet": ("DescribeDataSet", "DescribeDataSetPermissions", "PassDataSet", "DescribeIngestion", "ListIngestions"),
    "Dashboard": ("DescribeDashboard", "ListDashboardVersions", "QueryDashboard"),
}
"""Kind of resource -> actions of whoever uses it, in the sets that QuickSight takes."""


def _parameters() -> dict[str, Any]:
    return {
        "AnalyticsStack": {
            "Type": "String",
            "Default": "modelwarden-analytics",
            "Description": "Name of the stack of deploy/analytics.yaml.",
        },
        "Reader": {
            "Type": "String",
            "AllowedPattern": f"^{_PRINCIPAL}$",
            "Description": "ARN of the QuickSight group, or user, that reads the dashboard.",
        },
        "Author": {
            "Type": "String",
            "Default": "",
            "AllowedPattern": f"^({_PRINCIPAL})?$",
            "Description": "ARN of the QuickSight group, or user, that makes analyses of the data sets; empty for nobody.",
        },
        "ImportMode": {
            "Type": "String",
            "Default": "SPICE",
            "AllowedValues": ["SPICE", "DIRECT_QUERY"],
            "Description": "SPICE reads each question once a day; DIRECT_QUERY asks Athena with every look.",
        },
        "RefreshAt": {
            "Type": "String",
            "Default": "06:00",
            "AllowedPattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
            "Description": "When SPICE reads, in UTC; after the nightly scan is published.",
        },
    }


def _source() -> dict[str, Any]:
    group = Call("ImportValue", sub("${AnalyticsStack}-WorkGroup"))
    role = Call("ImportValue", sub("${AnalyticsStack}-QuickSightRole"))
    return {
        "Type": "AWS::QuickSight::DataSource",
        "Properties": {
            "AwsAccountId": ref("AWS::AccountId"),
            "DataSourceId": ref("AWS::StackName"),
            "Name": "modelwarden",
            "Type": "ATHENA",
            "DataSourceParameters": {
                "AthenaParameters": {"WorkGroup": _long(group), "RoleArn": _long(role)},
            },
            "Permissions": when("WithAuthor", [_grant("Author", "DataSource")], nothing()),
        },
    }


def _grant(parameter: str, kind: str) -> dict[str, Any]:
    return {"Principal": ref(parameter), "Actions": [f"quicksight:{action}" for action in READING[kind]]}


def _long(call: Call) -> dict[str, Any]:
    """Short forms do not stand in one another: `!ImportValue !Sub` is no YAML."""
    return {f"Fn::{call.name}": call.value}


def _data_set(question: Question) -> dict[str, Any]:
    columns = [{"Name": one.name, "Type": TYPES[one.kind]} for one in question.columns]
    database = {"Database": {"Fn::ImportValue": sub("${AnalyticsStack}-Database")}}
    table = {
        "DataSourceArn": arn_of("DataSource"),
        "Name": question.name,
        "SqlQuery": Call("Sub", [question.sql, database]),
        "Columns": columns,
    }
    return {
        "Type": "AWS::QuickSight::DataSet",
        "Properties": {
            "AwsAccountId": ref("AWS::AccountId"),
            "DataSetId": sub(f"${{AWS::StackName}}-{question.name}"),
            "Name": f"modelwarden: {question.title}",
            "ImportMode": ref("ImportMode"),
            "PhysicalTableMap": {"answer": {"CustomSql": table}},
            "Permissions": when("WithAuthor", [_grant("Author", "DataSet")], nothing()),
        },
    }


def _refresh(question: Question) -> dict[str, Any]:
    return {
        "Type": "AWS::QuickSight::RefreshSchedule",
        "Condition": "Importing",
        "Properties": {
            "AwsAccountId": ref("AWS::AccountId"),
            "DataSetId": sub(f"${{AWS::StackName}}-{question.name}"),
            "Schedule": {
                "ScheduleId": "daily",
                "RefreshType": "FULL_REFRESH",
                "ScheduleFrequency": {"Interval": "DAILY", "TimeOfTheDay": ref("RefreshAt"), "TimeZone": "UTC"},
            },
        },
        "DependsOn": f"{camel(question.name)}DataSet",
    }


def template() -> dict[str, Any]:
    shown = [one for one in QUESTIONS.values() if one.data_set]
    arns = {one.name: arn_of(f"{camel(one.name)}DataSet") for one in shown}
    dashboard = {
        "Type": "AWS::QuickSight::Dashboard",
        "Properties": {
            "AwsAccountId": ref("AWS::AccountId"),
            "DashboardId": ref("AWS::StackName"),
            "Name": "modelwarden",
            "Definition": definition(arns),
            "Permissions": [_grant("Reader", "Dashboard")],
        },
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": _DESCRIPTION,
        "Parameters": _parameters(),
        "Conditions": {
            "WithAuthor": {"Fn::Not": [{"Fn::Equals": [ref("Author"), ""]}]},
            "Importing": {"Fn::Equals": [ref("ImportMode"), "SPICE"]},
        },
        "Resources": {
            "DataSource": _source(),
            **{f"{camel(one.name)}DataSet": _data_set(one) for one in shown},
            **{f"{camel(one.name)}Refresh": _refresh(one) for one in shown},
            "Dashboard": dashboard,
        },
        "Outputs": {
            "Dashboard": {
                "Description": "Where the dashboard is.",
                "Value": sub("https://${AWS::Region}.quicksight.aws.amazon.com/sn/dashboards/${AWS::StackName}"),
            }
        },
    }
