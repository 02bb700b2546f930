"""The templates: what they define is what is published, what the services' own models take, and what the code calls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.model import Shape
from botocore.session import get_session
from scripts.analytics import athena, quicksight
from scripts.analytics.athena import camel
from scripts.analytics.cloudformation import WHY, Call, dumped
from scripts.analytics.questions import QUESTIONS
from scripts.analytics.sheets import SHEETS

from modelwarden.analytics.publish import arrow_schema
from modelwarden.analytics.tables import PARTITION, TABLES

from .conftest import Nights

ACCOUNT, REGION = "111122223333", "eu-west-1"
ARROW = {"string": "string", "bigint": "int64", "double": "double", "boolean": "bool", "date": "date32[day]"}
GIVEN = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "modelwarden",
    "AWS::NoValue": None,
    "Reader": f"arn:aws:quicksight:{REGION}:{ACCOUNT}:group/default/readers",
    "Author": f"arn:aws:quicksight:{REGION}:{ACCOUNT}:group/default/authors",
}


class Stack:
    """A template as CloudFormation would fill it in: every condition holds, names and ARNs are made up."""

    def __init__(self, template: dict[str, Any]) -> None:
        self._template = template
        self._known = {name: one.get("Default") for name, one in template["Parameters"].items()} | GIVEN
        self.resources = {name: self._filled(one) for name, one in template["Resources"].items()}

    def of(self, type_: str) -> dict[str, dict[str, Any]]:
        """Logical name -> properties."""
        return {name: one["Properties"] for name, one in self.resources.items() if one["Type"] == type_}

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            if len(value) == 1 and (name := next(iter(value))).startswith("Fn::"):
                return self._call(name.removeprefix("Fn::"), value[name])
            return {key: self._filled(one) for key, one in value.items() if key != WHY}
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        return self._call(value.name, value.value) if isinstance(value, Call) else value

    def _call(self, name: str, value: Any) -> Any:
        if name == "If":
            assert value[0] in self._template["Conditions"]
            return self._filled(value[1])
        if name == "Ref":
            return self._known[value] if value in self._known else self._resource(value).lower()
        if name == "GetAtt":
            return self._arn(value.removesuffix(".Arn"))
        if name == "ImportValue":
            return {"WorkGroup": "modelwarden", "Database": "modelwarden"}.get(
                self._filled(value).rpartition("-")[2], f"arn:aws:iam::{ACCOUNT}:role/made-up"
            )
        assert name == "Sub"
        text, more = (value, {}) if isinstance(value, str) else (value[0], self._filled(value[1]))
        return re.sub(r"\$\{([^}]+)\}", lambda found: str(more.get(found[1]) or self._part(found[1])), text)

    def _part(self, name: str) -> Any:
        return self._call("GetAtt", name) if name.endswith(".Arn") else self._call("Ref", name)

    def _resource(self, name: str) -> str:
        assert name in self._template["Resources"], name
        return name

    def _arn(self, name: str) -> str:
        kind = self._template["Resources"][self._resource(name)]["Type"].split("::")[1].lower()
        return f"arn:aws:{kind}:{REGION}:{ACCOUNT}:made-up/{name}"


@pytest.fixture(scope="module")
def analytics() -> Stack:
    return Stack(athena.template())


@pytest.fixture(scope="module")
def dashboard() -> Stack:
    return Stack(quicksight.template())


_ANY = r"\uD800\uDC00"
"""In a pattern of Glue, which Java reads: any character."""


def wrong(shape: Shape, value: Any, at: str = "") -> Iterator[str]:
    """What of a value the service's model does not take. botocore itself looks at names, types and least lengths alone."""
    rules, kind = shape.metadata, shape.type_name
    types = {"structure": dict, "map": dict, "list": list, "string": str, "boolean": bool, "integer": int, "long": int}
    if not isinstance(value, types.get(kind, object)):
        yield f"{at}: {value!r} is no {kind}"
        return
    if rules.get("enum") and value not in rules["enum"]:
        yield f"{at}: {value!r} is none of {rules['enum']}"
    if rules.get("pattern") and _ANY not in rules["pattern"] and not re.search(rules["pattern"], value):
        yield f"{at}: {value!r} does not fit {rules['pattern']}"
    size = value if isinstance(value, int) else len(value)
    if not rules.get("min", size) <= size <= rules.get("max", size):
        yield f"{at}: {size} is not between {rules.get('min')} and {rules.get('max')}"
    if kind == "structure":
        yield from (f"{at}: no {name}" for name in rules.get("required", ()) if value.get(name) is None)
        yield from (f"{at}: {name} is unknown" for name in value if name not in shape.members)
        for name, one in value.items():
            if name in shape.members and one is not None:
                yield from wrong(shape.members[name], one, f"{at}/{name}")
    elif kind == "list":
        for number, one in enumerate(value):
            yield from wrong(shape.member, one, f"{at}/{number}")
    elif kind == "map":
        for name, one in value.items():
            yield from wrong(shape.key, name, f"{at}/{name}")
            yield from wrong(shape.value, one, f"{at}/{name}")


