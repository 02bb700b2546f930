"""Runs built by hand and decided by `decide`: every kind of ruling, and text from outside in every place that has any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from modelwarden.decide import decide
from modelwarden.evidence import Absent, Evidence, Fact, Present, Source, Unknown
from modelwarden.finding import AppliedWaiver, ControlInfo, Decision, Digests, Finding, Level, Observation
from modelwarden.identity import who
from modelwarden.request import Request
from modelwarden.run import Run
from modelwarden.snapshot import LedgerRow

PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"
CLOCK = "2026-11-22T02:10:00Z"
REQUEST = Request("Production", "approve", CLOCK, who("arn:aws:iam::111122223333:user/alice", asserted=True))
DIGESTS = Digests(*(f"sha256:{digit * 64}" for digit in "12345"), material="")

S3 = Source("s3:HeadObject", CLOCK, "r-1")
KMS = Source("kms:DescribeKey", CLOCK, "r-2")

WAIVER = AppliedWaiver("W-1", "retail-risk", "officer", "card is under review", "2026-12-31", "RISK-7")
BROKEN_GLASS = AppliedWaiver("W-2", "on-call", "one, other", "outage", "2026-11-23", "INC-9", break_glass=True)

SEVERITIES: Mapping[str, Any] = {"BIAS-01": "critical", "IMG-03": "medium", "HYG-01": "low"}

ROWS = (
    LedgerRow("111122223333", "eu-west-1", "sagemaker:DescribeModelPackage", "read", 1, 0.1),
    LedgerRow("111122223333", "eu-west-1", "s3:HeadObject", "read", 2, 0.1),
    LedgerRow("111122223333", "eu-west-1", "kms:DescribeKey", "denied", 1, 0.1, "AccessDenied: not allowed", "r-2"),
    LedgerRow("111122223333", "eu-west-1", "sagemaker:ListTags", "throttled", 3, 9.0, covered_by="tag:GetResources"),
)


def control(id_: str, **changes: Any) -> ControlInfo:
    info = ControlInfo(
        id=id_,
        title=f"the problem of {id_} is there",
        severity=SEVERITIES.get(id_, "high"),
        rationale="Somebody would be harmed.",
        remediation="mend it and register the package again",
        reads=("/artifact_count", "/artifact/*/encryption/sse"),
        parameters=(),
        source="NIST 800-53 SC-28(1)",
        since="0.1.0",
        engine="cedar",
        path=f"policies/{id_.lower().replace('-', '_')}.cedar",
        line=11,
        expected="what complies",
    )
    return replace(info, **changes)


def seen(pointer: str, fact: Fact) -> Observation:
    return Observation(pointer, fact)


FAIL = Finding(
    "ENC-02",
    "fail",
    "aws:kms with a customer managed key",
    (seen("/artifact/0/encryption/sse", Present("AES256", S3)), seen("/artifact/0/kms_key/manager", Absent(KMS))),
)
DENIED = Unknown("AccessDenied", KMS)
FINDINGS: dict[str, Finding] = {
    "ENC-02": FAIL,
    "IMG-03": Finding("IMG-03", "fail", "", (seen("/container/0/image/tag", Present("latest", None)),), "a tag moves"),
    "ACME-01": Finding("ACME-01", "fail", "", (seen("/tag/owner", Present("", None)),)),
    "ENC-01": Finding("ENC-01", "unknown", "", (seen("/package/kms_key/manager", DENIED),)),
    "ENC-06": Finding("ENC-06", "unknown", "", (seen("/artifact/0/kms_key/state", DENIED),)),
    "HYG-01": Finding(
        "HYG-01", "unknown", "", (seen("/tag_keys", Unknown("ThrottlingException", Source("sagemaker:ListTags"))),)
    ),
    "IMG-01": Finding("IMG-01", "unknown", unset_parameters=("approved_image_sources",)),
    "CARD-04": Finding("CARD-04", "fail", "", (seen("/card/content/intended_uses/risk_rating", Absent()),)),
    "CARD-07": Finding("CARD-07", "unknown", "", (seen("/card/state", Unknown("not collected")),)),
    "APR-01": Finding("APR-01", "not-applicable", "", (seen("/request/moment", Present("approve")),)),
    "BIAS-01": Finding("BIAS-01", "pass"),
}
"""Control -> what it says of the package; between them every kind of ruling."""

LEVELS: dict[str, Level] = {"IMG-03": "flag", "ACME-01": "flag", "HYG-01": "flag"}
WAIVERS = {"CARD-04": WAIVER, "CARD-07": BROKEN_GLASS}


class Rules:
    """Levels and waivers by control id; block where nothing is said."""

    def __init__(self, levels: Mapping[str, Level], waivers: Mapping[str, AppliedWaiver]) -> None:
        self._levels, self._waivers = levels, waivers

    def level(self, control_id: str) -> tuple[Level, str]:
        return self._levels.get(control_id, "block"), "profile recommended"

    def waiver(self, finding: Finding) -> AppliedWaiver | None:
        return self._waivers.get(finding.control)


def decided(findings: Sequence[Finding], levels: Mapping[str, Level] = LEVELS, **changes: Any) -> Decision:
    waivers = changes.pop("waivers", WAIVERS)
    given = {"package": PACKAGE, "digests": DIGESTS, "advisory": True, "evidence_asserted": True} | changes
    return decide(findings, Rules(levels, waivers), REQUEST, **given)


def run_of(decision: Decision, **changes: Any) -> Run:
    ids = [*(ruling.finding.control for ruling in decision.rulings), *decision.off]
    run = Run(
        id="20261122T021000Z-0123abcd",
        kind="gate",
        started_at=CLOCK,
        finished_at=CLOCK,
        versions={"modelwarden": "0.1.0", "cedarpy": "4.12.2", "python": "3.11.7"},
        decision=decision,
        evidence=Evidence(PACKAGE, {}, asserted=True),
        reference={},
        ledger=ROWS,
        controls={id_: control(id_) for id_ in ids},
        bundle={"digest": DIGESTS.bundle, "files": []},
        settings={},
    )
    return replace(run, **changes)


def everything() -> Run:
    """Every kind of ruling, a control that is off, a notice."""
    decision = decided(list(FINDINGS.values()), off=["BIAS-04"], notices=["waiver W-0 has expired"])
    run = run_of(decision)
    house = control("ACME-01", origin="user", path="house/owner.py", engine="python", line=7)
    return replace(run, controls=run.controls | {"ACME-01": house})


def of(*ids: str, **changes: Any) -> Run:
    return run_of(decided([FINDINGS[id_] for id_ in ids], **changes))


def allowed() -> Run:
    """Nothing to say but that it passed; a pinned organization layer, and nothing asserted."""
    request = Request("Production", "approve", CLOCK, who("arn:aws:iam::111122223333:user/alice"))
    decision = decided([FINDINGS["BIAS-01"], FINDINGS["APR-01"]], advisory=False, evidence_asserted=False)
    return run_of(replace(decision, request=request, asserted=()), ledger=ROWS[:2])


def many(number: int) -> Run:
    """As many blocking failures."""
    return run_of(decided([replace(FAIL, control=f"ACME-{index:02}") for index in range(number)], levels={}))


RUNS = {
    "everything": everything,
    "allowed": allowed,
    "flagged": lambda: of("IMG-03", "BIAS-01"),
    "undecided": lambda: of("ENC-01", "ENC-06", "BIAS-01"),
    "unset": lambda: of("IMG-01", "BIAS-01"),
    "waived": lambda: of("CARD-04", "CARD-07", "BIAS-01"),
    "nothing-applies": lambda: of("APR-01"),
    "no-control": lambda: of(),
    "many": lambda: many(25),
}


def hostile(text: str) -> Run:
    """`everything` with a text from outside in every place that holds one."""
    run = everything()
    rulings = tuple(
        replace(
            ruling,
            why_level=text,
            finding=replace(
                ruling.finding,
                expected=text,
                reason=text,
                observed=tuple(_with(one, text) for one in ruling.finding.observed),
            ),
            waiver=replace(ruling.waiver, id=text, owner=text, approver=text, reason=text, ticket=text)
            if ruling.waiver
            else None,
        )
        for ruling in run.decision.rulings
    )
    package = f"arn:aws:sagemaker:eu-west-1:111122223333:model-package/{text}/7"
    decision = replace(run.decision, package=package, rulings=rulings, notices=(text, *run.decision.notices))
    words = {"title": text, "rationale": text, "remediation": text, "source": text, "expected": text, "reads": (text,)}
    controls = {id_: replace(info, **words, path=f"house/{text}.py") for id_, info in run.controls.items()}
    ledger = tuple(replace(row, error=text) for row in run.ledger)
    return replace(run, decision=decision, controls=controls, ledger=ledger)


def _with(one: Observation, text: str) -> Observation:
    match one.fact:
        case Present(str(), source):
            return replace(one, fact=Present(text, source))
        case Unknown(_, source):
            return replace(one, fact=Unknown(text, source, text))
    return one
