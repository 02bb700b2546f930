"""`sign` and `log`: only a policy pack names them, and only what can be a key and a log; a passphrase is known to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwarden import gate
from modelwarden.settings import Settings, SettingsError, load_settings
from modelwarden.settings.pack import digest_pack, read_pack
from modelwarden.settings.show import rows
from modelwarden.settings.sources import PASSPHRASE

KEY = "awskms:arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
LOG = "s3://org-log/gate?mode=COMPLIANCE&years=7"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(pack: str | None = None, repository: str | None = None) -> Settings:
    digest = None
    if pack is not None:
        Path("pack").mkdir(exist_ok=True)
        Path("pack/modelwarden.toml").write_text(pack, encoding="utf-8")
        digest = digest_pack(read_pack("pack", None))
    if repository is not None:
        Path("modelwarden.toml").write_text(repository, encoding="utf-8")
    place = {"organization": "pack", "organization_digest": digest} if pack is not None else {}
    return load_settings(**place, environment={}, flags={}, declarations={}, control_ids=())  # type: ignore[arg-type]


@pytest.mark.parametrize(("sign", "log"), [(KEY, LOG), ("/srv/key.pem", "/srv/log")])
def test_the_pack_names_them_and_they_change_no_verdict(sign: str, log: str) -> None:
    found = load(f'sign = "{sign}"\nlog = "{log}"')
    assert (found.sign, found.log, found.digest) == (sign, log, load("").digest)
    shown = {one.setting: (one.value, one.layer) for one in rows(found)}
    assert (shown["sign"], shown["log"]) == ((sign, "organization layer"), (log, "organization layer"))


@pytest.mark.parametrize("pack", [None, ""])
@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (f'sign = "{KEY}"', "only the organization layer says with which key decisions are signed"),
        (f'log = "{LOG}"', "only the organization layer says where decisions are logged"),
    ],
)
def test_no_other_layer_names_them(pack: str | None, said: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        load(pack, said)


@pytest.mark.parametrize("value", ["key.pem", "awskms:alias/gate", "awskms:", ""])
def test_what_is_no_key_is_refused(value: str) -> None:
    with pytest.raises(
        SettingsError, match=r"`sign`: (`.*` is neither a key in KMS nor a whole path|a text is expected)"
    ):
        load(f'sign = "{value}"')


@pytest.mark.parametrize("value", ["log", "s3://org-log/gate", "s3://org-log/gate?mode=NONE&years=7"])
def test_what_is_no_log_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"`log`: `.*` is neither a bucket with Object Lock nor a whole path"):
        load(f'log = "{value}"')


def test_a_passphrase_goes_to_no_other_process() -> None:
    house = gate.load_house(gate.Sources(), {PASSPHRASE: "secret", "MODELWARDEN_PROFILE": "strict"})
    assert house.recipe.environment == {"MODELWARDEN_PROFILE": "strict"}
