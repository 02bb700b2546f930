"""The gate: load, collect, evaluate, decide, and the record of it. Every step is a function of another module."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field, structs

from modelwarden import __version__, cedar
from modelwarden.arn import parse_arn
from modelwarden.attributes import RISK_POINTER
from modelwarden.authz import refused_rollback, refused_waiver
from modelwarden.catalog import Bundle, load_bundle
from modelwarden.decide import decide, digests_of
from modelwarden.document import read_document
from modelwarden.errors import UserError
from modelwarden.evaluate import evaluate, subject
from modelwarden.evidence import Evidence, Fact, Unknown
from modelwarden.finding import EXIT_CODES, ControlInfo, Decision, Finding, Rollback, Verdict
from modelwarden.identity import who
from modelwarden.material import PATTERNS as MATERIAL
from modelwarden.material import material_digest
from modelwarden.request import Moment, Principal, Request, Stage
from modelwarden.run import AskedRollback, Run
from modelwarden.settings import Settings, read_sources
from modelwarden.settings.sources import PASSPHRASE, PREFIX
from modelwarden.snapshot import LedgerRow

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from modelwarden.collect import Collector
    from modelwarden.settings import Effective
    from modelwarden.store import Records

_PRINCIPAL: Final = "/request/principal/"
_APPROVER: Final = "/approver/"
_RECORDED: Final = ("/approval/status", "/approval/description")
"""What a record of the approval is compared with."""
LATEST: Final = "9999-12-31T00:00:00Z"
"""A time after every `block_from`."""


class Sources(Struct, frozen=True):
    """Where the rules come from, as the command line names them."""

    config: Path | None = None
    organization: str | None = None
    organization_digest: str | None = None
    flags: Mapping[str, object] = field(default_factory=dict)
    """`profile`, `level` (`ID=LEVEL` strings), `bundle`, `runs`, `role`, `external_id`, `retries`: what flags may tighten or name."""


class Recipe(Struct, frozen=True):
    """What a house is made of: enough for another process to make the same one."""

    sources: Sources
    environment: Mapping[str, str]
    """Those variables of it that are ours."""


class House(Struct, frozen=True):
    """The rules of the house: what is judged, and how strictly."""

    bundle: Bundle
    settings: Settings
    recipe: Recipe

    @property
    def digests(self) -> tuple[str, str, str]:
        """Of bundle, settings and waivers: two houses with the same ones judge the same."""
        return self.bundle.digest, self.settings.digest, self.settings.waivers_digest


class Question(Struct, frozen=True):
    """What the user asks about one target."""

    target: str
    """ARN of a model package, an evidence file, or `-`."""
    stage: Stage
    moment: Moment
    principal: str | None = None
    """ARN, asserted; None: whoever the credentials prove."""
    as_of: str | None = None
    """Asserted time; None: now."""
    rollback: bool = False
    """Whether to return to what was allowed once."""
    record: Path | None = None
    replay: Path | None = None
    caller: Principal | Unknown | None = None
    """Who acts, as AWS proved it to whoever asks for them; None: whoever the credentials prove."""


class Observed(Struct, frozen=True):
    """What was read for one question."""

    evidence: Evidence
    reference: Mapping[str, Fact]
    principal: Principal | Unknown | None
    ledger: Sequence[LedgerRow] = ()
    precedent: Rollback | Unknown | None = None
    """For a rollback, what it returns to; None where there is nothing."""


def load_house(sources: Sources, environment: Mapping[str, str]) -> House:
    """Settings and bundle; every error of either is raised here, before anything is judged.

    Raises:
        UserError: settings or a bundle that cannot be used, or a layer that loosens what another one fixed.
    """
    read = read_sources(
        config=sources.config,
        organization=sources.organization,
        organization_digest=sources.organization_digest,
        environment=environment,
        flags=sources.flags,
        fetch=fetch_pack,
    )
    bundle = load_bundle(read.bundle_paths)
    return House(bundle, Settings.of(read, bundle.declarations, bundle.controls), Recipe(sources, ours(environment)))


def ours(environment: Mapping[str, str]) -> dict[str, str]:
    """Those variables that settings may come from."""
    return {name: value for name, value in environment.items() if name.startswith(PREFIX) and name != PASSPHRASE}


def fetch_pack(location: str) -> bytes:
    """The bytes of an `s3://bucket/key` policy pack; botocore is loaded only then."""
    from modelwarden.collect.pack import fetch_pack as fetch

    return fetch(location)


def keep(house: House, run: Run, collector: Callable[[], Collector] | None = None) -> str | None:
    """Keep a run where the organization keeps those that count; where it is now, None where this one does not count.

    `collector` makes one of its own: what is written is no answer to record, and its calls are not the run's.

    Raises:
        NotKept: it could not be written.
    """
    from modelwarden import precedent

    if not house.settings.records or not precedent.counts(run):
        return None
    records = records_of(collector() if collector else collector_of(house), house)
    return records.keep(run) if records else None


def is_arn(target: str) -> bool:
    return target.startswith("arn:")


def observe(house: House, question: Question) -> Observed:
    """Evidence, reference and principal for a question; AWS is only asked for an ARN.

    Raises:
        UserError: no such package, no credentials, a malformed evidence file.
    """
    if not is_arn(question.target):
        evidence, reference = read_document(question.target)
        return Observed(evidence, reference, _asserted(question) or Unknown("an evidence file proves no principal"))
    return collect(collector_of(house, record=question.record, replay=question.replay), house, question)


def collector_of(
    house: House, *, record: Path | None = None, replay: Path | None = None, session: Any = None
) -> Collector:
    """A collector as the settings describe it; collectors of one `session` of botocore share what it has loaded."""
    from modelwarden.collect import Collector

    settings = house.settings.collect
    return Collector(
        role=settings.role,
        external_id=settings.external_id,
        via=settings.via,
        retries=settings.retries,
        timeout_seconds=settings.timeout_seconds,
        searches_per_second=settings.searches_per_second,
        reads_per_second=settings.reads_per_second,
        record=record,
        replay=replay,
        session=session,
    )


def collect(collector: Collector, house: House, question: Question) -> Observed:
    """Read one package with only the facts that the enabled controls need."""
    from concurrent.futures import ThreadPoolExecutor

    reads = needed_facts(house, question)
    package = [pattern for pattern in reads if not pattern.startswith(("/request/", "/reference/"))]
    principal: Principal | Unknown | None = question.caller or _asserted(question)
    if principal is None and (question.rollback or any(pattern.startswith(_PRINCIPAL) for pattern in reads)):
        principal = collector.caller()
    with ThreadPoolExecutor(2) as beside:
        approval = beside.submit(newest_approval, collector, house, question, package)
        evidence, reference = _read(collector, house, question, package, reads, beside)
        evidence = with_approver(evidence, approval.result(), question)
    precedent = _precedent(collector, house, question, evidence) if question.rollback else None
    return Observed(evidence, reference, principal or Unknown("not asked for"), collector.ledger, precedent)


def _read(
    collector: Collector, house: House, question: Question, package: Sequence[str], reads: list[str], beside: Executor
) -> tuple[Evidence, Mapping[str, Fact]]:
    """Evidence and reference. Which base images count may depend on the package, but seldom does: they are read beside
    it, and again if it did."""
    if not any(pattern.startswith("/reference/") for pattern in reads):
        return collector.package(question.target, package), {}
    expected = base_images(house, Evidence(question.target, parse_arn(question.target).facts()), question)
    early = beside.submit(collector.reference, expected)
    evidence = collector.package(question.target, package)
    images = base_images(house, evidence, question)
    return evidence, early.result() if images == expected else collector.reference(images)


def records_of(collector: Collector, house: House) -> Records | None:
    """The runs that the organization keeps; None where it keeps none."""
    from modelwarden.store import records_at

    return records_at(house.settings.records, collector.aws) if house.settings.records else None


def newest_approval(
    collector: Collector, house: House, question: Question, package: Sequence[str]
) -> Run | Unknown | None:
    """The organization's own record of the approval, where anything asks who approved."""
    return recorded_approval(collector, house, question.target) if asks_approver(package) else None


