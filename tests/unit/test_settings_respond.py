"""What is done about an approval: said by the first layer only, and checked before anything is judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwarden.settings.respond import Respond
from modelwarden.settings.show import rows

from .test_settings_scan import load, refused


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_nothing_said_observes() -> None:
    found = load("").respond
    assert found == Respond("observe", "Rejected", 60, {"Production": "revert"}, security_hub=False)
    assert [stage for stage in ("Development", "Staging", "Production") if found.leaves(stage)] == [
        "Development",
        "Staging",
    ]


def test_every_setting_is_read_and_shown() -> None:
    settings = load(
        '[respond]\nmode = "enforce"\nrevert_to = "PendingManualApproval"\nwait_minutes = 15\n'
        'undecided = { Staging = "revert", Production = "leave" }\nsecurity_hub = true\n'
    )
    said = {"Production": "leave", "Staging": "revert"}
    assert settings.respond == Respond("enforce", "PendingManualApproval", 15, said, security_hub=True)
    shown = {row.setting: row.value for row in rows(settings) if row.setting.startswith("respond.")}
    assert shown == {
        "respond.mode": "enforce",
        "respond.revert_to": "PendingManualApproval",
        "respond.wait_minutes": 15,
        "respond.undecided": said,
        "respond.security_hub": True,
    }


def test_only_the_organization_layer_says_it() -> None:
    message, step = refused('[respond]\nmode = "observe"\n', organization='profile = "strict"\n')
    assert message == (
        "modelwarden.toml: only the organization layer says what is done about an approval that events tell of: "
        "`respond` loosens it"
    )
    assert step == "move it to the organization layer"


@pytest.mark.parametrize(
    ("text", "message", "step"),
    [
        ('mode = "enforc"', "`respond.mode`: unknown mode `enforc`", "did you mean `enforce`?"),
        (
            'revert_to = "Approved"',
            "`respond.revert_to`: unknown approval status `Approved`",
            "use one of PendingManualApproval, Rejected",
        ),
        (
            "wait_minutes = 0",
            "`respond.wait_minutes`: a whole number from 1 to 10080 is expected, not `0`",
            None,
        ),
        ("wait_minutes = true", "`respond.wait_minutes`: a whole number from 1 to 10080 is expected, not `true`", None),
        (
            'undecided = { production = "leave" }',
            "`respond.undecided`: unknown setting `production`",
            "did you mean `Production`?",
        ),
        ('undecided = { Staging = "block" }', "`respond.undecided.Staging`: unknown answer `block`", None),
        ("undecided = true", "`respond.undecided`: a table is expected, not `true`", None),
        ("security_hub = 1", "`respond.security_hub`: true or false is expected, not `1`", None),
        (
            "security_hub = true",
            "`respond.security_hub`: nobody is told where `respond.mode` is observe",
            "set the mode to flag or enforce",
        ),
        ('notify = "me"', "`respond`: unknown setting `notify`", None),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_next_step(text: str, message: str, step: str | None) -> None:
    told, help_ = refused(f"[respond]\n{text}\n")
    assert told == f"modelwarden.toml: {message}"
    assert step is None or help_ == step
