"""The definition of the dashboard. How far the scan looked, and when, stands on top of every sheet."""

from __future__ import annotations

from typing import Any, Final

from scripts.analytics.questions import QUESTIONS
from scripts.analytics.sheets import SHEETS, Sheet, Visual

_WIDTH: Final = 36
"""Columns of QuickSight's grid."""
_KPI_ROWS: Final = 5
_ROWS: Final = 12
FILTERS: Final = ("unit", "account")
"""Columns that are never null: whatever a filter does with nulls, it hides none."""


def definition(data_sets: dict[str, Any]) -> dict[str, Any]:
    """The definition that a dashboard and an analysis share. `data_sets`: name -> its ARN."""
    declared = [{"Identifier": name, "DataSetArn": arn} for name, arn in data_sets.items()]
    sheets = [_sheet(number, sheet) for number, sheet in enumerate(SHEETS)]
    groups = [_filter(number, *one) for number, sheet in enumerate(SHEETS) for one in _filtered(sheet)]
    return {"DataSetIdentifierDeclarations": declared, "Sheets": sheets, "FilterGroups": groups}


def _filtered(sheet: Sheet) -> list[tuple[str, str]]:
    """(column, a data set of the sheet that has it) of what a reader may choose by."""
    sets = [visual.data_set for visual in sheet.visuals]
    having = {
        name: [one for one in sets if name in {column.name for column in QUESTIONS[one].columns}] for name in FILTERS
    }
    return [(name, found[0]) for name, found in having.items() if found]


def _filter(number: int, name: str, data_set: str) -> dict[str, Any]:
    """Everything, until a reader chooses; it holds for all data sets of the sheet that have the column."""
    everything = {"MatchOperator": "CONTAINS", "SelectAllOptions": "FILTER_ALL_VALUES"}
    chosen = {
        "FilterId": f"s{number}-{name}",
        "Column": _column(data_set, name),
        "Configuration": {"FilterListConfiguration": everything},
    }
    sheet = {"SheetId": f"s{number}", "Scope": "ALL_VISUALS"}
    return {
        "FilterGroupId": f"s{number}-{name}-group",
        "Filters": [{"CategoryFilter": chosen}],
        "ScopeConfiguration": {"SelectedSheets": {"SheetVisualScopingConfigurations": [sheet]}},
        "Status": "ENABLED",
        "CrossDataset": "ALL_DATASETS",
    }


def _controls(number: int, sheet: Sheet) -> dict[str, Any]:
    """A list to choose from for each filter of a sheet, in its head; nothing where there is none."""
    names = [name for name, _ in _filtered(sheet)]
    if not names:
        return {}
    controls = [
        {
            "Dropdown": {
                "FilterControlId": f"s{number}-{name}-control",
                "Title": name.capitalize(),
                "SourceFilterId": f"s{number}-{name}",
                "Type": "MULTI_SELECT",
            }
        }
        for name in names
    ]
    places = [
        {"ElementId": f"s{number}-{name}-control", "ElementType": "FILTER_CONTROL", "ColumnSpan": 2, "RowSpan": 1}
        for name in names
    ]
    layout = {"Configuration": {"GridLayout": {"Elements": places}}}
    return {"FilterControls": controls, "SheetControlLayouts": [layout]}


