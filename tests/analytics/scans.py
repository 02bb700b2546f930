"""Scans of a few nights up to today: what is recorded of them stands here, and what is published must say the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from msgspec.structs import asdict, replace
from scripts.analytics.questions import QUESTIONS

from modelwarden.analytics.tables import TABLES
from modelwarden.estate import Account, Estate
from modelwarden.evidence import Absent, Evidence, Fact, Present, Source, Unknown
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Cards, Metrics, Record, Running
from modelwarden.scan.run import estate_to_json
from modelwarden.scan.summary import summarize
from modelwarden.snapshot import Deployment, EndpointMetric, LedgerRow, ModelCard
from modelwarden.tables import TablesWriter
from tests.render import runs

REGION = "eu-west-1"
RETAIL, LENDING, HALF, DARK, EMPTY = "111122223333", "444455556666", "555566667777", "666677778888", "777788889999"
NAMES = {RETAIL: "retail-ml", LENDING: "lending-ml", HALF: "claims-ml", DARK: "laboratory", EMPTY: ""}
DENIED = LedgerRow(HALF, REGION, "kms:DescribeKey", "denied", 1, 0.1, "AccessDenied: no grant")
SKIPPED = LedgerRow("999900001111", "global", "", "skipped", 0, 0.0, "state:SUSPENDED")
NO_LIST = LedgerRow("111111111111", "global", "organizations:ListAccounts", "denied", 1, 0.1, "AccessDenied: no")
SAID = Source("sagemaker:DescribeModelPackage", "2026-11-22T02:10:00Z", "r-1")
CARD = "/card/content"
NUMBER = {"state": Present("number", SAID)}


def arn(account: str, name: str, kind: str = "model-package") -> str:
    return f"arn:aws:sagemaker:{REGION}:{account}:{kind}/{name}"


def judged(account: str, name: str, *ids: str, facts: dict[str, Fact] | None = None, **changes: Any) -> Record:
    """A package of which these controls say what `runs.FINDINGS` holds."""
    package = arn(account, name)
    decision = replace(runs.decided([runs.FINDINGS[id_] for id_ in ids]), package=package)
    stage = changes.pop("stage", "Production")
    decision = replace(decision, request=replace(decision.request, stage=stage))
    given = {"approval": "Approved", "created": "2026-08-07T11:30:00.123456Z", **changes}
    return Record(
        package, "judged", decision=decision, evidence=Evidence(package, facts or {}), **{"why": "approved"} | given
    )


def _metric(place: int, name: str, state: str, value: float | None) -> dict[str, Fact]:
    head = f"/evaluation/metric/{place}"
    number: dict[str, Fact] = {f"{head}/value": Present(value, SAID)} if value is not None else {}
    return {f"{head}/name": Present(name, SAID), f"{head}/state": Present(state, SAID), **number}


_BIAS = "/bias_report/0/facet/0"
CHURN: dict[str, Fact] = {
    f"{CARD}/business_details/line_of_business": Present("Retail", SAID),
    f"{CARD}/intended_uses/purpose_of_model": Present("x" * 3_000, SAID),
    f"{CARD}/intended_uses/risk_rating": Present("Low", SAID),
    "/approver/identity": Present("alice", SAID),
    "/approver/approved_at": Present("2026-08-13T12:30:00Z", SAID),
    "/evaluation/state": Present("valid", SAID),
    "/evaluation/metric_count": Present(3, SAID),
    **_metric(0, "auc", "number", 0.9),
    **_metric(1, "f1", "undefined", None),
    **_metric(2, "recall", "number", 0.0),
    "/bias_report_count": Present(1, SAID),
    "/bias_report/0/facet_count": Present(1, SAID),
    f"{_BIAS}/section": Present("post_training", SAID),
    f"{_BIAS}/name": Present("age", SAID),
    f"{_BIAS}/value_or_threshold": Present("(40, 99]", SAID),
    f"{_BIAS}/metric_count": Present(1, SAID),
    f"{_BIAS}/metric/0/name": Present("DPL", SAID),
    f"{_BIAS}/metric/0/state": Present("number", SAID),
    f"{_BIAS}/metric/0/value": Present(-0.25, SAID),
}
NO_CARD: dict[str, Fact] = {
    f"{CARD}/business_details/line_of_business": Absent(SAID),
    f"{CARD}/intended_uses/risk_rating": Absent(SAID),
    "/evaluation/state": Absent(SAID),
}
UNREAD: dict[str, Fact] = {
    f"{CARD}/business_details/line_of_business": Unknown("AccessDenied", SAID),
    "/evaluation/state": Unknown("AccessDenied", SAID),
}
RECORDS: dict[str, list[Record]] = {
    RETAIL: [
        Record(arn(RETAIL, "churn/6"), "inventory", "an older version", "Rejected"),
        judged(RETAIL, "churn/7", "BIAS-01", facts=CHURN, endpoints=(arn(RETAIL, "live", "endpoint"),)),
    ],
    LENDING: [
        judged(LENDING, "loan/2", "ENC-02", "BIAS-01", facts=NO_CARD),
        judged(LENDING, "loan/3", "ENC-01", facts=UNREAD, stage="Staging"),
        judged(LENDING, "loan/4", "IMG-03", "CARD-04"),
        Record(arn(LENDING, "loan-single"), "unmapped", "claims no stage", "PendingManualApproval"),
    ],
    HALF: [judged(HALF, "claims/1", "BIAS-01", facts={f"{CARD}/business_details/line_of_business": Present("Retail")})],
    DARK: [],
    EMPTY: [],
}
_LIVE = Deployment(arn(RETAIL, "live", "endpoint"), "InService", "main", "m", arn(RETAIL, "churn/7"), "")
RUNNING = {
    RETAIL: (
        replace(_LIVE, capture="Started", capture_percent=20),
        replace(_LIVE, variant="shadow", package=None, image="docker.io/somebody/model:1", capture="absent"),
    ),
    LENDING: (
        replace(_LIVE, endpoint=arn(LENDING, "live", "endpoint"), package=arn(DARK, "other/1")),
        replace(_LIVE, endpoint=arn(LENDING, "old", "endpoint"), package=None, problem="it was deleted"),
    ),
}

NOT_READ = "cloudwatch:GetMetricData: InternalError"
MEASURED = {
    RETAIL: (
        EndpointMetric(arn(RETAIL, "live", "endpoint"), "main", "invocations", 1_200),
        EndpointMetric(arn(RETAIL, "live", "endpoint"), "main", "invocation_5xx_errors", 0),
        EndpointMetric(arn(RETAIL, "live", "endpoint"), "main", "model_latency_average_us", None),
        EndpointMetric(arn(RETAIL, "live", "endpoint"), "main", "cpu_utilization_maximum_bp", None, NOT_READ),
    ),
    LENDING: (EndpointMetric(arn(LENDING, "live", "endpoint"), "main", "invocations", 7),),
}
"""Of the day before the scan; of the shadow, and of the endpoint that was deleted, nothing."""
CARDS = {
    RETAIL: (
        ModelCard(arn(RETAIL, "a", "model-card"), "Approved", "2026-01-01T00:00:00Z", "", arn(RETAIL, "churn/7")),
        ModelCard(arn(RETAIL, "b", "model-card"), "Draft", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", ""),
        ModelCard(arn(RETAIL, "c", "model-card"), "", "", "", arn(DARK, "other/1")),
    )
}


def began(days_ago: int) -> datetime:
    return (datetime.now(UTC) - timedelta(days=days_ago)).replace(hour=2, minute=10, second=0, microsecond=0)


def scan(
    runs_folder: Path,
    days_ago: int = 0,
    *,
    records: dict[str, list[Record]] | None = None,
    whole: bool = False,
    unread: Sequence[LedgerRow] = (),
    **manifest: Any,
) -> Folder:
    """A recorded scan; `whole`: nothing of it is missing. `unread`: what belongs to no account-region."""
    start = f"{began(days_ago):%Y-%m-%dT%H:%M:%SZ}"
    folder = Folder(runs_folder / f"{began(days_ago):%Y%m%dT%H%M%S}000000Z-0123abcd")
    accounts = tuple(Account(id_, name, "ACTIVE", "Workloads/Shop") for id_, name in NAMES.items())
    cells = tuple((account, REGION) for account in NAMES)
    estate = Estate(accounts, cells, (SKIPPED,), tuple(unread), "organization")
    controls = {id_: runs.control(id_) for id_ in runs.FINDINGS}
    digests = {name: f"sha256:{digit * 64}" for name, digit in (("digest", "a"), ("waivers_digest", "b"))}
    folder.write_plan(
        {
            "versions": {"modelwarden": "0.1.0"},
            "bundle": {"digest": f"sha256:{'c' * 64}"},
            "settings": digests,
            "controls": {id_: asdict(info) for id_, info in controls.items()},
            "estate": estate_to_json(estate),
            "full_at": start,
        }
    )
    for account, region in cells:
        writer = folder.cell(account, region)
        found = (records or RECORDS)[account]
        for record in found:
            writer.add(record)
        dark = account == DARK and not whole
        ledger = (DENIED,) if account == HALF and not whole else ()
        end = writer.close("sts:AssumeRole: AccessDenied" if dark else "", ledger)
        with folder.judging(end) as (place, tally), TablesWriter(place, controls) as tables:
            for record in found:
                tally.add(record)
                tables.add(record)
        folder.write_cards(account, region, Cards(CARDS.get(account, ()), "", ()))
        day = f"{began(days_ago + 1):%Y-%m-%d}"
        measured = Metrics(day, MEASURED[account], "") if account in MEASURED else None
        folder.write_running(account, region, Running(RUNNING.get(account, ()), "", (), metrics=measured))
    told = {"started_at": start, "finished_at": start, "as_of": start, "as_of_asserted": False, **manifest}
    summary = summarize(folder, estate, with_cards=True).to_json()
    said = {"id": folder.id, "kind": "scan", "advisory": False, "source": "organization", "since": ""}
    folder.write_manifest(said | told | summary | {"tables": folder.seal(cells)})
    return folder


Ask = Callable[..., list[dict[str, Any]]]


def asking(place: Path, database: str = "modelwarden") -> Ask:
    """Puts a question to what lies at a place, by DuckDB in the place of Athena: the text is the same but for the database.

    A table of which nothing is published is one without rows, as for Athena.
    """
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(f"SET TimeZone = 'UTC'; CREATE SCHEMA {database}")
    types = {"text": "VARCHAR", "count": "BIGINT", "number": "DOUBLE", "flag": "BOOLEAN", "time": "TIMESTAMPTZ"}
    for name, table in TABLES.items():
        names = [*((one.name, types.get(one.kind, "DATE")) for one in table.columns), ("run_date", "VARCHAR")]
        source = (
            f"read_parquet('{place}/{name}/*/*.parquet', hive_partitioning=true, hive_types={{'run_date': VARCHAR}})"
        )
        if not any(place.glob(f"{name}/*/*.parquet")):
            source = f"(SELECT {', '.join(f'NULL::{type_} AS {column}' for column, type_ in names)} WHERE false)"
        connection.execute(
            f"CREATE VIEW {database}.{name} AS SELECT {', '.join(one for one, _ in names)} FROM {source}"
        )

    def ask(question: str, *, types: bool = False) -> list[dict[str, Any]]:
        found = connection.execute(QUESTIONS[question].sql.replace("${Database}", database))
        columns = [column[0] for column in found.description]
        if types:
            return [{column[0]: str(column[1]) for column in found.description}]
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]

    return ask
