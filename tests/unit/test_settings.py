"""Settings: layers, profiles, enforcement, parameters and scopes, from real files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from modelwarden.catalog import load_bundle
from modelwarden.evidence import Absent, Evidence, Present, Unknown
from modelwarden.parameter import ParameterDeclaration, load_declarations
from modelwarden.request import Moment, Request, Stage
from modelwarden.settings import Settings, SettingsError, load_settings, read_sources
from modelwarden.settings.pack import digest_pack, read_pack

ROOT = Path(__file__).parents[2]
DECLARATIONS = load_declarations(
    (ROOT / "policies/parameters.toml").read_text(encoding="utf-8"), "policies/parameters.toml"
)
IDS = ("ENC-01", "ENC-02", "IMG-01", "APR-02", "BIAS-02", "ACME-01")
PACKAGE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn/7"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(
    text: str | None = None,
    *,
    organization: str | None = None,
    environment: Mapping[str, str] | None = None,
    pinned: bool = True,
    **flags: Any,
) -> Settings:
    """Settings of `./modelwarden.toml` below a pack of the given texts."""
    if text is not None:
        Path("modelwarden.toml").write_text(text, encoding="utf-8")
    pack = digest = None
    if organization is not None:
        pack = Path("pack")
        pack.mkdir(exist_ok=True)
        (pack / "modelwarden.toml").write_text(organization, encoding="utf-8")
        digest = digest_pack(read_pack("pack", None)) if pinned else None
    return load_settings(
        organization=pack,
        organization_digest=digest,
        environment=environment or {},
        flags=flags,
        declarations=DECLARATIONS,
        control_ids=IDS,
    )


def request(stage: Stage = "Production", moment: Moment = "approve", as_of: str = "2026-11-22T02:10:00Z") -> Request:
    return Request(stage, moment, as_of)


def level(settings: Settings, control: str, stage: Stage = "Production", **given: Any) -> str:
    tags = given.pop("facts", {"/tag_keys": Present(())})
    package = given.pop("package", PACKAGE)
    return settings.effective(Evidence(package, tags), request(stage, **given)).level(control)[0]


def refused(text: str | None = None, **given: Any) -> tuple[str, str]:
    with pytest.raises(SettingsError) as caught:
        load(text, **given)
    return str(caught.value), caught.value.help


# Profiles


def test_without_any_file_everything_flags_and_is_advisory() -> None:
    settings = load()
    assert [level(settings, id_) for id_ in IDS] == ["flag"] * len(IDS)
    assert settings.advisory
    assert settings.effective(Evidence(PACKAGE), request()).level("ENC-02") == ("flag", "profile observe")


def test_a_file_without_a_profile_is_recommended() -> None:
    settings = load("")
    stages: tuple[Stage, ...] = ("Development", "Staging", "Production")
    assert [level(settings, "ENC-02", stage) for stage in stages] == ["flag", "block", "block"]
    assert [level(settings, "APR-02", stage) for stage in stages] == ["off", "block", "block"]
    assert [level(settings, "ACME-01", stage) for stage in stages] == ["flag", "flag", "flag"]


def test_strict_blocks_everywhere_and_user_controls_too() -> None:
    settings = load('profile = "strict"')
    assert {level(settings, id_, stage) for id_ in IDS for stage in ("Development", "Staging", "Production")} == {
        "block"
    }  # type: ignore[arg-type]


def test_recommended_levels_name_every_built_in_control() -> None:
    from modelwarden.enforcement import recommended

    built_in = {id_ for id_, control in load_bundle().controls.items() if control.info.origin == "built-in"}
    assert built_in <= recommended().keys()
    assert len(recommended()) == 20


# Enforcement


def test_enforcement_by_stage_keeps_the_profile_elsewhere() -> None:
    settings = load('[enforcement]\nENC-02 = { Production = "flag" }\nIMG-01 = "off"')
    assert level(settings, "ENC-02", "Production") == "flag"
    assert level(settings, "ENC-02", "Staging") == "block"
    assert level(settings, "IMG-01", "Production") == "off"
    why = settings.effective(Evidence(PACKAGE), request()).level("ENC-02")[1]
    assert why == "enforcement ENC-02 (settings file)"


def test_moments_go_before_stages() -> None:
    settings = load('[enforcement]\nENC-02 = { Production = "block", moments = { approve = "flag" } }')
    assert level(settings, "ENC-02", moment="approve") == "flag"
    assert level(settings, "ENC-02", moment="deploy") == "block"
    nested = load('[enforcement]\nENC-02 = { Production = { deploy = "flag" } }')
    assert level(nested, "ENC-02", moment="deploy") == "flag"
    assert level(nested, "ENC-02", moment="approve") == "block"


@pytest.mark.parametrize(
    ("as_of", "expected"), [("2027-01-14T23:59:59Z", "flag"), ("2027-01-15T00:00:00Z", "block"), ("nonsense", "block")]
)
def test_block_from_flags_until_its_day(as_of: str, expected: str) -> None:
    settings = load("[enforcement]\nENC-02 = { Production = 'block', block_from = 2027-01-15 }")
    assert level(settings, "ENC-02", as_of=as_of) == expected


def test_block_from_says_so_and_alone_delays_the_profile() -> None:
    settings = load("[enforcement]\nENC-02 = { block_from = 2027-01-15 }")
    got = settings.effective(Evidence(PACKAGE), request()).level("ENC-02")
    assert got == ("flag", "flag until 2027-01-15 (block_from), enforcement ENC-02 (settings file)")
    assert level(settings, "ENC-02", "Development", as_of="2028-01-01T00:00:00Z") == "flag"


@pytest.mark.parametrize(
    ("text", "message", "help_"),
    [
        ("[enforcement]\nENC-2 = 'block'", "modelwarden.toml: unknown control `ENC-2`", "did you mean `ENC-02`?"),
        (
            "[enforcement]\nENC-02 = 'hi'",
            "modelwarden.toml: `enforcement.ENC-02`: unknown level `hi`",
            "use one of block, flag, off",
        ),
        (
            "[enforcement]\nENC-02 = {Prodution='flag'}",
            "modelwarden.toml: `enforcement.ENC-02`: unknown setting `Prodution`",
            "did you mean `Production`?",
        ),
        (
            "[enforcement]\nENC-02 = {}",
            "modelwarden.toml: `enforcement.ENC-02`: says nothing",
            'write it like { Staging = "flag", Production = "block" }',
        ),
        (
            "[enforcement]\nENC-02 = {Staging='flag', block_from='soon'}",
            "modelwarden.toml: `enforcement.ENC-02.block_from`: a date is expected, not `soon`",
            "write it as 2027-01-15",
        ),
        (
            "profile = 'recomended'",
            "modelwarden.toml: `profile`: unknown profile `recomended`",
            "did you mean `recommended`?",
        ),
        ("profle = 'strict'", "modelwarden.toml: unknown setting `profle`", "did you mean `profile`?"),
        ("profile = 3", "modelwarden.toml: `profile`: unknown profile `3`", "use one of observe, recommended, strict"),
        (
            "enforcement = 3",
            "modelwarden.toml: `enforcement`: a table is expected, not `3`",
            "write it as `[table]` or `{ ... }`",
        ),
        (
            "[stages]\nlive = 'Prod'",
            "modelwarden.toml: `stages.live`: unknown stage `Prod`",
            "did you mean `Production`?",
        ),
        (
            "[accounts.1]\nunit = 'A'",
            "modelwarden.toml: `accounts`: `1` is not an account id",
            "write 12 digits in quotes",
        ),
        (
            "[collect]\nretries = -1",
            "modelwarden.toml: `collect.retries`: a whole number from 0 to 20 is expected, not `-1`",
            None,
        ),
        (
            "[collect]\nsearches_per_second = 0",
            "modelwarden.toml: `collect.searches_per_second`: a whole number from 1 to 100 is expected, not `0`",
            None,
        ),
        (
            "[collect]\nreads_per_second = 101",
            "modelwarden.toml: `collect.reads_per_second`: a whole number from 1 to 100 is expected, not `101`",
            None,
        ),
        ("[collect]\nendpoint = 'x'", "modelwarden.toml: `collect`: unknown setting `endpoint`", None),
        (
            "[organization]\npack = 'x'",
            "modelwarden.toml: a file cannot name its organization layer: `organization`",
            "name it with --organization or MODELWARDEN_ORGANIZATION, and pin its digest",
        ),
    ],
)
def test_mistakes_name_file_and_setting(text: str, message: str, help_: str | None) -> None:
    got, help_got = refused(text)
    assert got == message
    assert help_ is None or help_got == help_


# TOML


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"profile = \xff", "not UTF-8 at byte 10"),
        ("profile = 'strict'".encode("utf-16"), "not UTF-8"),
        (b"profile = 'a'\nprofile = 'b'\n#", "cannot overwrite a value (at line 2"),
        (b"= 3", "invalid statement (at line 1"),
        (b"a = " + b"[" * 100_000, "nested too deeply"),
        (b"a = " + b"[" * 40 + b"]" * 40, "nested more than 16 deep"),
        (b"a = " + b"9" * 5_000, "exceeds the limit"),
        (b"#" * 4_000_001, "larger than 4000000 bytes"),
        (b"[a\x00]", "expected ']' at the end of a table declaration (at line 1"),
    ],
)
def test_what_is_no_toml_is_one_line(data: bytes, says: str) -> None:
    Path("modelwarden.toml").write_bytes(data)
    message, _ = refused()
    assert message.startswith("modelwarden.toml: ")
    assert says in message.casefold().replace("utf-8", "UTF-8")
    assert "\n" not in message


def test_a_byte_order_mark_is_no_mistake() -> None:
    Path("modelwarden.toml").write_bytes(b"\xef\xbb\xbfprofile = 'strict'")
    assert load().profile == "strict"


def test_a_file_that_cannot_be_read_is_not_a_missing_one() -> None:
    Path("modelwarden.toml").symlink_to("nowhere")
    assert refused()[0] == "modelwarden.toml: does not exist"
    Path("modelwarden.toml").unlink()
    Path("modelwarden.toml").mkdir()
    assert refused()[0] == "modelwarden.toml: is not a regular file"


def test_config_goes_before_variable_before_folder_and_nobody_walks_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("flag", "variable", "modelwarden"):
        Path(f"{name}.toml").write_text(f"# {name}\n", encoding="utf-8")

    def path(**given: Any) -> str:
        return read_sources(flags={}, **given).sources[0].path

    variable = {"MODELWARDEN_CONFIG": "variable.toml"}
    assert path(config=Path("flag.toml"), environment=variable) == "flag.toml"
    assert path(environment=variable) == "variable.toml"
    assert path(environment={}) == "modelwarden.toml"
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert path(environment={}) == "no settings file"
    with pytest.raises(SettingsError, match=r"^gone\.toml: does not exist$"):
        path(environment={"MODELWARDEN_CONFIG": "gone.toml"})


def test_environment_variables_that_do_not_exist_or_are_empty_are_mistakes() -> None:
    assert refused(environment={"MODELWARDEN_PROFIL": "strict"}) == (
        "environment: unknown variable `MODELWARDEN_PROFIL`",
        "did you mean `MODELWARDEN_PROFILE`?",
    )
    assert (
        refused(environment={"MODELWARDEN_ORGANIZATION": ""})[0] == "environment: `MODELWARDEN_ORGANIZATION` is empty"
    )


# Parameters


def test_parameters_are_typed_and_defaults_hold() -> None:
    settings = load(
        '[parameters]\napproved_image_sources = ["b", "a", "a"]\nminimum_text_characters = 10\nbias_bounds = { DI = { min = 0.85 } }'
    )
    values = settings.effective(Evidence(PACKAGE), request()).parameters
    assert values["approved_image_sources"] == ("a", "b")
    assert values["minimum_text_characters"] == 10
    assert values["bias_bounds"] == {"DI": {"min": "0.85"}}
    assert values["forbidden_tags"] == ("latest",)
    assert "approved_kms_keys" not in values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("approved_image_source = []", "modelwarden.toml: unknown parameter `approved_image_source`"),
        (
            "approved_image_sources = 'x'",
            "modelwarden.toml: `parameters.approved_image_sources`: an array of texts is expected, not `x`",
        ),
        (
            "approved_image_sources = ['a', 1]",
            "modelwarden.toml: `parameters.approved_image_sources`: an array of texts is expected, not `['a', 1]`",
        ),
        (
            "minimum_text_characters = true",
            "modelwarden.toml: `parameters.minimum_text_characters`: a whole number of 64 bits is expected, not `true`",
        ),
        (
            "minimum_text_characters = 1.5",
            "modelwarden.toml: `parameters.minimum_text_characters`: a whole number of 64 bits is expected, not `1.5`",
        ),
        (
            f"minimum_text_characters = {2**63}",
            f"modelwarden.toml: `parameters.minimum_text_characters`: a whole number of 64 bits is expected, not `{2**63}`",
        ),
        (
            "bias_bounds = { DI = { min = nan } }",
            "modelwarden.toml: `parameters.bias_bounds.DI.min`: a finite number, a text, true, false, a list or a table is expected",
        ),
    ],
)
def test_a_mistyped_parameter_is_an_error(text: str, message: str) -> None:
    assert refused(f"[parameters]\n{text}")[0] == message


# Scopes


SCOPES = """
[accounts.111122223333]
unit = "Workloads/Retail"
[enforcement]
ENC-02 = "flag"
[[scope]]
name = "retail"
match = { unit = "Workloads" }
enforcement = { ENC-02 = "block" }
[[scope]]
match = { account = "111122223333", group = "Churn*" }
enforcement = { IMG-01 = "flag" }
parameters = { protected_attributes = ["sex"] }
[[scope]]
match = { tag = { tier = "lab" } }
enforcement = { ENC-02 = "off" }
parameters = { protected_attributes = [] }
"""
UNTAGGED = {"/tag_keys": Present(())}
LAB = {"/tag_keys": Present(("tier",)), "/tag/tier": Present("lab")}
UNREAD = {"/tag_keys": Unknown("AccessDenied")}


def test_scopes_match_unit_account_group_and_tag_and_the_later_wins() -> None:
    settings = load(SCOPES)
    assert level(settings, "ENC-02", facts=UNTAGGED) == "block"
    assert level(settings, "ENC-02", facts=LAB) == "off"
    assert level(settings, "IMG-01", facts=UNTAGGED) == "flag"
    other = PACKAGE.replace("churn", "fraud")
    assert level(settings, "IMG-01", facts=UNTAGGED, package=other) == "block"
    effective = settings.effective(Evidence(PACKAGE, LAB), request())
    assert effective.parameters["protected_attributes"] == ()
    assert effective.level("ENC-02") == ("off", "enforcement ENC-02 (scope 3, settings file)")


def test_an_unread_tag_leaves_the_stricter_level_and_an_unknown_parameter() -> None:
    effective = load(SCOPES).effective(Evidence(PACKAGE, UNREAD), request())
    held, why = effective.level("ENC-02")
    assert held == "block"
    assert why.endswith("scope 3 may hold: tag `tier` is unknown: AccessDenied, so the stricter level holds")
    assert "protected_attributes" not in effective.parameters
    assert effective.parameters_unknown == {
        "protected_attributes": "scope 3 may hold: tag `tier` is unknown: AccessDenied"
    }


def test_an_unread_tag_that_changes_nothing_makes_nothing_unknown() -> None:
    settings = load(
        "[parameters]\nprotected_attributes = ['sex']\n[[scope]]\nmatch = {tag = {a = 'b'}}\nparameters = {protected_attributes = ['sex']}"
    )
    effective = settings.effective(Evidence(PACKAGE, UNREAD), request())
    assert effective.parameters["protected_attributes"] == ("sex",)
    assert effective.parameters_unknown == {}


def test_an_account_without_a_unit_may_be_in_any() -> None:
    other = PACKAGE.replace("111122223333", "444455556666")
    effective = load(SCOPES).effective(Evidence(other, UNTAGGED), request())
    assert effective.level("ENC-02")[0] == "block"
    assert "no setting says which unit account 444455556666 belongs to" in effective.level("ENC-02")[1]


def test_a_record_without_an_arn_is_in_no_scope_for_certain() -> None:
    effective = load(SCOPES).effective(Evidence("not an arn", UNTAGGED), request())
    assert effective.level("ENC-02")[0] == "block"
    assert effective.level("IMG-01")[0] == "block"


def test_an_absent_tag_is_no_match() -> None:
    facts = {"/tag_keys": Present(("tier",)), "/tag/tier": Absent()}
    assert level(load(SCOPES), "ENC-02", facts=facts) == "block"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[[scope]]\nenforcement = {ENC-02='flag'}",
            "modelwarden.toml: scope 1: `match`: matches nothing in particular",
        ),
        ("[[scope]]\nmatch = {account='111122223333'}", "modelwarden.toml: scope 1: sets nothing"),
        (
            "[[scope]]\nmatch = {acount='1'}\nenforcement = {ENC-02='flag'}",
            "modelwarden.toml: scope 1: `match`: unknown setting `acount`",
        ),
        (
            "[[scope]]\nmatch = {account=[]}\nenforcement = {ENC-02='flag'}",
            "modelwarden.toml: scope 1: `match.account`: the list is empty",
        ),
        ("scope = 3", "modelwarden.toml: scope: an array of tables is expected"),
        (
            "[[scope]]\nmatch = {group='a'}\nenforcement = {ENC-99='flag'}",
            "modelwarden.toml: scope 1: unknown control `ENC-99`",
        ),
    ],
)
def test_a_broken_scope_is_an_error(text: str, message: str) -> None:
    assert refused(text)[0] == message


# Everything that is recorded


def test_digest_follows_the_meaning_and_not_the_spelling() -> None:
    one = load("profile = 'strict'\n[enforcement]\nENC-02 = 'block'").digest
    assert load("# note\nprofile = \"strict\"\n[enforcement]\nENC-02 = 'block'\n").digest == one
    assert load("profile = 'strict'\n[enforcement]\nENC-01 = 'block'").digest != one
    assert load("profile = 'strict'\n[enforcement]\nENC-02 = 'block'\n[collect]\nrole = 'Reader'").digest == one


def test_recorded_settings_give_the_same_answers() -> None:
    settings = load(SCOPES + "\n[collect]\nrole = 'Reader'\n")
    document = json.loads(json.dumps(settings.to_json()))
    again = Settings.from_json(document, DECLARATIONS, IDS)
    for facts in (UNTAGGED, LAB, UNREAD):
        before, after = (one.effective(Evidence(PACKAGE, facts), request()) for one in (settings, again))
        assert [before.level(id_) for id_ in IDS] == [after.level(id_) for id_ in IDS]
        assert before.parameters == after.parameters
    document["layers"][0]["document"]["profile"] = "observe"
    with pytest.raises(SettingsError, match="`digest` does not fit"):
        Settings.from_json(document, DECLARATIONS, IDS)


def test_stages_map_and_collect() -> None:
    settings = load(
        "[stages]\nlive = 'Production'\n[collect]\nrole = 'A'\nretries = 3",
        environment={"MODELWARDEN_ROLE": "B"},
        external_id="x",
    )
    assert settings.stages["live"] == "Production"
    assert settings.stages["Staging"] == "Staging"
    assert (settings.collect.role, settings.collect.retries, settings.collect.external_id) == ("B", 3, "x")


def test_bundle_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house/modelwarden.toml").write_text("bundle = ['mine', '../shared']", encoding="utf-8")
    sources = read_sources(
        config=Path("house/modelwarden.toml"),
        environment={"MODELWARDEN_BUNDLE": "env"},
        flags={"bundle": (Path("cli"), Path("env"))},
    )
    assert [path.as_posix() for path in sources.bundle_paths] == ["house/mine", "house/../shared", "env", "cli"]


def test_declarations_refuse_what_cannot_be_used() -> None:
    from modelwarden.control import ControlError

    for text, says in {
        "[aB]\ntype='set'\nabout='x'": "`aB`: not a name of a parameter",
        "[a]\ntype='list'\nabout='x'": "unknown type `list`",
        "[a]\ntype='string'\ntighten='subset'\nabout='x'": "unknown way of a string `subset`",
        "[a]\ntype='set'\nabout='x'\ndefault=3": "an array of texts is expected",
        "[a]\ntype='set'": "a text is expected",
        "a = 3": "a table is expected",
        "[a": "p.toml: ",
    }.items():
        with pytest.raises(ControlError) as caught:
            load_declarations(text, "p.toml")
        assert says in str(caught.value)


def test_a_declaration_that_names_no_way_is_fixed() -> None:
    declaration = load_declarations("[a]\ntype='long'\nabout='x'", "p.toml")["a"]
    assert declaration == ParameterDeclaration("a", "long", "x", "fixed", None)
