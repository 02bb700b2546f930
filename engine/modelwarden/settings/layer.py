"""One layer of settings: a document and who wrote it, parsed against what the bundle declares."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct, field

from modelwarden import toml
from modelwarden.control import ParameterValue
from modelwarden.enforcement import PROFILES, Enforcement, Setting, parse_enforcement
from modelwarden.gap import Gap, parse_gaps
from modelwarden.parameter import ParameterDeclaration
from modelwarden.request import STAGES, Stage
from modelwarden.scope import ACCOUNT, Scope, parse_parameters, parse_scope
from modelwarden.settings.log import log_of, names_key
from modelwarden.settings.store import store_of
from modelwarden.toml import SettingsError, Table, quoted
from modelwarden.waiver import Waiver, parse_waivers

LayerName = Literal["default", "organization", "repository", "environment", "flags"]
"""From the top: each may only tighten what those before it say. `default` stands where there is no file at all."""

AUTHORITY: Final = {
    "waiver": "waivers count only from the organization layer",
    "accounts": "only the organization layer says which unit and stage an account belongs to",
    "stages": "only the organization layer maps stages",
    "delegated_parameters": "only the organization layer delegates parameters",
    "gap": "only the organization layer accepts that something is not read",
    "records": "only the organization layer says where decisions are kept that count",
    "store": "only the organization layer says where the state of packages is kept",
    "scan": "only the organization layer says which accounts and regions are scanned",
    "sign": "only the organization layer says with which key decisions are signed",
    "log": "only the organization layer says where decisions are logged",
    "respond": "only the organization layer says what is done about an approval that events tell of",
}
"""Settings of the first layer -> what a layer below is told."""
_WAY: Final = "only the organization layer says by way of which roles accounts are entered"
"""INVARIANT: what is no account's is read with the last of them, the store and records that count among it."""
_BUCKET: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/|$)")
COLLECT: Final = ("role", "external_id", "via", "retries", "timeout_seconds", "searches_per_second", "reads_per_second")
ENFORCE: Final = ("role", "external_id")
SCAN: Final = (
    "accounts",
    "exclude_accounts",
    "units",
    "tags",
    "regions",
    "reconcile_days",
    "hub",
    "cards",
    "endpoint_metrics",
)
RESPOND: Final = ("mode", "revert_to", "wait_minutes", "undecided", "security_hub")
SECRET: Final = "external_id"  # noqa: S105 - the name of a setting
"""Shared with the accounts and nobody else: neither shown nor recorded."""
REDACTED: Final = "(not shown)"
PACK: Final = ("redact",)
KEYS: Final = (
    *("profile", "enforcement", "parameters", "scope", "bundle", "collect", "enforce", "runs", "pack"),
    *AUTHORITY,
)


class Source(Struct, frozen=True):
    """A layer as it was read, before anything is known of the bundle."""

    name: LayerName
    path: str
    """The file as the user named it; `environment` or `command line` for those."""
    digest: str
    """`sha256:<hex>`: of the pack, of the file's bytes, or of the values."""
    document: Table
    waivers: tuple[tuple[str, Any], ...] = ()
    """(file, table) of every waiver, those in the document among them."""
    recommended: Mapping[str, Mapping[str, Setting]] | None = None
    """What the profile `recommended` stood for when the layer was recorded; None: what ships stands."""


class Layer(Struct, frozen=True):
    """A layer, checked by itself."""

    source: Source
    profile: str | None = None
    enforcement: Mapping[str, Enforcement] = field(default_factory=dict)
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    scopes: tuple[Scope, ...] = ()
    accounts: Mapping[str, str] = field(default_factory=dict)
    """Account id -> path of units."""
    account_stages: Mapping[str, Stage] = field(default_factory=dict)
    """Account id -> the stage of packages there that claim none."""
    stages: Mapping[str, str] = field(default_factory=dict)
    """Stage as ModelLifeCycle names it -> ours."""
    delegated: tuple[str, ...] = ()
    """Parameters without a value that the layer below may set."""
    waivers: tuple[Waiver, ...] = ()
    gaps: tuple[Gap, ...] = ()
    records: str | None = None
    """Where runs are kept that count as precedents: `s3://bucket/prefix`, or a folder by its whole path."""
    store: str | None = None
    """Where the state of packages is kept: `dynamodb://TABLE?region=REGION`, or a file by its whole path."""
    sign: str | None = None
    """The key that signs decisions: `awskms:ARN`, or a file by its whole path."""
    log: str | None = None
    """The log of decisions: `s3://bucket/prefix?mode=MODE&years=YEARS`, or a folder by its whole path."""

    @property
    def name(self) -> LayerName:
        return self.source.name

    @property
    def path(self) -> str:
        return self.source.path

    @property
    def digest(self) -> str:
        return self.source.digest

    @property
    def label(self) -> str:
        """How messages and reasons call it: `organization layer`."""
        return LABELS[self.name]


LABELS: Final[dict[str, str]] = {
    "default": "no settings file",
    "organization": "organization layer",
    "repository": "settings file",
    "environment": "environment",
    "flags": "command line",
}