def asks_approver(package: Sequence[str]) -> bool:
    """Whether any of these patterns asks who approved."""
    return any(pattern.startswith(_APPROVER) for pattern in package)


def recorded_approval(collector: Collector, house: House, package: str) -> Run | Unknown | None:
    """The newest recorded run that decided about an approval; None where there is none, or no records are kept."""
    from modelwarden import precedent

    records = records_of(collector, house)
    return records.newest(package, precedent.approves) if records else None


def with_approver(evidence: Evidence, approval: Run | Unknown | None, question: Question) -> Evidence:
    """A record that proves who approved comes before CloudTrail; one that does not leaves it as it is."""
    from modelwarden import precedent

    if not isinstance(approval, Run):
        return evidence
    return structs.replace(evidence, facts={**evidence.facts, **precedent.approver(approval, evidence, question.stage)})


def _precedent(collector: Collector, house: House, question: Question, evidence: Evidence) -> Rollback | Unknown | None:
    from modelwarden import precedent

    records = records_of(collector, house)
    if records is None:
        return Unknown("the organization layer does not say where decisions are kept: `records`")
    material = material_digest(evidence)
    if not material:
        return Unknown("not everything that the package would run was read, so nobody can tell whether it is the same")
    returned = partial(precedent.rollback_to, stage=question.stage, material=material)
    found = records.newest(question.target, lambda run: returned(run) is not None)
    return returned(found) if isinstance(found, Run) else found