def request(service: str, operation: str) -> Shape:
    return get_session().get_service_model(service).operation_model(operation).input_shape


def test_the_check_finds_what_the_model_does_not_take() -> None:
    shape = request("quicksight", "CreateDataSet")
    bad = {"AwsAccountId": "1", "DataSetId": "a", "Name": "", "ImportMode": "spice", "Nope": 1}
    assert sorted(wrong(shape, bad)) == [
        "/AwsAccountId: '1' does not fit ^[0-9]{12}$",
        "/AwsAccountId: 1 is not between 12 and 12",
        "/ImportMode: 'spice' is none of ['SPICE', 'DIRECT_QUERY']",
        "/Name: 0 is not between 1 and 128",
        ": Nope is unknown",
        ": no PhysicalTableMap",
    ]


# Glue and Athena.


def test_glue_has_the_columns_of_the_files_under_the_types_of_athena(analytics: Stack) -> None:
    found = analytics.of("AWS::Glue::Table")
    assert set(found) == {f"{camel(name)}Table" for name in TABLES}
    for name, table in TABLES.items():
        given = found[f"{camel(name)}Table"]["TableInput"]
        columns = {one["Name"]: one["Type"] for one in given["StorageDescriptor"]["Columns"]}
        files = {field.name: str(field.type) for field in arrow_schema(table)}
        assert list(columns) == list(files), "in this order"
        assert {column: ARROW.get(type_, "timestamp[ms, tz=UTC]") for column, type_ in columns.items()} == files
        assert [one["Name"] for one in given["PartitionKeys"]] == [PARTITION]
        assert given["StorageDescriptor"]["Location"] == f"s3://bucket/tables/{name}/"
        assert PARTITION not in columns


def test_the_days_are_projected_as_the_folders_are_named(analytics: Stack) -> None:
    for one in analytics.of("AWS::Glue::Table").values():
        told = one["TableInput"]["Parameters"]
        assert {key: value for key, value in told.items() if key.startswith("projection")} == {
            "projection.enabled": "true",
            "projection.run_date.type": "date",
            "projection.run_date.format": "yyyy-MM-dd",
            "projection.run_date.range": "NOW-3YEARS,NOW+1DAYS",
            "projection.run_date.interval": "1",
            "projection.run_date.interval.unit": "DAYS",
        }


def test_glue_and_athena_take_what_is_defined(analytics: Stack) -> None:
    for one in analytics.of("AWS::Glue::Table").values():
        assert list(wrong(request("glue", "CreateTable"), one)) == []
    for one in analytics.of("AWS::Glue::Database").values():
        assert list(wrong(request("glue", "CreateDatabase"), one)) == []
    for one in analytics.of("AWS::Athena::NamedQuery").values():
        assert list(wrong(request("athena", "CreateNamedQuery"), one)) == []
    (group,) = analytics.of("AWS::Athena::WorkGroup").values()
    given = {
        "Name": group["Name"],
        "Description": group["Description"],
        "Configuration": group["WorkGroupConfiguration"],
    }
    assert list(wrong(request("athena", "CreateWorkGroup"), given)) == []


def test_the_named_queries_are_the_questions_that_the_tests_put(analytics: Stack) -> None:
    found = analytics.of("AWS::Athena::NamedQuery")
    assert {one["QueryString"] for one in found.values()} == {
        question.sql.replace("${Database}", "modelwarden") for question in QUESTIONS.values()
    }


