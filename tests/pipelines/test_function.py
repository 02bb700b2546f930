"""Pipelines that ask the function: what may be promoted is, and nothing else ever is, whatever goes wrong."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from modelwarden.aws import pipeline
from modelwarden.aws.environment import NotSetUp
from modelwarden.aws.pipeline import NotApproved
from modelwarden.collect import NoSuchPackage
from modelwarden.enforce import NotEnforced
from modelwarden.evidence import Unknown
from modelwarden.pipelines.message import LONGEST, NotAsked, answer_of, arguments
from modelwarden.pipelines.steps import Gate
from modelwarden.request import Principal
from modelwarden.store.records import NotKept
from tests.pipelines.conftest import HOME, HUB, Line
from tests.pipelines.drawn import DEPLOY, FUNCTION, PACKAGE, by_us
from tests.pipelines.execution import ARN, Execution

APPROVE = Gate(FUNCTION, "Production")
DEPLOYS = Gate(FUNCTION, "Production", "deploy")
APPROVES = Gate(FUNCTION, "Development", approves=True)
ROLE = f"arn:aws:iam::{HUB}:role/modelwarden-pipeline"


def asked(act: str = "gate", package: str = PACKAGE, stage: str = "Production", moment: str = "approve") -> Any:
    return dict(arguments(act, package, stage, moment, ARN))  # type: ignore[arg-type]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the function's log says, as lines of it are written."""
    found: list[dict[str, Any]] = []
    (handler,) = pipeline.logger.handlers
    monkeypatch.setattr(handler, "emit", lambda record: found.append(json.loads(handler.format(record))))
    return found


def under_its_role(line: Line) -> None:
    """As Lambda runs it: with the session of a role, behind which there is no person."""
    iam = line.client("iam")
    if ROLE not in [one["Arn"] for one in iam.list_roles()["Roles"]]:
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{HUB}:root"}}
        iam.create_role(RoleName="modelwarden-pipeline", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    told = line.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="modelwarden-pipeline")["Credentials"]
    names = {"AccessKeyId": "ACCESS_KEY_ID", "SecretAccessKey": "SECRET_ACCESS_KEY", "SessionToken": "SESSION_TOKEN"}
    for name, variable in names.items():
        line.monkeypatch.setenv(f"AWS_{variable}", told[name])


def test_what_was_approved_and_is_right_goes_live(line: Line) -> None:
    arn = line.approve("credit-default/1")
    done = line.promote(arn, DEPLOYS)
    assert (done.status, done.why, done.ran) == ("Succeeded", "", ["Gate", "Gate-Check", "Deploy"])
    assert line.deployed == [arn]
    (run,) = line.runs()
    assert done.outputs["Gate"] == {"verdict": "allow", "may_promote": "true", "run": run.id, "reasons": "20 passed"}
    assert (run.decision.verdict, run.decision.request.moment, run.decision.advisory) == ("allow", "deploy", False)


def test_what_is_blocked_never_goes_live(line: Line) -> None:
    arn = line.approve("credit-default/4")
    done = line.promote(arn, DEPLOYS)
    (run,) = line.runs()
    assert (done.status, done.ran, line.deployed) == ("Failed", ["Gate", "Gate-Check"], [])
    why = "blocked by BIAS-02; 19 passed"
    assert done.why == f"Gate-Refused: modelwarden: block for Production: {why}; run {run.id}"
    assert done.outputs["Gate"] == {"verdict": "block", "may_promote": "false", "run": run.id, "reasons": why}


def test_what_nobody_approved_never_goes_live(line: Line) -> None:
    done = line.promote(line.registry.arn("credit-default/1"), DEPLOYS)
    assert (done.status, line.deployed) == ("Failed", [])
    assert done.outputs["Gate"]["verdict"] == "block"
    assert done.outputs["Gate"]["reasons"].startswith("blocked by APR-01; ")


def test_what_could_not_be_read_never_goes_live(line: Line) -> None:
    arn = line.approve("credit-default/1")
    line.registry.fail(op="kms:DescribeKey", kind="deny")
    done = line.promote(arn, DEPLOYS)
    assert (done.status, line.deployed, done.outputs["Gate"]["verdict"]) == ("Failed", [], "undecided")
    assert "undecided for Production: undecided by ENC-01, ENC-02, ENC-06; 17 passed" in done.why


def test_nobody_is_behind_a_pipeline(line: Line) -> None:
    """SageMaker does not say who started it: what needs a person stays undecided, and the record says what is known."""
    done = line.promote(line.registry.arn("credit-default/1"), APPROVE)
    assert (done.status, line.deployed) == ("Failed", [])
    assert "undecided for Production: undecided by APR-02; 18 passed" in done.why
    (run,) = line.runs()
    who = run.decision.request.principal
    assert isinstance(who, Unknown)
    assert (who.reason, who.detail) == ("not proven", f"asked for by {ARN}, by its own word")
    assert line.runs("records/") == []