def roll_back(collector: Collector, house: House, question: Question, observed: Observed) -> tuple[Question, Observed]:
    """The same question as a rollback to what was allowed once, with what that would return to."""
    found = _precedent(collector, house, question, observed.evidence)
    return structs.replace(question, rollback=True), structs.replace(observed, precedent=found)


def needed_facts(house: House, question: Question) -> list[str]:
    """Patterns that the controls of this moment read, with what scopes and the material digest rest on."""
    request = Request(question.stage, question.moment, question.as_of or LATEST)
    # With only the ARN known, the stricter of all possible levels holds: a control is off here only if it is off for certain.
    effective = house.settings.effective(Evidence(question.target, parse_arn(question.target).facts()), request)
    reads: dict[str, None] = dict.fromkeys((*MATERIAL, *house.settings.reads(), RISK_POINTER))
    for control in house.bundle.controls.values():
        if question.moment in control.info.moments and effective.level(control.id)[0] != "off":
            reads |= dict.fromkeys(control.info.reads)
    # Of what is approved or live, a scan asks whether a record approves it, whatever the controls read.
    if house.settings.records and (question.moment == "serve" or asks_approver(list(reads))):
        reads |= dict.fromkeys(_RECORDED)
    if question.moment == "approve":
        # Who approves is the principal now; nobody needs to ask the trail for an earlier approval.
        for pattern in [pattern for pattern in reads if pattern.startswith(_APPROVER)]:
            del reads[pattern]
            reads[_PRINCIPAL + pattern.removeprefix(_APPROVER)] = None
    return list(reads)


def base_images(house: House, evidence: Evidence, question: Question) -> tuple[str, ...]:
    request = Request(question.stage, question.moment, "1970-01-01T00:00:00Z")
    value = house.settings.effective(subject(evidence, {}, request), request).parameters.get("approved_base_images", ())
    return value if isinstance(value, tuple) else ()


def _asserted(question: Question) -> Principal | None:
    if question.principal is None:
        return None
    if not is_arn(question.principal):
        raise UserError(
            f"--principal: `{question.principal}` is not an ARN", "give the ARN of an IAM user, role or session"
        )
    return who(question.principal, asserted=True)


