"""The hook of CloudFormation, asked about what the demo organization runs and might run; nothing but a yes of the gate is a SUCCESS."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from modelwarden.attest.entry import read
from modelwarden.attest.shelf import Folder
from modelwarden.aws import hook
from modelwarden.aws.service import deployed
from modelwarden.run import Run
from modelwarden.sandbox.server import Sandbox
from modelwarden.settings.pack import digest_pack, read_pack
from tests.demo.registry import Registry, restored
from tests.organization import CLOCK, DEMO

LENDING, MAIL, CHURN, EXPERIMENT = "444455556666", "222222222222", "111122223333", "666677778888"
REGION, BUCKET, TOKEN = "eu-west-1", "hook-records", "0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d"
CONTEXT = SimpleNamespace(
    invoked_function_arn=f"arn:aws:lambda:{REGION}:111111111111:function:modelwarden-deploy-check"
)
ALLOWED = f"arn:aws:sagemaker:{REGION}:{LENDING}:model-package/credit-default/16"
PENDING = f"arn:aws:sagemaker:{REGION}:{LENDING}:model-package/credit-default/17"
CHURN_2 = f"arn:aws:sagemaker:{REGION}:{CHURN}:model-package/churn/2"
UNDECIDED = f"arn:aws:sagemaker:{REGION}:{MAIL}:model-package/mailroom/5"
IMAGE = "333333333333.dkr.ecr.eu-west-1.amazonaws.com/ml/scoring:4.2"
STAGES = '[accounts]\n111122223333 = { stage = "Staging" }\n'


def event(
    kind: str, properties: Any, account: str = LENDING, action: str = "CREATE", region: str = REGION
) -> dict[str, Any]:
    """A request as the User Guide of CloudFormation Hooks shows it."""
    return {
        "awsAccountId": account,
        "stackId": f"arn:aws:cloudformation:{region}:{account}:stack/serving/11111111-2222-3333-4444-555555555555",
        "changeSetId": None,
        "hookTypeName": "Modelwarden::Deploy::Check",
        "hookTypeVersion": "00000001",
        "hookModel": {"LambdaFunction": CONTEXT.invoked_function_arn},
        "actionInvocationPoint": f"{action}_PRE_PROVISION",
        "requestData": {
            "targetName": f"AWS::SageMaker::{kind}",
            "targetType": "RESOURCE",
            "targetLogicalId": "Serving",
            "targetModel": {"resourceProperties": properties, "previousResourceProperties": None},
        },
        "requestContext": {"invocation": 1, "callbackContext": None},
        "clientRequestToken": TOKEN,
    }


class Hook:
    """The function, under the demo's rules with records in a bucket and a log in a folder."""

    def __init__(self, registry: Registry, patch: pytest.MonkeyPatch) -> None:
        self.registry, self._patch = registry, patch
        self.s3 = registry.client(f"arn:aws:s3:{REGION}:111111111111:x", "s3")
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        (registry.folder / "log").mkdir()

    def set_up(self, *, records: str = f"s3://{BUCKET}/org", top: str = "", **variables: str) -> None:
        pack = self.registry.folder / "pack"
        pack.mkdir(exist_ok=True)
        places = f'records = "{records}"\nlog = "{self.registry.folder / "log"}"\n{top}'
        (pack / "modelwarden.toml").write_text(f"{places}{(DEMO / 'modelwarden.toml').read_text()}\n{STAGES}")
        pinned = {
            "MODELWARDEN_ORGANIZATION": str(pack),
            "MODELWARDEN_ORGANIZATION_DIGEST": digest_pack(read_pack(str(pack), None)),
            "MODELWARDEN_RETRIES": "0",
        }
        for name in [name for name in os.environ if name.startswith(("AWS_", "MODELWARDEN_", "UNREGISTERED"))]:
            self._patch.delenv(name)
        for name, value in {**self.registry.environment, **pinned, **variables}.items():
            self._patch.setenv(name, value)
        hook._service.cache_clear()
        self._patch.setattr(hook, "deployed", lambda *given: replace(deployed(*given), now=lambda: CLOCK))

    def ask(self, kind: str, properties: Any, **more: Any) -> tuple[str, str, str]:
        """Status, error code and message; that token and members are those of the User Guide is asserted."""
        told = json.loads(json.dumps(hook.handler(event(kind, properties, **more), CONTEXT)))
        assert told["clientRequestToken"] == TOKEN
        assert set(told) == {"hookStatus", "message", "clientRequestToken"} | (
            {"errorCode"} if told["hookStatus"] == "FAILED" else set()
        )
        return told["hookStatus"], told.get("errorCode", ""), told["message"]

    def recorded(self) -> dict[str, Run]:
        """Id -> every run that was recorded."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix="org/decisions/").get("Contents", [])
        names = [one["Key"] for one in listed if one["Key"].endswith(".json")]
        bodies = [self.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names]
        return {run.id: run for run in (Run.from_json(json.loads(body)) for body in bodies)}

    def logged(self) -> list[str]:
        """Ids of the runs in the log."""
        shelf = Folder(self.registry.folder / "log")
        return [read(shelf.read("entries", one).data, "log").word.run for one in range(1, shelf.last("entries") + 1)]


@pytest.fixture
def asked(running: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with restored(running, tmp_path) as registry:
        made = Hook(registry, monkeypatch)
        made.set_up()
        yield made
        for one in made.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            made.s3.delete_object(Bucket=BUCKET, Key=one["Key"])
        made.s3.delete_bucket(Bucket=BUCKET)
    hook._service.cache_clear()


def test_a_model_of_an_approved_package_may_go_live(asked: Hook) -> None:
    """Judged at `deploy`, by nobody in particular, recorded and logged."""
    status, code, message = asked.ask("Model", {"PrimaryContainer": {"ModelPackageName": ALLOWED}})
    ((id_, run),) = asked.recorded().items()
    assert (status, code) == ("SUCCESS", "")
    assert message == f"{LENDING}/{REGION}/credit-default/16 may go live in Production (run {id_})"
    assert (run.decision.verdict, run.decision.request.moment, run.decision.request.stage) == (
        "allow",
        "deploy",
        "Production",
    )
    assert run.decision.request.principal == hook._NOBODY
    assert asked.logged() == [id_]


def test_where_the_pack_names_a_key_the_decision_and_its_entry_are_signed(asked: Hook) -> None:
    """Although nobody is known who acts."""
    done = asked.registry.run("key", "new", "k", "--no-passphrase")
    assert done.code == 0, done.err
    asked.set_up(top=f'sign = "{asked.registry.folder / "k"}"\n')
    assert asked.ask("Model", {"PrimaryContainer": {"ModelPackageName": ALLOWED}})[0] == "SUCCESS"
    (id_,) = asked.recorded()
    for ending in ("json", "intoto.jsonl"):
        body = asked.s3.get_object(Bucket=BUCKET, Key=f"org/decisions/{id_}.{ending}")["Body"].read()
        (asked.registry.folder / f"{id_}.{ending}").write_bytes(body)
    signed = asked.registry.run(
        "verify", f"{id_}.intoto.jsonl", "--key", "k.pub", "--any-subject", "--allow-uncovered", "--moment", "deploy"
    )
    assert signed.code == 0, signed.err
    logged = asked.registry.run("verify", "log", "--key", "k.pub", "--run", f"{id_}.json")
    assert logged.code == 0, logged.err


@pytest.mark.parametrize(
    ("package", "says"),
    [
        (PENDING, "credit-default/17 must not go live in Production: APR-01 package is not approved"),
        (UNDECIDED, "mailroom/5 cannot be decided for Production: evidence is missing: APR-02"),
    ],
    ids=["block", "undecided"],
)
def test_what_is_blocked_or_undecided_may_not(asked: Hook, package: str, says: str) -> None:
    status, code, message = asked.ask("Model", {"Containers": [{"ModelPackageName": package}]})
    assert (status, code) == ("FAILED", "NonCompliant")
    assert says in message
    assert asked.logged() == list(asked.recorded())


def test_one_bad_package_of_several_is_enough(asked: Hook) -> None:
    containers = [{"ModelPackageName": ALLOWED}, {"ModelPackageName": PENDING}]
    status, code, message = asked.ask("Model", {"Containers": containers})
    assert (status, code) == ("FAILED", "NonCompliant")
    assert "credit-default/16 may go live in Production" in message
    assert "credit-default/17 must not go live in Production" in message
    assert len(asked.recorded()) == 2


def test_the_stage_is_that_of_the_account_else_production(asked: Hook) -> None:
    asked.ask("Model", {"PrimaryContainer": {"ModelPackageName": CHURN_2}}, account=CHURN)
    asked.ask("Model", {"PrimaryContainer": {"ModelPackageName": CHURN_2}}, account=MAIL)
    assert [one.decision.request.stage for _, one in sorted(asked.recorded().items())] == ["Staging", "Production"]


@pytest.mark.parametrize(
    ("kind", "properties", "account", "status", "says"),
    [
        (
            "EndpointConfig",
            {"ProductionVariants": [{"VariantName": "a", "ModelName": "credit-default-016"}]},
            LENDING,
            "SUCCESS",
            "credit-default/16 may",
        ),
        (
            "EndpointConfig",
            {"ProductionVariants": [{"VariantName": "a", "ModelName": "credit-default-020"}]},
            LENDING,
            "FAILED",
            "credit-default/20 must not",
        ),
        (
            "EndpointConfig",
            {
                "ProductionVariants": [{"VariantName": "a", "ModelName": "credit-default-016"}],
                "ShadowProductionVariants": [{"VariantName": "b", "ModelName": "credit-default-020"}],
            },
            LENDING,
            "FAILED",
            "credit-default/20 must not",
        ),
        (
            "EndpointConfig",
            {
                "ProductionVariants": [
                    {"VariantName": "a", "InstancePools": [{"ModelNameOverride": "credit-default-020"}]}
                ]
            },
            LENDING,
            "FAILED",
            "credit-default/20 must not",
        ),
        ("Endpoint", {"EndpointConfigName": "credit-decision-config-1"}, LENDING, "SUCCESS", "credit-default/16 may"),
        (
            "Endpoint",
            {"EndpointConfigName": "credit-preview-config-1"},
            LENDING,
            "FAILED",
            "credit-default/20 must not",
        ),
        (
            "Endpoint",
            {"EndpointConfigName": "mailroom-sorter-config-1"},
            MAIL,
            "FAILED",
            "mailroom/5 cannot be decided",
        ),
        (
            "InferenceComponent",
            {"Specification": {"ModelName": "credit-default-016"}},
            LENDING,
            "SUCCESS",
            "credit-default/16 may",
        ),
        (
            "InferenceComponent",
            {"Specifications": [{"ModelName": "credit-default-016"}, {"ModelName": "credit-default-020"}]},
            LENDING,
            "FAILED",
            "credit-default/20 must not",
        ),
        ("Model", {"PrimaryContainer": {"ModelPackageName": "mailroom/6"}}, MAIL, "FAILED", "mailroom/6 must not"),
    ],
)
def test_packages_are_found_behind_whatever_names_them(
    asked: Hook, kind: str, properties: Any, account: str, status: str, says: str
) -> None:
    told = asked.ask(kind, properties, account=account)
    assert (told[0], told[1]) == (status, "" if status == "SUCCESS" else "NonCompliant")
    assert says in told[2]


@pytest.mark.parametrize("action", ["CREATE", "UPDATE"])
def test_what_is_in_no_registry_is_refused_and_let_only_where_somebody_says_so(asked: Hook, action: str) -> None:
    raw = {"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://models/x.tar.gz"}}
    expected = f"{IMAGE} is in no registry: register it as a model package, and name that"
    assert asked.ask("Model", raw, action=action) == ("FAILED", "NonCompliant", expected)
    both = {"Containers": [{"ModelPackageName": ALLOWED}, {"Image": IMAGE}]}
    assert asked.ask("Model", both) == ("FAILED", "NonCompliant", expected)
    assert asked.recorded() == {}
    asked.set_up(UNREGISTERED="let")
    assert asked.ask("Model", raw, action=action) == ("SUCCESS", "", f"{IMAGE} is in no registry, and was let")
    assert asked.ask("Model", both)[2].startswith(f"{IMAGE} is in no registry, and was let; {LENDING}/")
    blocked = {"Containers": [{"ModelPackageName": PENDING}, {"Image": IMAGE}]}
    assert asked.ask("Model", blocked)[:2] == ("FAILED", "NonCompliant")


def test_a_model_without_a_package_behind_an_endpoint_is_refused(asked: Hook) -> None:
    told = asked.ask(
        "Endpoint", {"EndpointConfigName": "campaign-experiment-config-1"}, account=EXPERIMENT, region="us-east-1"
    )
    assert told[:2] == ("FAILED", "NonCompliant")
    assert told[2].startswith(
        "model campaign-notebook: 333333333333.dkr.ecr.us-east-1.amazonaws.com/ml/scoring:4.2 is in no"
    )


@pytest.mark.parametrize("name", ["Image", "ModelDataUrl", "ModelDataSource", "AdditionalModelDataSources"])
def test_what_a_container_brings_besides_its_package_was_never_judged(asked: Hook, name: str) -> None:
    told = asked.ask("Model", {"PrimaryContainer": {"ModelPackageName": ALLOWED, name: "s3://other/model.tar.gz"}})
    assert told == (
        "FAILED",
        "NonCompliant",
        f"cannot tell what it would run: a container brings {name} besides its package",
    )


@pytest.mark.parametrize(
    ("kind", "properties", "says"),
    [
        ("Model", {}, "the model has no container"),
        ("Model", {"Containers": []}, "the model has no container"),
        ("Model", {"PrimaryContainer": {}}, "the model has no container"),
        ("Model", {"Containers": [{}]}, "a container names neither package nor image"),
        (
            "Model",
            {"PrimaryContainer": {"ModelPackageName": {"Ref": "Package"}}},
            "its properties are not those of a AWS::SageMaker::Model",
        ),
        (
            "Model",
            {"PrimaryContainer": {"ModelPackageName": "no name!"}},
            "a container names a package that has no name of one",
        ),
        ("Model", {"Containers": None}, "its properties are not those of"),
        ("EndpointConfig", {}, "the configuration has no variant"),
        ("EndpointConfig", {"ProductionVariants": "all"}, "its properties are not those of"),
        ("EndpointConfig", {"ProductionVariants": [{"ModelName": "nobody-made-it"}]}, "sagemaker:DescribeModel: "),
        ("Endpoint", {}, "the endpoint names no configuration"),
        ("Endpoint", {"EndpointConfigName": "nobody-made-it"}, "sagemaker:DescribeEndpointConfig: "),
        ("InferenceComponent", {}, "the inference component has no specification"),
        (
            "InferenceComponent",
            {"Specification": {"BaseInferenceComponentName": "base"}},
            "the inference component names neither model nor container",
        ),
    ],
)
def test_what_cannot_be_told_is_refused(asked: Hook, kind: str, properties: Any, says: str) -> None:
    status, code, message = asked.ask(kind, properties)
    assert (status, code) == ("FAILED", "NonCompliant")
    assert says in message
    assert asked.recorded() == {}


def test_a_package_that_is_not_there_is_refused(asked: Hook) -> None:
    gone = ALLOWED.replace("/16", "/999")
    status, code, message = asked.ask("Model", {"PrimaryContainer": {"ModelPackageName": gone}})
    assert (status, code) == ("FAILED", "NonCompliant")
    assert gone in message


def test_a_variant_of_inference_components_runs_nothing_by_itself(asked: Hook) -> None:
    """What it will run is asked about when each component is made."""
    told = asked.ask("EndpointConfig", {"ProductionVariants": [{"VariantName": "a", "InitialInstanceCount": 1}]})
    assert told == ("SUCCESS", "", "runs no model by itself")
    raw = {"Specification": {"Container": {"Image": IMAGE, "ArtifactUrl": "s3://models/x.tar.gz"}}}
    assert asked.ask("InferenceComponent", raw)[:2] == ("FAILED", "NonCompliant")


def test_deleting_is_let(asked: Hook) -> None:
    told = asked.ask("Endpoint", {"EndpointConfigName": "credit-preview-config-1"}, action="DELETE")
    assert told == ("SUCCESS", "", "what is deleted runs no more")


@pytest.mark.parametrize("operation", ["sagemaker:DescribeModel", "sagemaker:DescribeEndpointConfig"])
def test_what_cannot_be_read_is_refused(asked: Hook, operation: str) -> None:
    asked.registry.fail(kind="deny", op=operation)
    status, code, message = asked.ask("Endpoint", {"EndpointConfigName": "credit-decision-config-1"})
    assert (status, code) == ("FAILED", "NonCompliant")
    assert message.endswith(f"cannot tell what it would run: {operation}: AccessDeniedException")


def test_an_account_that_cannot_be_entered_is_refused(asked: Hook) -> None:
    asked.registry.fail(kind="deny", op="sts:AssumeRole")
    status, code, message = asked.ask("Endpoint", {"EndpointConfigName": "credit-decision-config-1"})
    assert (status, code) == ("FAILED", "NonCompliant")
    assert message.startswith("cannot tell what it would run: sts:AssumeRole: AccessDenied")
    assert asked.recorded() == {}


@pytest.mark.parametrize("operation", ["sagemaker:DescribeModelPackage", "s3:GetObject"])
def test_a_package_that_cannot_be_read_is_undecided(asked: Hook, operation: str) -> None:
    asked.registry.fail(kind="deny", op=operation, account=LENDING)
    asked.registry.fail(kind="deny", op=operation, account="111111111111")
    status, code, message = asked.ask("Model", {"PrimaryContainer": {"ModelPackageName": ALLOWED}})
    assert (status, code) == ("FAILED", "NonCompliant")
    assert "credit-default/16 cannot be decided for Production: evidence is missing: " in message


@pytest.mark.parametrize("broken", ["log", "records"])
def test_what_cannot_be_logged_or_recorded_is_no_yes(
    asked: Hook, broken: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if broken == "log":
        (asked.registry.folder / "log").rmdir()
    else:
        asked.registry.fail(kind="deny", op="s3:PutObject")
    told = asked.ask("Model", {"PrimaryContainer": {"ModelPackageName": ALLOWED}})
    assert told == ("FAILED", "InternalFailure", "nothing was decided; the log of the function says why")
    assert asked.recorded() == {}
    assert ("No such file" if broken == "log" else "AccessDenied") in capfd.readouterr().err


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"UNREGISTERED": "yes"}, "UNREGISTERED: `yes` is neither refuse nor let"),
        ({"MODELWARDEN_ORGANIZATION_DIGEST": "sha256:" + "0" * 64}, "digest"),
        ({"MODELWARDEN_PROFILE": "lax"}, "profile"),
    ],
)
def test_a_function_that_is_not_set_up_says_yes_to_nothing(
    asked: Hook, variables: dict[str, str], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    asked.set_up(**variables)
    told = asked.ask("Model", {"PrimaryContainer": {"ModelPackageName": ALLOWED}})
    assert told == ("FAILED", "InternalFailure", "nothing was decided; the log of the function says why")
    assert says in capfd.readouterr().err


def test_records_that_instances_do_not_share_are_no_place(asked: Hook) -> None:
    asked.set_up(records=str(asked.registry.folder))
    assert asked.ask("Model", {"PrimaryContainer": {"ModelPackageName": ALLOWED}})[1] == "InternalFailure"


Break = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "broken",
    [
        lambda one: one.pop("awsAccountId"),
        lambda one: one.pop("actionInvocationPoint"),
        lambda one: one["requestData"].pop("targetModel"),
        lambda one: one["requestData"].update(targetModel={"resourceProperties": None}),
        lambda one: one["requestData"].update(targetModel={}, payload="https://example.org/template"),
        lambda one: one["requestData"].update(targetName="AWS::S3::Bucket"),
        lambda one: one["requestData"].update(targetName="STACK"),
        lambda one: one.update(actionInvocationPoint="CREATE_POST_PROVISION"),
    ],
)
def test_another_question_is_not_answered_with_yes(asked: Hook, broken: Break) -> None:
    """Of a stack or a change set, of another service, or of a form that nobody knows."""
    given = event("Model", {"PrimaryContainer": {"ModelPackageName": ALLOWED}})
    broken(given)
    told = hook.handler(given, CONTEXT)
    assert (told["hookStatus"], told["errorCode"], told["clientRequestToken"]) == ("FAILED", "InternalFailure", TOKEN)


def test_a_call_of_cloud_control_names_no_stack(asked: Hook) -> None:
    """It lies in the region of the function."""
    given = event("Endpoint", {"EndpointConfigName": "credit-decision-config-1"})
    given |= {"stackId": None}
    assert hook.handler(given, CONTEXT)["hookStatus"] == "SUCCESS"


def test_a_message_is_cut_where_cloud_control_cuts_it(asked: Hook) -> None:
    containers = [{"Image": f"{IMAGE}-{number}"} for number in range(40)]
    message = asked.ask("Model", {"Containers": containers})[2]
    assert len(message) == 1024
    assert message.endswith("…")