def test_a_machine_approves_where_no_person_is_asked_for(line: Line) -> None:
    """In Development, for whoever the pack lists: this function's role. What follows waits for it."""
    line.set_up(f'[[scope]]\nname = "all"\nmatch = {{ group = "*" }}\nparameters = {{ approvers_high = ["{ROLE}"] }}\n')
    under_its_role(line)
    arn = line.registry.arn("credit-default/1")
    done = line.promote(arn, APPROVES)
    assert (done.status, done.why) == ("Succeeded", "")
    assert done.ran == ["Gate", "Gate-Check", "Gate-Approve", "Deploy"]
    _, run = line.runs()
    assert done.outputs["Gate-Approve"]["run"] == run.id
    said = line.registry.describe(arn)["ApprovalDescription"]
    assert said.startswith(f"modelwarden: allow for Development by {ROLE}; run {run.id}; material sha256:")
    who = run.decision.request.principal
    assert isinstance(who, Principal)
    assert (who.principal, who.kind, who.state) == (ROLE, "role", "proven")
    assert [one.id for one in line.runs("records/")] == [run.id]


def test_a_role_that_nobody_listed_approves_nothing(line: Line) -> None:
    under_its_role(line)
    arn = line.registry.arn("credit-default/1")
    done = line.promote(arn, APPROVES)
    assert (done.status, done.ran, line.deployed) == ("Failed", ["Gate", "Gate-Check"], [])
    assert done.why.startswith("Gate-Approve: NotEnforced: not approved: ")
    assert line.status(arn) == "PendingManualApproval"


def test_a_machine_never_approves_for_production(line: Line) -> None:
    """Also where it is listed, and also where whoever calls leaves the gate out."""
    line.set_up(f'[[scope]]\nname = "all"\nmatch = {{ group = "*" }}\nparameters = {{ approvers_high = ["{ROLE}"] }}\n')
    under_its_role(line)
    with pytest.raises(NotApproved, match="is not approved for Production: undecided: undecided by APR-02; 18 passed"):
        pipeline.handler(asked("approve"), None)
    assert line.status(PACKAGE) == "PendingManualApproval"


def test_an_old_answer_approves_nothing(line: Line) -> None:
    """A pipeline that is retried, or run from its second half on, brings one: the package is judged again."""
    arn = line.registry.arn("credit-default/4")
    strict = '[enforcement]\nBIAS-02 = { Development = "block", Staging = "block", Production = "block" }\n'
    done = line.promote(arn, Gate(FUNCTION, "Development"))
    assert (done.status, done.outputs["Gate"]["verdict"]) == ("Succeeded", "flag")
    line.set_up(strict)
    with pytest.raises(NotApproved, match="is not approved for Development: block: blocked by BIAS-02; 17 passed"):
        pipeline.handler(asked("approve", arn, "Development"), None)
    assert line.status(arn) == "PendingManualApproval"


def test_what_could_not_be_recorded_was_not_decided(line: Line) -> None:
    arn = line.approve("credit-default/1")
    line.set_up(ARCHIVE="s3://nowhere/archive")
    done = line.promote(arn, DEPLOYS)
    assert (done.status, done.ran, line.deployed) == ("Failed", [], [])
    assert done.why.startswith("Gate: NotKept: s3://nowhere/archive/")
    with pytest.raises(NotKept):
        pipeline.handler(asked(), None)


def test_what_is_not_in_the_log_was_not_decided(line: Line) -> None:
    line.set_up(top='log = "/nonexistent/log"\n')
    with pytest.raises(Exception, match="/nonexistent/log"):
        pipeline.handler(asked(stage="Development"), None)
    done = line.promote(PACKAGE, APPROVES)
    assert (done.status, done.ran, line.status(PACKAGE)) == ("Failed", [], "PendingManualApproval")


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        {"verdict": ""},
        {"verdict": "Allow"},
        {"verdict": "allow "},
        {"may_promote": "true"},
        {"verdict": True},
    ],
)
def test_an_odd_answer_is_no_yes(told: Any) -> None:
    """Whatever a function answers that is not ours: nothing follows, and the execution fails."""
    deployed: list[Any] = []
    for name in ("deploys", "approves and goes on"):
        functions = {FUNCTION: lambda _: told, DEPLOY: deployed.append}
        done = Execution(by_us(name), functions, {"ModelPackageArn": PACKAGE}).run()
        assert (done.status, deployed) == ("Failed", [])


def test_a_defect_fails_the_step(line: Line) -> None:
    line.monkeypatch.setattr(pipeline.gate, "judge", lambda *_, **__: 1 / 0)
    done = line.promote(line.approve("credit-default/1"), DEPLOYS)
    assert (done.status, done.ran, done.why) == ("Failed", [], "Gate: ZeroDivisionError: division by zero")
    assert (line.deployed, line.runs()) == ([], [])


