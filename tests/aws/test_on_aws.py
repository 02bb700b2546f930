"""The script for a real account, as far as the simulation goes: what is there is shown, what is not is said."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import boto3
import pytest
from msgspec.structs import replace
from scripts import on_aws
from scripts.on_aws import Hub as Asked
from scripts.on_aws import LeftOut, NotShown

from modelwarden.aws.desk import desk_of

from .conftest import HUB, REGION, SPOKE, Hub

GROUP = "credit-default"


class Known(Asked, frozen=True):
    """The hub that no stack made."""

    outputs: dict[str, str] = {}

    def output(self, name: str, beside: str = "") -> str:
        if name not in self.outputs:
            raise LeftOut(f"no output {name}")
        return self.outputs[name]


def known(hub: Hub, account: str = HUB, wait: float = 20, group: str = "", **outputs: str) -> Known:
    own = hub.registry.sandbox.environment(account)
    session = boto3.Session(own["AWS_ACCESS_KEY_ID"], own["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
    return Known(session, "modelwarden", group, wait, hub.registry.sandbox.endpoint, outputs)


def said(capsys: pytest.CaptureFixture[str], asked: Asked, *names: str) -> tuple[int, str]:
    code = on_aws.run(asked, list(names))
    return code, capsys.readouterr().out


def test_a_signature_of_the_key_is_shown(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    key = hub.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    assert said(capsys, known(hub, SigningKeyArn=key), "signature") == (
        0,
        "signature  shown      verified with the public key of secp256r1\n",
    )


def test_a_lock_is_shown_and_a_bucket_without_one_is_not(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    s3 = hub.client("s3")
    place = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="locked", CreateBucketConfiguration=place, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        Bucket="locked", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    code, out = said(capsys, known(hub, Records="s3://locked/records"), "lock")
    assert code == 0, out
    assert out.startswith("lock       shown      COMPLIANCE until ")
    assert out.endswith("; deleting it was refused\n")
    open_ = known(hub, Records="s3://hub-records/records")
    assert said(capsys, open_, "lock") == (1, "lock       NOT SHOWN  the bucket keeps no versions\n")


def test_an_approval_that_is_answered_is_shown(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    """The function is let run beside it, as Lambda would; the trial is gone afterwards."""
    hub.set_up()
    arn = next(
        one["describe"]["ModelPackageArn"]
        for one in hub.registry.packages
        if f"/{GROUP}/" in one["describe"]["ModelPackageArn"]
    )
    account = arn.split(":")[4]
    before = listed(hub, arn)
    asked = known(hub, account, group=GROUP)
    hub.monkeypatch.setattr(Known, "output", lambda self, name, beside="": "s3://hub-records/x")
    hub.desk = replace(desk_of({**os.environ, "ARCHIVE": "s3://hub-records/archive"}), now=hub.now)
    stop = threading.Event()

    def answer() -> None:
        while not stop.wait(0.2):
            hub.pump()

    pumping = threading.Thread(target=answer)
    pumping.start()
    try:
        code, out = said(capsys, asked, "approval")
    finally:
        stop.set()
        pumping.join(30)
    assert code == 0, out
    assert "recorded after" in out
    assert listed(hub, arn) == before


def listed(hub: Hub, arn: str) -> list[str]:
    told = hub.registry.client(arn).list_model_packages(ModelPackageGroupName=GROUP)["ModelPackageSummaryList"]
    return sorted(one["ModelPackageArn"] for one in told)


def test_an_approval_that_nobody_answers_is_not_shown(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.set_up()
    asked = known(hub, SPOKE, wait=0.5, group=GROUP, Records="s3://hub-records/x")
    code, out = said(capsys, asked, "approval")
    assert (code, out) == (
        1,
        "approval   NOT SHOWN  a run of the function in the archive: not within 0 seconds\n",
    )


@pytest.mark.parametrize("name", sorted(on_aws.CHECKS))
def test_what_is_not_there_is_left_out_and_never_shown(hub: Hub, capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out = said(capsys, known(hub), name)
    assert (code, out.split()[:3]) == (0, [name, "left", "out"])


def test_a_stack_that_is_not_there_is_named(hub: Hub) -> None:
    plain = Asked(known(hub).session, "modelwarden", "", 1, hub.registry.sandbox.endpoint)
    with pytest.raises(LeftOut, match="no stack `modelwarden-scan`"):
        plain.output("MachineArn", "-scan")


def test_a_check_waits_no_longer_than_it_is_told(hub: Hub) -> None:
    with pytest.raises(NotShown, match="the end: not within 0 seconds"):
        known(hub, wait=0.1).until("the end", lambda: None)


def test_help_says_what_each_check_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        on_aws.main(["--help"])
    out = capsys.readouterr().out
    assert ended.value.code == 0
    for name, check in on_aws.CHECKS.items():
        assert f"  {name:10} {str(check.__doc__).splitlines()[0]}" in out


def test_a_python_without_modelwarden_is_told_in_one_line() -> None:
    done = subprocess.run([sys.executable, "-I", "-S", on_aws.__file__, "--help"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: this Python has no boto3",
        f"help: use one that has modelwarden: .venv/bin/python {on_aws.__file__}",
    ]