def _sheet(number: int, sheet: Sheet) -> dict[str, Any]:
    """Numbers in the first row, pictures two beside each other, and each table in a row of its own."""
    coverage = (
        ("Account-regions read, percent", "posture", "coverage_percent", "MIN"),
        ("Scan ended", "posture", "finished_at", "MAX"),
    )
    numbers = (*coverage, *((*one, "SUM") for one in sheet.numbers))
    visuals, elements = [], []
    for place, (title, data_set, column, how) in enumerate(numbers):
        id_ = f"s{number}-n{place}"
        visuals.append(_number(id_, title, data_set, column, how))
        width = _WIDTH // len(numbers)
        elements.append(_element(id_, place * width, width, 0, _KPI_ROWS))
    row, left = _KPI_ROWS, True
    for place, visual in enumerate(sheet.visuals):
        id_ = f"s{number}-v{place}"
        visuals.append(_VISUALS[visual.shape](id_, visual))
        if visual.shape == "table" and not left:
            row, left = row + _ROWS, True
        width = _WIDTH if visual.shape == "table" else _WIDTH // 2
        elements.append(_element(id_, 0 if left else _WIDTH // 2, width, row, _ROWS))
        row, left = (row + _ROWS, True) if visual.shape == "table" or not left else (row, False)
    return {
        "SheetId": f"s{number}",
        "Name": sheet.name,
        "Title": sheet.title,
        "ContentType": "INTERACTIVE",
        "Visuals": visuals,
        "Layouts": [{"Configuration": {"GridLayout": {"Elements": elements}}}],
        **_controls(number, sheet),
    }


def _element(id_: str, column: int, width: int, row: int, height: int) -> dict[str, Any]:
    return {
        "ElementId": id_,
        "ElementType": "VISUAL",
        "ColumnIndex": column,
        "ColumnSpan": width,
        "RowIndex": row,
        "RowSpan": height,
    }


def _headed(id_: str, title: str, wells: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What every visual has."""
    return {
        "VisualId": id_,
        "Title": {"Visibility": "VISIBLE", "FormatText": {"PlainText": title}},
        "ChartConfiguration": {"FieldWells": wells, **more},
    }


def _number(id_: str, title: str, data_set: str, column: str, how: str) -> dict[str, Any]:
    return {"KPIVisual": _headed(id_, title, {"Values": [_measure(f"{id_}-f", data_set, column, how)]})}


def _bars(id_: str, visual: Visual) -> dict[str, Any]:
    dimensions = [_dimension(f"{id_}-d{place}", visual.data_set, name) for place, name in enumerate(visual.by)]
    wells = {"Category": dimensions[:1], "Values": _measures(id_, visual)}
    if dimensions[1:]:
        wells["Colors"] = dimensions[1:]
    chart = _headed(
        id_, visual.title, {"BarChartAggregatedFieldWells": wells}, Orientation="HORIZONTAL", BarsArrangement="STACKED"
    )
    return {"BarChartVisual": chart}


def _lines(id_: str, visual: Visual) -> dict[str, Any]:
    wells = {
        "Category": [_dimension(f"{id_}-d", visual.data_set, visual.by[0])],
        "Values": _measures(id_, visual),
    }
    return {"LineChartVisual": _headed(id_, visual.title, {"LineChartAggregatedFieldWells": wells}, Type="LINE")}


def _heat(id_: str, visual: Visual) -> dict[str, Any]:
    rows, columns = ([_dimension(f"{id_}-{name}", visual.data_set, name)] for name in visual.by)
    wells = {"Rows": rows, "Columns": columns, "Values": _measures(id_, visual)}
    return {"HeatMapVisual": _headed(id_, visual.title, {"HeatMapAggregatedFieldWells": wells})}


def _table(id_: str, visual: Visual) -> dict[str, Any]:
    """Row by row, as the data set has them."""
    values = [{"FieldId": f"{id_}-{name}", "Column": _column(visual.data_set, name)} for name in visual.by]
    return {"TableVisual": _headed(id_, visual.title, {"TableUnaggregatedFieldWells": {"Values": values}})}


_VISUALS: Final = {"bars": _bars, "lines": _lines, "heat": _heat, "table": _table}


def _column(data_set: str, name: str) -> dict[str, str]:
    return {"DataSetIdentifier": data_set, "ColumnName": name}


def _kind(data_set: str, name: str) -> str:
    return next(column.kind for column in QUESTIONS[data_set].columns if column.name == name)


def _measures(id_: str, visual: Visual) -> list[dict[str, Any]]:
    if not visual.values:
        return [_measure(f"{id_}-f", visual.data_set, "run", "COUNT")]
    return [_measure(f"{id_}-{name}", visual.data_set, name, "SUM") for name in visual.values]


def _measure(id_: str, data_set: str, name: str, how: str) -> dict[str, Any]:
    field = {"FieldId": id_, "Column": _column(data_set, name)}
    kind = _kind(data_set, name)
    if kind in ("count", "number"):
        return {"NumericalMeasureField": {**field, "AggregationFunction": {"SimpleNumericalAggregation": how}}}
    if kind in ("time", "day"):
        return {"DateMeasureField": {**field, "AggregationFunction": how}}
    return {"CategoricalMeasureField": {**field, "AggregationFunction": how}}


def _dimension(id_: str, data_set: str, name: str) -> dict[str, Any]:
    field = {"FieldId": id_, "Column": _column(data_set, name)}
    if _kind(data_set, name) in ("time", "day"):
        return {"DateDimensionField": {**field, "DateGranularity": "DAY"}}
    return {"CategoricalDimensionField": field}
