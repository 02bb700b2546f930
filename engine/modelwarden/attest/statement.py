"""What an attestation says: two in-toto statements (v1) about the same subjects, as they are written and read."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct, field

from modelwarden.finding import Verdict
from modelwarden.request import Moment, Stage

STATEMENT: Final = "https://in-toto.io/Statement/v1"
SUMMARY: Final = "https://slsa.dev/verification_summary/v1"
DECISION: Final = "urn:modelwarden:decision:1"
VERIFIER: Final = "urn:modelwarden:gate"
BUNDLE: Final = "urn:modelwarden:bundle"
RUN: Final = "urn:modelwarden:run:"


class Descriptor(Struct, frozen=True):
    """An in-toto resource descriptor."""

    uri: str
    digest: dict[str, str]


class SubjectOf(Struct, frozen=True, forbid_unknown_fields=True):
    """An artifact or image, by content."""

    name: str
    """Where the evidence has it: `artifact/0`, `container/1/image`."""
    digest: dict[str, str]
    """`sha256` -> hex."""


class VerifierOf(Struct, frozen=True, forbid_unknown_fields=True):
    id: str


class Summary(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The predicate of https://slsa.dev/verification_summary/v1."""

    verifier: VerifierOf
    time_verified: str
    """As of when was judged, UTC."""
    resource_uri: str
    """ARN of the model package."""
    policy: Descriptor
    input_attestations: tuple[Descriptor, ...]
    """Our own statement, and the recorded run."""
    verification_result: Literal["PASSED", "FAILED"]
    verified_levels: tuple[str, ...]
    slsa_version: str = "1.0"


class Asked(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The request."""

    stage: Stage
    moment: Moment
    as_of: str
    principal: str | None
    """ARN of who acted, proven; null where nobody could tell."""


class GivenWaiver(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A waiver that counted."""

    id: str
    controls: tuple[str, ...]
    expires: str
    break_glass: bool


class Uncovered(Struct, frozen=True, forbid_unknown_fields=True):
    """What the package would run and nobody knows the sha256 of: the attestation does not speak of its content."""

    name: str
    uri: str
    version: str
    """VersionId of the object that was judged; empty where there is none."""


class Totals(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How long the lists are, also where they are left out."""

    blocks: int
    flags: int
    undecides: int
    off: int
    waivers: int
    break_glass: int
    """Waivers for which the glass was broken."""
    unread: int


class Coverage(Struct, frozen=True, forbid_unknown_fields=True):
    """What was read for the decision."""

    read: int
    """APIs that answered."""
    unread: tuple[str, ...]
    """`kms:DescribeKey denied` of every API that did not, and that no other one covered."""


class DecisionOf(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The predicate of `urn:modelwarden:decision:1`: what the verification summary has no room for."""

    run: str
    run_sha256: str
    """Hex, over the bytes of the recorded run: all details are there."""
    versions: dict[str, str]
    """Of modelwarden, cedarpy and Python."""
    package: str
    request: Asked
    verdict: Verdict
    counts: dict[str, int]
    controls: dict[str, tuple[str, ...]]
    """`blocks`, `flags`, `undecides`, `off` -> ids."""
    waivers: tuple[GivenWaiver, ...]
    waived_until: str | None
    """UTC: the first moment at which one of the waivers no longer counts, and what rests on it neither; null without any."""
    rollback_to: str | None
    """The run that was returned to."""
    coverage: Coverage
    digests: dict[str, str]
    """`evidence`, `reference`, `bundle`, `settings`, `waivers`, `material` -> `sha256:<hex>`; material may be empty."""
    uncovered: tuple[Uncovered, ...]
    totals: Totals
    abridged: bool
    """Whether the lists were too long, and stand in the run alone: `controls`, `waivers` and what was not read."""


class SummaryStatement(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    type_: Literal["https://in-toto.io/Statement/v1"] = field(name="_type", default=STATEMENT)
    subject: tuple[SubjectOf, ...]
    predicate_type: Literal["https://slsa.dev/verification_summary/v1"] = SUMMARY
    predicate: Summary


class DecisionStatement(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    type_: Literal["https://in-toto.io/Statement/v1"] = field(name="_type", default=STATEMENT)
    subject: tuple[SubjectOf, ...]
    predicate_type: Literal["urn:modelwarden:decision:1"] = DECISION
    predicate: DecisionOf


def level(stage: Stage, moment: Moment) -> str:
    """What a package that passed is verified for, in words of our own as SLSA allows."""
    return f"MODELWARDEN_{stage}_{moment}".upper()