def test_results_are_encrypted_and_a_query_cannot_read_without_end(analytics: Stack) -> None:
    (group,) = analytics.of("AWS::Athena::WorkGroup").values()
    told = group["WorkGroupConfiguration"]
    assert told["EnforceWorkGroupConfiguration"] is True
    assert told["BytesScannedCutoffPerQuery"] == 10 * 2**30
    assert told["ResultConfiguration"]["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"
    assert told["ResultConfiguration"]["OutputLocation"] == "s3://bucket/results/"


def test_nobody_is_granted_everything_and_only_results_are_written_by_who_asks(analytics: Stack) -> None:
    policies = {
        name: one["PolicyDocument"]["Statement"] for name, one in analytics.of("AWS::IAM::ManagedPolicy").items()
    }
    for statements in policies.values():
        for statement in statements:
            assert not any("*" in action for action in statement["Action"])
            assert statement["Resource"] != "*"
    writes = {
        (name, statement["Resource"])
        for name, statements in policies.items()
        for statement in statements
        if "s3:PutObject" in statement["Action"]
    }
    bucket = f"arn:aws:s3:{REGION}:{ACCOUNT}:made-up/Bucket"
    assert writes == {("Publisher", f"{bucket}/tables/*"), ("Analyst", f"{bucket}/results/*")}


def test_every_grant_that_names_more_than_one_thing_says_why_above_it(analytics: Stack) -> None:
    lines = [line.strip() for line in dumped(athena.template()).splitlines()]
    policies = [
        one["PolicyDocument"]
        for type_ in ("ManagedPolicy", "Role")
        for one in analytics.of(f"AWS::IAM::{type_}").values()
        if "PolicyDocument" in one
    ]
    policies += [one["KeyPolicy"] for one in analytics.of("AWS::KMS::Key").values()]
    policies += [one["PolicyDocument"] for one in analytics.of("AWS::S3::BucketPolicy").values()]
    wide = {one["Sid"] for policy in policies for one in policy["Statement"] if "*" in str(one)}
    heads = [
        number for number, line in enumerate(lines) if line.removeprefix("- Sid: ") in wide and line.startswith("- Sid")
    ]
    assert len(heads) == len(wide) == 9
    assert all(lines[number - 1].startswith("# ") for number in heads)


# QuickSight.


def test_quicksight_takes_what_is_defined(dashboard: Stack) -> None:
    operations = {"DataSource": "CreateDataSource", "DataSet": "CreateDataSet", "Dashboard": "CreateDashboard"}
    for kind, operation in operations.items():
        found = dashboard.of(f"AWS::QuickSight::{kind}")
        assert found
        for one in found.values():
            assert list(wrong(request("quicksight", operation), one)) == []
    schedule = request("quicksight", "CreateRefreshSchedule")
    for one in dashboard.of("AWS::QuickSight::RefreshSchedule").values():
        frequency = {
            "Timezone" if name == "TimeZone" else name: value
            for name, value in one["Schedule"]["ScheduleFrequency"].items()
        }
        assert list(wrong(schedule, one | {"Schedule": one["Schedule"] | {"ScheduleFrequency": frequency}})) == []


def test_a_data_set_has_the_text_and_the_columns_of_its_question(dashboard: Stack) -> None:
    found = {
        one["DataSetId"].removeprefix("modelwarden-"): one for one in dashboard.of("AWS::QuickSight::DataSet").values()
    }
    assert set(found) == {name for name, question in QUESTIONS.items() if question.data_set}
    types = {
        "text": "STRING",
        "count": "INTEGER",
        "number": "DECIMAL",
        "flag": "BOOLEAN",
        "time": "DATETIME",
        "day": "DATETIME",
    }
    for name, one in found.items():
        told = one["PhysicalTableMap"]["answer"]["CustomSql"]
        assert told["SqlQuery"] == QUESTIONS[name].sql.replace("${Database}", "modelwarden")
        assert [(column["Name"], column["Type"]) for column in told["Columns"]] == [
            (column.name, types[column.kind]) for column in QUESTIONS[name].columns
        ]
    refreshed = {one["DataSetId"] for one in dashboard.of("AWS::QuickSight::RefreshSchedule").values()}
    assert refreshed == {one["DataSetId"] for one in found.values()}


def fields(value: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """(kind of field, field) of everything that names a column."""
    if isinstance(value, dict):
        if "Column" in value and "FieldId" in value:
            yield key, value
            return
        for name, one in value.items():
            yield from fields(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from fields(one, key)


FITS = {
    "NumericalMeasureField": {"count", "number"},
    "CategoricalMeasureField": {"text", "flag"},
    "DateMeasureField": {"time", "day"},
    "CategoricalDimensionField": {"text"},
    "DateDimensionField": {"time", "day"},
    "Values": {"text", "count", "number", "flag", "time", "day"},  # of a table
}


def test_every_visual_shows_columns_that_its_data_set_has_with_that_type(dashboard: Stack) -> None:
    (one,) = dashboard.of("AWS::QuickSight::Dashboard").values()
    declared = {entry["Identifier"] for entry in one["Definition"]["DataSetIdentifierDeclarations"]}
    seen = set()
    for kind, field in fields(one["Definition"]["Sheets"]):
        column = field["Column"]
        kinds = {known.name: known.kind for known in QUESTIONS[column["DataSetIdentifier"]].columns}
        assert kinds[column["ColumnName"]] in FITS[kind], (kind, column)
        seen.add(column["DataSetIdentifier"])
    assert seen == declared, "no data set is read for nothing"


def test_every_sheet_says_how_far_the_scan_looked_and_when(dashboard: Stack) -> None:
    (one,) = dashboard.of("AWS::QuickSight::Dashboard").values()
    assert len(one["Definition"]["Sheets"]) == len(SHEETS)
    for sheet in one["Definition"]["Sheets"]:
        numbers = [
            (field["Column"]["DataSetIdentifier"], field["Column"]["ColumnName"])
            for visual in sheet["Visuals"]
            for _, field in fields(visual.get("KPIVisual", {}))
        ]
        assert numbers[:2] == [("posture", "coverage_percent"), ("posture", "finished_at")]


def test_every_visual_has_a_place_of_its_own_and_every_name_is_used_once(dashboard: Stack) -> None:
    (one,) = dashboard.of("AWS::QuickSight::Dashboard").values()
    for sheet in one["Definition"]["Sheets"]:
        visuals = [visual[next(iter(visual))]["VisualId"] for visual in sheet["Visuals"]]
        elements = sheet["Layouts"][0]["Configuration"]["GridLayout"]["Elements"]
        assert visuals == [element["ElementId"] for element in elements]
        taken: set[tuple[int, int]] = set()
        for element in elements:
            left, top = element["ColumnIndex"], element["RowIndex"]
            assert left + element["ColumnSpan"] <= 36
            place = {
                (x, y) for x in range(left, left + element["ColumnSpan"]) for y in range(top, top + element["RowSpan"])
            }
            assert not place & taken
            taken |= place
        ids = [field["FieldId"] for _, field in fields(sheet["Visuals"])]
        assert len(ids) == len(set(ids))


def test_a_reader_chooses_by_columns_that_are_never_null_and_sees_everything_until_then(
    dashboard: Stack, nights: Nights
) -> None:
    (one,) = dashboard.of("AWS::QuickSight::Dashboard").values()
    definition = one["Definition"]
    filters = {group["Filters"][0]["CategoryFilter"]["FilterId"]: group for group in definition["FilterGroups"]}
    assert len(filters) == len(definition["FilterGroups"])
    controls = {
        control["Dropdown"]["SourceFilterId"]: sheet["SheetId"]
        for sheet in definition["Sheets"]
        for control in sheet.get("FilterControls", [])
    }
    assert controls.keys() == filters.keys()
    for id_, group in filters.items():
        inner = group["Filters"][0]["CategoryFilter"]
        assert inner["Configuration"]["FilterListConfiguration"]["SelectAllOptions"] == "FILTER_ALL_VALUES"
        (scope,) = group["ScopeConfiguration"]["SelectedSheets"]["SheetVisualScopingConfigurations"]
        assert scope == {"SheetId": controls[id_], "Scope": "ALL_VISUALS"}
        column = inner["Column"]
        rows = nights.ask(column["DataSetIdentifier"])
        assert rows
        assert all(row[column["ColumnName"]] is not None for row in rows)


def test_the_views_of_the_guidance_and_ours_are_there() -> None:
    shown = {visual.data_set for sheet in SHEETS for visual in sheet.visuals}
    assert {"models", "validation_metrics", "audit", "endpoint_monitoring"} <= shown
    assert {"posture", "posture_trend", "coverage", "waivers", "controls", "changes"} <= shown
    models = {name for sheet in SHEETS for visual in sheet.visuals if visual.data_set == "models" for name in visual.by}
    assert {"line_of_business", "use_case", "stage", "risk_rating", "approval_status", "verdict"} <= models