def parse_layer(
    source: Source, declarations: Mapping[str, ParameterDeclaration], control_ids: Collection[str], *, first: bool
) -> Layer:
    """Check a layer by itself; `first` is the one that nothing stands above.

    Raises:
        SettingsError: anything in it that does not exist or has another type, or that only the first layer may say.
    """
    document, where = source.document, source.path
    if not first:
        for key, reason in AUTHORITY.items():
            if key in document or (key == "waiver" and source.waivers):
                raise SettingsError(f"{where}: {reason}: `{key}` loosens it", "move it to the organization layer")
        if "via" in document.get("collect", {}):
            raise SettingsError(f"{where}: {_WAY}: `collect.via` loosens it", "move it to the organization layer")
    units, account_stages = _accounts(document.get("accounts", {}), f"{where}: `accounts`")
    return Layer(
        source,
        profile=_profile(source, first=first),
        enforcement=parse_enforcement(document.get("enforcement", {}), where, control_ids),
        parameters=parse_parameters(document.get("parameters", {}), where, declarations),
        scopes=tuple(
            parse_scope(entry, index, where, declarations, control_ids)
            for index, entry in enumerate(toml.tables(document.get("scope", []), f"{where}: scope"), start=1)
        ),
        accounts=units,
        account_stages=account_stages,
        stages={
            name: toml.one_of(stage, STAGES, f"{where}: `stages.{toml.printable(name)}`", "stage")
            for name, stage in toml.table(document.get("stages", {}), f"{where}: `stages`").items()
        },
        delegated=_delegated(document.get("delegated_parameters", []), where, declarations),
        waivers=parse_waivers(source.waivers, control_ids),
        records=_records(source),
        store=_store(source),
        sign=_sign(source),
        log=_log(source),
        gaps=parse_gaps(toml.tables(document.get("gap", []), f"{where}: gap"), where),
    )


def check_keys(document: Table, where: str) -> None:
    """Raises SettingsError for a setting that does not exist, and for a file that names its own judge."""
    if "organization" in document:
        raise SettingsError(
            f"{where}: a file cannot name its organization layer: `organization`",
            "name it with --organization or MODELWARDEN_ORGANIZATION, and pin its digest",
        )
    toml.table(document, where, KEYS)
    toml.table(document.get("collect", {}), f"{where}: `collect`", COLLECT)
    toml.table(document.get("enforce", {}), f"{where}: `enforce`", ENFORCE)
    toml.table(document.get("scan", {}), f"{where}: `scan`", SCAN)
    toml.table(document.get("pack", {}), f"{where}: `pack`", PACK)
    toml.table(document.get("respond", {}), f"{where}: `respond`", RESPOND)


def _profile(source: Source, *, first: bool) -> str | None:
    if "profile" in source.document:
        return toml.one_of(source.document["profile"], PROFILES, f"{source.path}: `profile`", "profile")
    if source.name == "default":
        return "observe"
    return "recommended" if first else None


def _records(source: Source) -> str | None:
    """INVARIANT: only a pinned layer names it. Whoever names the records could bring an approval of his own making."""
    location = _of_a_pack(source, "records")
    if location is not None and not (_BUCKET.match(location) or Path(location).is_absolute()):
        raise SettingsError(
            f"{source.path}: `records`: {quoted(location)} is neither a bucket nor a whole path",
            "write it as s3://bucket/prefix",
        )
    return location


def _store(source: Source) -> str | None:
    """INVARIANT: only a pinned layer names it. Whoever names the store could show a history of his own making."""
    location = _of_a_pack(source, "store")
    if location is not None and store_of(location) is None:
        raise SettingsError(
            f"{source.path}: `store`: {quoted(location)} is neither a table nor a whole path",
            "write it as dynamodb://TABLE?region=eu-west-1, and &keep_days=400 where history shall end",
        )
    return location


def _sign(source: Source) -> str | None:
    """INVARIANT: only a pinned layer names it. Whoever names the key could sign for the organization with one of his own."""
    location = _of_a_pack(source, "sign")
    if location is not None and not names_key(location):
        raise SettingsError(
            f"{source.path}: `sign`: {quoted(location)} is neither a key in KMS nor a whole path",
            "write it as awskms:arn:aws:kms:REGION:ACCOUNT:key/ID",
        )
    return location


def _log(source: Source) -> str | None:
    """INVARIANT: only a pinned layer names it. Whoever names the log could keep a decision out of it."""
    location = _of_a_pack(source, "log")
    found = None if location is None else log_of(location)
    if location is not None and (found is None or (isinstance(found, Path) and not found.is_absolute())):
        raise SettingsError(
            f"{source.path}: `log`: {quoted(location)} is neither a bucket with Object Lock nor a whole path",
            "write it as s3://bucket/prefix?mode=COMPLIANCE&years=7",
        )
    return location


def _of_a_pack(source: Source, key: str) -> str | None:
    """A place that only a policy pack may name."""
    if key not in source.document:
        return None
    where = f"{source.path}: `{key}`"
    if source.name != "organization":
        raise SettingsError(f"{where}: {AUTHORITY[key]}", "move it to a policy pack, and pin that")
    return toml.text(source.document[key], where)


def _accounts(value: Any, where: str) -> tuple[dict[str, str], dict[str, Stage]]:
    """Account id -> path of units, and account id -> stage of packages there that claim none."""
    units: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    for account, entry in toml.table(value, where).items():
        if not ACCOUNT.fullmatch(account):
            raise SettingsError(f"{where}: {quoted(account)} is not an account id", "write 12 digits in quotes")
        here = toml.inside(where, account)
        said = toml.table(entry, here, ("unit", "stage"))
        if "unit" in said or not said:
            units[account] = toml.text(said.get("unit"), toml.inside(here, "unit")).strip("/")
        if "stage" in said:
            stages[account] = toml.one_of(said["stage"], STAGES, toml.inside(here, "stage"), "stage")  # type: ignore[assignment]
    return units, stages


def _delegated(value: Any, where: str, declarations: Mapping[str, ParameterDeclaration]) -> tuple[str, ...]:
    names = toml.texts(value, f"{where}: `delegated_parameters`") if value else ()
    for name in names:
        toml.one_of(name, declarations, f"{where}: `delegated_parameters`", "parameter")
    return names
