"""A repository cannot switch its judge off: whatever stands below the organization layer may only tighten it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwarden.enforcement import LEVELS, PROFILES
from modelwarden.evidence import Evidence, Present, Unknown
from modelwarden.parameter import load_declarations, same
from modelwarden.request import MOMENTS, STAGES, Request
from modelwarden.settings import Settings, SettingsError, load_settings
from modelwarden.settings.layer import Source, parse_layer
from modelwarden.settings.pack import digest_pack, read_pack
from modelwarden.settings.sources import Sources

ROOT = Path(__file__).parents[2]
DECLARATIONS = load_declarations(
    (ROOT / "policies/parameters.toml").read_text(encoding="utf-8"), "policies/parameters.toml"
)
IDS = ("ENC-01", "ENC-02", "IMG-01", "APR-02", "ACME-01")
PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(
    organization: str | None, repository: str | None = None, environment: Mapping[str, str] | None = None, **flags: Any
) -> Settings:
    if repository is not None:
        Path("modelwarden.toml").write_text(repository, encoding="utf-8")
    digest = None
    if organization is not None:
        Path("pack").mkdir(exist_ok=True)
        Path("pack/modelwarden.toml").write_text(organization, encoding="utf-8")
        digest = digest_pack(read_pack("pack", None))
    return load_settings(
        organization="pack" if organization is not None else None,
        organization_digest=digest,
        environment=environment or {},
        flags=flags,
        declarations=DECLARATIONS,
        control_ids=IDS,
    )


def level(
    found: Settings, control: str, stage: str = "Production", facts: Mapping[str, Any] | None = None
) -> tuple[str, str]:
    request = Request(stage, "approve", "2026-11-22T02:10:00Z")  # type: ignore[arg-type]
    return found.effective(Evidence(PACKAGE, facts or {"/tag_keys": Present(())}), request).level(control)


def parameter(found: Settings, name: str) -> Any:
    return found.effective(
        Evidence(PACKAGE, {"/tag_keys": Present(())}), Request("Production", "approve", "2026-11-22T02:10:00Z")
    ).parameters.get(name)


ORGANIZATION = """
profile = "recommended"
delegated_parameters = ["required_tags"]
[enforcement]
ENC-01 = { Production = "block", block_from = 2027-01-15 }
ACME-01 = "flag"
[parameters]
approved_image_sources = ["a", "b"]
protected_attributes = ["sex"]
minimum_text_characters = 30
bias_bounds = { DI = { min = 0.8, symmetric = true } }
allowed_tag_values = ["env=lab", "env=prod"]
[collect]
role = "Reader"
[[scope]]
name = "lab"
match = { tag = { tier = "lab" } }
enforcement = { ENC-02 = "flag" }
[[scope]]
match = { account = "111122223333" }
enforcement = { ACME-01 = "block" }
"""


def test_a_pinned_organization_is_not_advisory() -> None:
    found = load(ORGANIZATION)
    assert not found.advisory
    assert [layer.name for layer in found.layers] == ["organization"]
    assert level(found, "ENC-02") == ("block", "profile recommended")


@pytest.mark.parametrize(
    ("repository", "message"),
    [
        ("profile = 'observe'", "`profile`: `observe` loosens `recommended`"),
        ("[enforcement]\nENC-02 = 'flag'", "`enforcement.ENC-02` at Staging (approve): `flag` loosens `block`"),
        (
            "[enforcement]\nENC-02 = { Production = 'off' }",
            "`enforcement.ENC-02` at Production (approve): `off` loosens `block`",
        ),
        (
            "[enforcement]\nENC-02 = { moments = { deploy = 'flag' } }",
            "`enforcement.ENC-02` at Staging (deploy): `flag` loosens `block`",
        ),
        (
            "[enforcement]\nENC-02 = { block_from = 2030-01-01 }",
            "`enforcement.ENC-02` at Staging (approve): `block from 2030-01-01` loosens `block`",
        ),
        (
            "[enforcement]\nENC-01 = { Production = 'block', block_from = 2027-01-16 }",
            "`enforcement.ENC-01` at Production (approve): `block from 2027-01-16` loosens `block from 2027-01-15`",
        ),
        (
            "profile = 'strict'\n[enforcement]\nENC-02 = 'flag'",
            "`enforcement.ENC-02` at Staging (approve): `flag` loosens `block`",
        ),
        (
            "[[scope]]\nmatch = {account='111122223333'}\nenforcement = {ENC-02 = 'flag'}",
            "`scope 1: enforcement.ENC-02` at Staging (approve): `flag` loosens `block`",
        ),
        (
            "[[scope]]\nmatch = {account='111122223333', group='x'}\nenforcement = {ACME-01 = 'flag'}",
            "`scope 1: enforcement.ACME-01` at Development (approve): `flag` loosens `block`",
        ),
        (
            "[parameters]\napproved_image_sources = ['a', 'evil']",
            "`parameters.approved_image_sources`: `a, evil` loosens `a, b`",
        ),
        ("[parameters]\nprotected_attributes = []", "`parameters.protected_attributes`: `` loosens `sex`"),
        ("[parameters]\nminimum_text_characters = 29", "`parameters.minimum_text_characters`: `29` loosens `30`"),
        ("[parameters]\nforbidden_tags = ['x']", "`parameters.forbidden_tags`: `x` loosens `latest`"),
        ("[parameters]\nbias_bounds = { DI = { min = 0.7 } }", "`parameters.bias_bounds`: "),
        ("[parameters]\nbias_bounds = { DI = { symmetric = false } }", "`parameters.bias_bounds`: "),
        ("[parameters]\nallowed_tag_values = []", "`parameters.allowed_tag_values`: `` loosens `env=lab, env=prod`"),
    ],
)
def test_loosening_names_the_setting_both_values_and_both_layers(repository: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(ORGANIZATION, repository)
    text = str(caught.value)
    assert text.startswith(f"modelwarden.toml: {message}")
    assert "of the organization layer (pack/modelwarden.toml)" in text or "of the declaration of the parameter" in text
    assert caught.value.help == "a layer below may only tighten: leave it out, or have it changed above"


@pytest.mark.parametrize(
    ("repository", "message"),
    [
        (
            "[[waiver]]\nid = 'x'",
            "modelwarden.toml: waivers count only from the organization layer: `waiver` loosens it",
        ),
        (
            "[accounts.111122223333]\nunit='A'",
            "modelwarden.toml: only the organization layer says which unit and stage an account belongs to: `accounts` loosens it",
        ),
        (
            "[stages]\nlive='Development'",
            "modelwarden.toml: only the organization layer maps stages: `stages` loosens it",
        ),
        (
            "delegated_parameters = ['approved_kms_keys']",
            "modelwarden.toml: only the organization layer delegates parameters: `delegated_parameters` loosens it",
        ),
        (
            "[collect]\nrole = 'Other'",
            "modelwarden.toml: `collect.role`: `Other` contradicts `Reader` of the organization layer",
        ),
        (
            "[parameters]\napproved_base_images = ['evil']",
            "modelwarden.toml: `parameters.approved_base_images` is not set by the organization layer and not delegated by it",
        ),
    ],
)
def test_what_belongs_to_the_organization_is_refused_below(repository: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(ORGANIZATION, repository)
    assert str(caught.value) == message


def test_a_waiver_file_beside_the_repository_file_is_refused_too() -> None:
    Path("waivers").mkdir()
    Path("waivers/mine.toml").write_text("[[waiver]]\nid = 'x'", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"^waivers/mine\.toml: waivers count only from the organization layer$"):
        load(ORGANIZATION, "")


def test_tightening_holds_and_says_where_it_comes_from() -> None:
    found = load(
        ORGANIZATION,
        """
        profile = "strict"
        [enforcement]
        ENC-01 = { Production = "block", block_from = 2026-01-01 }
        [parameters]
        approved_image_sources = ["a"]
        protected_attributes = ["age", "sex"]
        bias_bounds = { DI = { min = 0.9 }, RD = { max_abs = 0.1 } }
        required_tags = ["owner"]
        allowed_tag_values = ["env=prod", "team=x"]
        """,
        minimum_text_characters=None,
        level=("IMG-01=block",),
    )
    assert level(found, "ENC-02", "Development") == ("block", "profile strict")
    assert level(found, "ENC-01") == ("block", "enforcement ENC-01 (settings file)")
    assert parameter(found, "approved_image_sources") == ("a",)
    assert parameter(found, "protected_attributes") == ("age", "sex")
    assert parameter(found, "bias_bounds") == {"DI": {"min": "0.9", "symmetric": True}, "RD": {"max_abs": "0.1"}}
    assert parameter(found, "required_tags") == ("owner",)
    assert parameter(found, "allowed_tag_values") == ("env=prod", "team=x")
    assert parameter(found, "minimum_text_characters") == 30


def test_a_layer_below_cannot_undo_what_a_scope_above_tightens() -> None:
    found = load(ORGANIZATION, "[enforcement]\nACME-01 = 'flag'")
    assert level(found, "ACME-01") == ("block", "enforcement ACME-01 (scope 2, organization layer)")


def test_a_layer_below_tightens_what_a_scope_above_loosens() -> None:
    lab = {"/tag_keys": Present(("tier",)), "/tag/tier": Present("lab")}
    assert level(load(ORGANIZATION), "ENC-02", facts=lab)[0] == "flag"
    assert (
        level(load(ORGANIZATION, "[enforcement]\nENC-02 = { Production = 'block' }"), "ENC-02", facts=lab)[0] == "block"
    )


@pytest.mark.parametrize(
    ("environment", "flags", "message"),
    [
        (
            {"MODELWARDEN_PROFILE": "observe"},
            {},
            "environment: `profile`: `observe` loosens `strict` of the settings file (modelwarden.toml)",
        ),
        (
            {},
            {"profile": "recommended"},
            "command line: `profile`: `recommended` loosens `strict` of the settings file (modelwarden.toml)",
        ),
        (
            {},
            {"level": ("ENC-02=flag",)},
            "command line: `enforcement.ENC-02` at Development (approve): `flag` loosens `block` of the settings file (modelwarden.toml)",
        ),
        ({}, {"level": ("ENC-2=block",)}, "command line: unknown control `ENC-2`"),
        ({}, {"level": ("ENC-02",)}, "command line: `--level` `ENC-02` is not of the form ID=LEVEL"),
        ({}, {"level": ("ENC-02=block", "ENC-02=off")}, "command line: `--level` `ENC-02=off` names a control twice"),
    ],
)
def test_environment_and_flags_only_tighten_a_local_file(
    environment: dict[str, str], flags: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(None, "profile = 'strict'", environment, **flags)
    assert str(caught.value) == message


def test_without_any_file_flags_tighten_observe_and_cannot_switch_off() -> None:
    assert level(load(None, level=("ENC-02=block",)), "ENC-02")[0] == "block"
    assert level(load(None, profile="recommended"), "APR-02", "Development")[0] == "flag"
    with pytest.raises(
        SettingsError, match=r"`off` loosens `flag` of the profile observe, which holds without a settings file$"
    ):
        load(None, level=("ENC-02=off",))


# The pin


def test_an_organization_without_pin_or_with_a_wrong_one_is_refused() -> None:
    Path("pack").mkdir()
    Path("pack/modelwarden.toml").write_text("", encoding="utf-8")

    def attempt(organization: str | None, digest: str | None, environment: Mapping[str, str]) -> str:
        with pytest.raises(SettingsError) as caught:
            load_settings(
                organization=organization,
                organization_digest=digest,
                environment=environment,
                flags={},
                declarations=DECLARATIONS,
                control_ids=IDS,
            )
        return str(caught.value)

    actual = digest_pack(read_pack("pack", None))
    assert attempt("pack", None, {}) == "pack: the organization layer is not pinned"
    assert attempt("pack", "sha256:00", {}) == f"pack: its digest is `{actual}`, but `sha256:00` is pinned"
    assert attempt(None, actual, {}) == "a digest is pinned, but no organization layer is named"
    assert attempt("gone", actual, {}) == "gone: does not exist"
    environment = {"MODELWARDEN_ORGANIZATION": "pack", "MODELWARDEN_ORGANIZATION_DIGEST": actual}
    assert (
        attempt("mine", None, environment)
        == "command line: `--organization` `mine` contradicts MODELWARDEN_ORGANIZATION `pack`"
    )
    assert attempt(None, "sha256:1", environment).startswith(
        "command line: `--organization-digest` `sha256:1` contradicts"
    )


def test_what_was_pinned_is_what_is_used() -> None:
    """Controls come from a private copy, so nothing can change behind the pin."""
    (Path("pack/policies")).mkdir(parents=True)
    Path("pack/policies/mine.cedar").write_text("// pinned", encoding="utf-8")
    found = load("bundle = ['policies']")
    Path("pack/policies/mine.cedar").write_text("// changed", encoding="utf-8")
    (copy,) = found.bundle_paths
    assert (copy / "mine.cedar").read_text(encoding="utf-8") == "// pinned"
    for path in ("../elsewhere", "/etc", "none"):
        with pytest.raises(SettingsError, match="the pack holds no folder"):
            load(f"bundle = ['{path}']")


# Laws


_levels = st.sampled_from(LEVELS)
_dates = st.one_of(st.none(), st.sampled_from(["2026-01-01", "2026-12-01", "2028-01-01"]))


@st.composite
def _entry(draw: st.DrawFn) -> Any:
    if draw(st.booleans()):
        return draw(_levels)
    entry: dict[str, Any] = draw(st.dictionaries(st.sampled_from(STAGES), _levels, max_size=3))
    moments = draw(st.dictionaries(st.sampled_from(MOMENTS), _levels, max_size=2))
    start = draw(_dates)
    entry |= ({"moments": moments} if moments else {}) | ({"block_from": start} if start else {})
    return entry or draw(_levels)


_words = st.lists(st.sampled_from(["a", "b", "c", "latest", "env=x", "env=y", "team=z"]), max_size=4)
_bounds = st.dictionaries(
    st.sampled_from(["DI", "RD"]),
    st.fixed_dictionaries(
        {},
        optional={
            "min": st.sampled_from(["0.7", "0.8", "0.90"]),
            "max_abs": st.sampled_from([1, "0.1"]),
            "symmetric": st.booleans(),
        },
    ),
    max_size=2,
)
_parameters = st.fixed_dictionaries(
    {},
    optional={
        "approved_image_sources": _words,
        "forbidden_tags": _words,
        "allowed_tag_values": _words,
        "minimum_text_characters": st.integers(0, 50),
        "bias_bounds": _bounds,
        "required_tags": _words,
    },
)
_enforcement = st.dictionaries(st.sampled_from(IDS), _entry(), max_size=3)
_matches = st.fixed_dictionaries(
    {},
    optional={
        "account": st.sampled_from([["111122223333"], ["444455556666"], ["111122223333", "444455556666"]]),
        "group": st.sampled_from([["churn"], ["x*"]]),
        "tag": st.sampled_from([{"tier": "lab"}, {"tier": "lab", "team": "a"}]),
    },
).filter(bool)
_scopes = st.lists(
    st.fixed_dictionaries({"match": _matches, "enforcement": _enforcement, "parameters": _parameters}).filter(
        lambda scope: scope["enforcement"] or scope["parameters"]
    ),
    max_size=2,
)
_documents = st.fixed_dictionaries(
    {"enforcement": _enforcement, "parameters": _parameters, "scope": _scopes},
    optional={"profile": st.sampled_from(PROFILES)},
)
_facts = st.sampled_from(
    [
        {"/tag_keys": Present(())},
        {"/tag_keys": Unknown("AccessDenied")},
        {"/tag_keys": Present(("tier",)), "/tag/tier": Present("lab")},
        {"/tag_keys": Present(("tier", "team")), "/tag/tier": Present("lab"), "/tag/team": Unknown("Throttled")},
    ]
)
_requests = st.builds(
    Request,
    st.sampled_from(STAGES),
    st.sampled_from(MOMENTS),
    st.sampled_from(["2025-06-01T00:00:00Z", "2026-11-22T02:10:00Z", "2030-01-01T00:00:00Z"]),
)
_RANK = {"off": 0, "flag": 1, "block": 2}


def _settle(*documents: dict[str, Any]) -> Settings:
    """Settings whose layers were not compared with each other: the law must hold even for what would be refused."""
    names = ("organization", "repository", "environment")
    sources = tuple(
        Source(names[index], f"{names[index]}.toml", "", document) for index, document in enumerate(documents)
    )  # type: ignore[arg-type]
    layers = tuple(parse_layer(source, DECLARATIONS, IDS, first=number == 0) for number, source in enumerate(sources))
    return Settings(Sources(sources, (), None), layers, DECLARATIONS, IDS)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(above=_documents, below=_documents, facts=_facts, request_=_requests)
def test_no_layer_below_makes_any_level_weaker_or_any_parameter_looser(
    above: dict[str, Any], below: dict[str, Any], facts: dict[str, Any], request_: Request
) -> None:
    above = {"delegated_parameters": list(DECLARATIONS)} | above
    alone = _settle(above).effective(Evidence(PACKAGE, facts), request_)
    both = _settle(above, below).effective(Evidence(PACKAGE, facts), request_)
    for id_ in IDS:
        assert _RANK[both.level(id_)[0]] >= _RANK[alone.level(id_)[0]]
    for name, value in alone.parameters.items():
        if name in both.parameters:
            assert DECLARATIONS[name].tightens(value, both.parameters[name])
        else:
            assert name in both.parameters_unknown


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(document=_documents, request_=_requests, keys=st.sets(st.sampled_from(["/tag_keys", "/tag/tier", "/tag/team"])))
def test_not_knowing_a_tag_never_weakens_a_level_and_never_makes_up_a_parameter(
    document: dict[str, Any], request_: Request, keys: set[str]
) -> None:
    known = {"/tag_keys": Present(("team", "tier")), "/tag/tier": Present("lab"), "/tag/team": Present("a")}
    less = {pointer: Unknown("AccessDenied") if pointer in keys else fact for pointer, fact in known.items()}
    found = _settle(document)
    before, after = (found.effective(Evidence(PACKAGE, facts), request_) for facts in (known, less))
    for id_ in IDS:
        assert _RANK[after.level(id_)[0]] >= _RANK[before.level(id_)[0]]
    for name, value in after.parameters.items():
        assert same(value, before.parameters[name])


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(
        ["approved_image_sources", "forbidden_tags", "allowed_tag_values", "minimum_text_characters", "bias_bounds"]
    ),
    data=st.data(),
)
def test_the_tightest_of_two_values_is_as_tight_as_both_where_it_can_be(name: str, data: st.DataObject) -> None:
    declaration = DECLARATIONS[name]
    values = {"minimum_text_characters": st.integers(0, 2**63 - 1), "bias_bounds": _bounds}.get(name, _words)
    upper, lower = (declaration.typed(data.draw(values), "here") for _ in range(2))
    joined = declaration.tightest(upper, lower)
    assert declaration.tightens(upper, joined)
    assert declaration.tightens(upper, upper)
    assert same(declaration.tightest(upper, joined), joined)


# The command


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("modelwarden"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", **environment},
    )


def test_config_show_prints_value_layer_and_what_it_overrode() -> None:
    Path("pack").mkdir()
    Path("pack/modelwarden.toml").write_text("[parameters]\nforbidden_tags = ['dev', 'latest']", encoding="utf-8")
    Path("modelwarden.toml").write_text("[enforcement]\nENC-02 = { Development = 'block' }", encoding="utf-8")
    digest = _run("config", "digest", "pack")
    assert digest.returncode == 0
    environment = {"MODELWARDEN_ORGANIZATION": "pack", "MODELWARDEN_ORGANIZATION_DIGEST": digest.stdout.strip()}
    shown = _run("config", "show", **environment)
    assert shown.returncode == 0
    lines = shown.stdout.splitlines()
    assert "advisory  no" in lines
    assert "enforcement.ENC-02.Development = block  (settings file, overrode flag (profile recommended))" in lines
    assert 'parameters.forbidden_tags = ["dev", "latest"]  (organization layer, overrode ["latest"] (default))' in lines
    assert "parameters.approved_image_sources = not set  (nobody)" in lines
    document = json.loads(_run("config", "show", "--format", "json", **environment).stdout)
    assert {"setting": "profile", "value": "recommended", "layer": "organization layer", "overrode": []} in document[
        "settings"
    ]
    loosened = _run("config", "show", "--profile", "observe", **environment)
    assert loosened.returncode == 2
    assert loosened.stderr == (
        "error: command line: `profile`: `observe` loosens `recommended` of the organization layer (pack/modelwarden.toml)\n"
        "  help: a layer below may only tighten: leave it out, or have it changed above\n"
    )