def test_a_package_that_is_not_there_fails_the_step(line: Line, told: list[dict[str, Any]]) -> None:
    gone = PACKAGE.replace("/1", "/999")
    with pytest.raises(NoSuchPackage):
        pipeline.handler(asked(package=gone), None)
    (entry,) = told
    assert (entry["level"], entry["message"], entry["service"]) == ("ERROR", "refused", "modelwarden-pipeline")
    assert gone.partition("model-package/")[2] in entry["reason"]
    assert entry["help"]


def test_a_decision_is_told_in_the_log(line: Line, told: list[dict[str, Any]]) -> None:
    run = pipeline.handler(asked(stage="Development"), None)["run"]
    (entry,) = told
    assert {name: entry[name] for name in ("message", "run", "act", "package", "stage", "verdict", "execution")} == {
        "message": "decided",
        "run": run,
        "act": "gate",
        "package": PACKAGE,
        "stage": "Development",
        "verdict": "allow",
        "execution": ARN,
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"package": ...}, "object missing required field `package`"),
        ({"package": "credit-default/1"}, "`package`: "),
        ({"package": None}, "expected `str`, got `null`"),
        ({"stage": "Prod"}, "invalid enum value 'Prod'"),
        ({"moment": "serve"}, "invalid enum value 'serve'"),
        ({"act": "enforce"}, "invalid enum value 'enforce'"),
        ({"principal": "arn:aws:iam::1:user/x"}, "object contains unknown field `principal`"),
        ({"execution": "x"}, "`execution`: `x` is not the ARN of an execution of a pipeline"),
        ({"execution": f"{ARN}\nx"}, "`execution`: "),
        ({"act": "approve", "moment": "deploy"}, "`act` is approve, and `moment` deploy"),
    ],
)
def test_what_is_no_question_is_refused(line: Line, change: dict[str, Any], says: str) -> None:
    given = {name: value for name, value in (asked() | change).items() if value is not ...}
    with pytest.raises(NotAsked, match=re.escape(says)) as told:
        pipeline.handler(given, None)
    assert told.value.help
    assert line.runs() == []


@pytest.mark.parametrize("event", [None, [], "x", 1])
def test_nor_is_anything_but_an_object(line: Line, event: Any) -> None:
    with pytest.raises(NotAsked, match="no question of a step: expected `object`"):
        pipeline.handler(event, None)


def test_without_a_pinned_layer_nothing_is_answered(line: Line) -> None:
    for name in ("MODELWARDEN_ORGANIZATION", "MODELWARDEN_ORGANIZATION_DIGEST"):
        line.monkeypatch.delenv(name)
    with pytest.raises(NotSetUp, match="no pinned organization layer stands behind the settings"):
        pipeline.handler(asked(), None)
    line.set_up()
    line.monkeypatch.delenv("ARCHIVE")
    with pytest.raises(NotSetUp, match="ARCHIVE is not set"):
        pipeline.handler(asked(), None)


def test_what_aws_refuses_to_set_is_no_success(line: Line) -> None:
    line.registry.fail(op="sagemaker:UpdateModelPackage", kind="deny")
    with pytest.raises(NotEnforced, match="was not set to Approved"):
        pipeline.handler(asked("approve", stage="Development"), None)
    assert line.status(PACKAGE) == "PendingManualApproval"


def test_an_answer_fits_into_the_outputs_of_a_step() -> None:
    """One line, and no longer than SageMaker's API lets a value be."""
    told = answer_of("block", "r", "blocked by\n\tX-01\u2028, \x1b[31m" + "Y-02, " * 400).to_json()
    assert told["reasons"].startswith("blocked by X-01 , [31mY-02, ")
    assert len(told["reasons"]) == LONGEST
    assert told["reasons"].endswith("...")
    assert [answer_of(one, "r", "").may_promote for one in ("allow", "flag", "block", "undecided")] == [  # type: ignore[arg-type]
        "true",
        "true",
        "false",
        "false",
    ]


def test_the_definition_is_one_that_the_api_takes(line: Line) -> None:
    """Within the model's limits, as botocore checks them, and read back from the simulated registry."""
    sagemaker = line.registry.client(HOME)
    text = json.dumps(by_us("approves and goes on"))
    role = f"arn:aws:iam::{HUB}:role/pipelines"
    sagemaker.create_pipeline(
        PipelineName="promotion", PipelineDefinition=text, RoleArn=role, ClientRequestToken="x" * 32
    )
    assert sagemaker.describe_pipeline(PipelineName="promotion")["PipelineDefinition"] == text
    sagemaker.delete_pipeline(PipelineName="promotion", ClientRequestToken="x" * 32)
