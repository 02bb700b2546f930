"""What is scanned: said by the first layer only, checked before anything is read, and no part of what is judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelwarden.estate import Scan
from modelwarden.settings import Settings, SettingsError, load_settings
from modelwarden.settings.pack import digest_pack, read_pack
from modelwarden.settings.show import rows

WHOLE = """
[scan]
accounts = "111122223333"
exclude_accounts = ["444455556666", "555566667777"]
regions = ["eu-west-1", "us-gov-east-1"]
"""
FILTERS = """
[scan]
units = ["Workloads/Finance/", "Platform"]
tags = { stage = "live" }
"""

ARABIC = "\u0661" * 12
"""Twelve digits, and no account id."""


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str, organization: str | None = None) -> Settings:
    Path("modelwarden.toml").write_text(text, encoding="utf-8")
    digest = None
    if organization is not None:
        Path("pack").mkdir(exist_ok=True)
        Path("pack/modelwarden.toml").write_text(organization, encoding="utf-8")
        digest = digest_pack(read_pack("pack", None))
    return load_settings(
        organization="pack" if organization is not None else None,
        organization_digest=digest,
        environment={},
        flags={},
        declarations={},
        control_ids=(),
    )


def refused(text: str, organization: str | None = None) -> tuple[str, str]:
    """(message, next step) of settings that cannot be used."""
    with pytest.raises(SettingsError) as caught:
        load(text, organization)
    return str(caught.value), caught.value.help


def test_nothing_said_is_the_whole_organization() -> None:
    assert load("").scan == Scan()
    assert load("[scan]").scan == Scan()


def test_every_setting_is_read() -> None:
    assert load(WHOLE).scan == Scan(
        accounts=("111122223333",),
        exclude_accounts=("444455556666", "555566667777"),
        regions=("eu-west-1", "us-gov-east-1"),
    )
    assert load(FILTERS).scan == Scan(units=("Workloads/Finance", "Platform"), tags={"stage": "live"})
    assert load("[scan]\nhub = '222222222222'").scan == Scan(hub="222222222222")
    assert load("[scan]\nendpoint_metrics = true").scan == Scan(endpoint_metrics=True)
    both = "[scan]\naccounts = ['111122223333', '222222222222']\nhub = '222222222222'"
    assert load(both).scan.hub == "222222222222"


def test_the_organization_layer_says_it_and_no_layer_below() -> None:
    assert load("", FILTERS).scan == Scan(units=("Workloads/Finance", "Platform"), tags={"stage": "live"})
    assert refused("[scan]\nregions = ['eu-west-1']", "[scan]\nregions = ['eu-west-1', 'us-east-1']") == (
        "modelwarden.toml: only the organization layer says which accounts and regions are scanned: `scan` loosens it",
        "move it to the organization layer",
    )


@pytest.mark.parametrize(
    ("text", "message", "step"),
    [
        ("scan = 'all'", "`scan`: a table is expected, not `all`", "write it as `[table]` or `{ ... }`"),
        (
            "[scan]\nendpoint_metrics = 'yes'",
            "`scan.endpoint_metrics`: true or false is expected, not `yes`",
            "`modelwarden config show` prints the settings that hold",
        ),
        ("[scan]\nregion = 'eu-west-1'", "`scan`: unknown setting `region`", "did you mean `regions`?"),
        (
            "[scan]\naccounts = [111122223333]",
            "`scan.accounts`: a text is expected, not `111122223333`",
            "write it in quotes",
        ),
        (
            "[scan]\naccounts = ['11112222333']",
            "`scan.accounts`: `11112222333` is not an account id",
            "write 12 digits in quotes",
        ),
        (
            "[scan]\nexclude_accounts = ['1111222233334']",
            "`scan.exclude_accounts`: `1111222233334` is not an account id",
            "write 12 digits in quotes",
        ),
        (
            f"[scan]\naccounts = ['{ARABIC}']",
            f"`scan.accounts`: `{ARABIC}` is not an account id",
            "write 12 digits in quotes",
        ),
        (
            "[scan]\naccounts = []",
            "`scan.accounts`: the list is empty",
            "name at least one, or leave the setting out",
        ),
        (
            "[scan]\naccounts = ['111122223333', '111122223333']",
            "`scan.accounts`: `111122223333` stands twice",
            "name it once",
        ),
        (
            "[scan]\naccounts = ['111122223333']\nexclude_accounts = ['444455556666', '111122223333']",
            "`scan.exclude_accounts`: `111122223333` is listed under `scan.accounts` too",
            "take it out of one of them",
        ),
        (
            "[scan]\naccounts = ['111122223333']\nunits = ['Workloads']",
            "`scan.units`: has no effect beside `scan.accounts`, since Organizations is not asked then",
            "leave out one of them",
        ),
        (
            "[scan]\naccounts = ['111122223333']\ntags = { stage = 'live' }",
            "`scan.tags`: has no effect beside `scan.accounts`, since Organizations is not asked then",
            "leave out one of them",
        ),
        ("[scan]\nhub = '12'", "`scan.hub`: `12` is not an account id", "write 12 digits in quotes"),
        (
            "[scan]\nhub = ['222222222222']",
            "`scan.hub`: a text is expected, not `['222222222222']`",
            "write it in quotes",
        ),
        (
            "[scan]\naccounts = ['111122223333']\nhub = '222222222222'",
            "`scan.hub`: `222222222222` is not listed under `scan.accounts`",
            "add it there",
        ),
        (
            "[scan]\nexclude_accounts = ['222222222222']\nhub = '222222222222'",
            "`scan.hub`: `222222222222` is listed under `scan.exclude_accounts`",
            "take it out there",
        ),
        ("[scan]\nunits = [1]", "`scan.units`: a text is expected, not `1`", "write it in quotes"),
        (
            "[scan]\nunits = ['/']",
            "`scan.units`: `/` is not a path of units",
            'write it as "Workloads/Finance"',
        ),
        (
            "[scan]\nunits = ['Workloads//Finance']",
            "`scan.units`: `Workloads//Finance` is not a path of units",
            'write it as "Workloads/Finance"',
        ),
        (
            "[scan]\nunits = ['Workloads', 'Workloads/']",
            "`scan.units`: `Workloads` stands twice",
            "name it once",
        ),
        (
            "[scan]\ntags = ['stage=live']",
            "`scan.tags`: a table is expected, not `['stage=live']`",
            "write it as `[table]` or `{ ... }`",
        ),
        (
            "[scan]\ntags = { stage = true }",
            "`scan.tags.stage`: a text is expected, not `true`",
            "write it in quotes",
        ),
        ("[scan]\ntags = { '' = 'x' }", "`scan.tags`: a tag without a key", 'write it as { stage = "live" }'),
        (
            "[scan]\nregions = ['eu-west']",
            "`scan.regions`: `eu-west` is not the name of a region",
            'write it as "eu-west-1"',
        ),
        (
            "[scan]\nregions = ['eu-west-1', 'all']",
            "`scan.regions`: `all` is not the name of a region",
            'write it as "eu-west-1"',
        ),
        (
            "[scan]\nregions = ['eu-west-1a']",
            "`scan.regions`: `eu-west-1a` is not the name of a region",
            'write it as "eu-west-1"',
        ),
        (
            "[scan]\nregions = ['EU-WEST-1']",
            "`scan.regions`: `EU-WEST-1` is not the name of a region",
            'write it as "eu-west-1"',
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_next_step(text: str, message: str, step: str) -> None:
    assert refused(text) == (f"modelwarden.toml: {message}", step)


@pytest.mark.parametrize("region", ["cn-north-1", "us-iso-east-1", "us-isob-east-1", "eusc-de-east-1", "mx-central-1"])
def test_regions_of_every_partition_are_regions(region: str) -> None:
    assert load(f"[scan]\nregions = ['{region}']").scan.regions == (region,)


def test_what_is_scanned_judges_nothing() -> None:
    assert load(WHOLE).digest == load(FILTERS).digest == load("").digest
    assert load(WHOLE).digest != load("profile = 'strict'").digest


def test_it_is_shown_and_recorded() -> None:
    def shown(text: str) -> list[tuple[str, Any, str]]:
        return [(row.setting, row.value, row.layer) for row in rows(load("", text)) if row.setting.startswith("scan.")]

    assert shown("") == []
    assert shown(WHOLE) == [
        ("scan.accounts", ["111122223333"], "organization layer"),
        ("scan.exclude_accounts", ["444455556666", "555566667777"], "organization layer"),
        ("scan.regions", ["eu-west-1", "us-gov-east-1"], "organization layer"),
    ]
    assert shown(FILTERS) == [
        ("scan.units", ["Workloads/Finance", "Platform"], "organization layer"),
        ("scan.tags", {"stage": "live"}, "organization layer"),
    ]
    settings = load(FILTERS)
    assert Settings.from_json(settings.to_json(), {}, ()).scan == settings.scan