def judge(
    house: House, question: Question, observed: Observed, *, now: str, run_id: str, finished: str | None = None
) -> Run:
    """Evaluate and decide what was observed, as a run that stands for itself. Pure."""
    return Run(
        id=run_id,
        kind="gate",
        started_at=now,
        finished_at=finished or now,
        versions=versions(),
        decision=decision_on(house, question, observed, now=now),
        evidence=observed.evidence,
        reference=dict(observed.reference),
        ledger=tuple(observed.ledger),
        controls=controls_of(house),
        bundle=bundle_of(house),
        settings=house.settings.to_json(),
        rollback=AskedRollback(observed.precedent) if question.rollback else None,
    )


def decision_on(house: House, question: Question, observed: Observed, *, now: str) -> Decision:
    """Evaluate and decide what was observed. Pure."""
    request = Request(
        question.stage,
        question.moment,
        question.as_of or now,
        observed.principal,
        as_of_asserted=question.as_of is not None,
    )
    severities = severities_of(house)
    effective = house.settings.effective(
        subject(observed.evidence, observed.reference, request),
        request,
        lambda waiver, rules: refused_waiver(house.bundle.authorizer, waiver, rules, severities),
    )
    findings: tuple[Finding, ...] = evaluate(house.bundle, effective, observed.evidence, observed.reference, request)
    digests = digests_of(
        observed.evidence,
        observed.reference,
        bundle=house.bundle.digest,
        settings=house.settings.digest,
        waivers=house.settings.waivers_digest,
    )
    judged = {finding.control for finding in findings}
    rollback, rollback_notice = _roll_back(house, question, observed, findings, effective)
    return decide(
        findings,
        effective,
        request,
        package=observed.evidence.package,
        digests=digests,
        advisory=house.settings.advisory,
        evidence_asserted=observed.evidence.asserted,
        off=[id_ for id_ in house.bundle.controls if id_ not in judged],
        notices=[*rollback_notice, *effective.notices],
        rollback=rollback,
    )


def controls_of(house: House) -> dict[str, ControlInfo]:
    """What a reader of findings needs to know of the controls, by id."""
    return {id_: control.info for id_, control in house.bundle.controls.items()}


def severities_of(house: House) -> dict[str, str]:
    """Control id -> severity."""
    return {id_: control.info.severity for id_, control in house.bundle.controls.items()}


def bundle_of(house: House) -> dict[str, Any]:
    """The bundle as runs keep it: its digest, and path, sha256 and text of each file."""
    files = [{"path": file.path, "sha256": file.sha256, "text": file.text} for file in house.bundle.files]
    return {"digest": house.bundle.digest, "files": files}


def _roll_back(
    house: House, question: Question, observed: Observed, findings: Sequence[Finding], rules: Effective
) -> tuple[Rollback | None, list[str]]:
    """The rollback that was asked for, where it may be, and what the decision says of it."""
    if not question.rollback:
        return None, []
    found = observed.precedent
    if isinstance(found, Unknown):
        return None, [f"no rollback: {found.reason}{f': {found.detail}' if found.detail else ''}"]
    if found is None:
        return None, [f"no rollback: no recorded decision allowed this material for {question.stage}"]
    failed = [finding.control for finding in findings if finding.outcome == "fail"]
    refusal = refused_rollback(
        house.bundle.authorizer, observed.principal, observed.evidence.package, question.stage, failed, rules
    )
    if refusal:
        return None, [f"no rollback: {refusal}"]
    by = f"{found.verdict}, {found.moment}, by {found.decided_by}"
    notice = f"rollback to what run {found.run} allowed for {question.stage} at {found.decided_at} ({by})"
    return found, [f"{notice}: what fails flags instead of blocking"]


def versions() -> dict[str, str]:
    """Of everything that a verdict depends on."""
    return {"modelwarden": __version__, "cedarpy": cedar.version(), "python": platform.python_version()}


def exit_code(verdict: Verdict) -> int:
    """0 allow or flag, 1 block, 3 undecided; anything else is a defect."""
    return EXIT_CODES[verdict]
