"""`store`: only a policy pack names it, and only what can be a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwarden.settings import Settings, SettingsError, load_settings
from modelwarden.settings.pack import digest_pack, read_pack
from modelwarden.settings.show import rows
from modelwarden.settings.store import Table, store_of
from modelwarden.store.location import location_of

TABLE = "dynamodb://modelwarden-state?region=eu-west-1"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(organization: str | None = None, repository: str | None = None) -> Settings:
    digest = None
    if organization is not None:
        Path("pack").mkdir()
        Path("pack/modelwarden.toml").write_text(organization, encoding="utf-8")
        digest = digest_pack(read_pack("pack", None))
    if repository is not None:
        Path("modelwarden.toml").write_text(repository, encoding="utf-8")
    return load_settings(
        organization="pack" if organization is not None else None,
        organization_digest=digest,
        environment={},
        flags={},
        declarations={},
        control_ids=(),
    )


@pytest.mark.parametrize("location", [TABLE, f"{TABLE}&keep_days=400", "/srv/modelwarden/state.sqlite"])
def test_the_pack_names_the_store_and_config_shows_it(location: str) -> None:
    found = load(f'store = "{location}"')
    assert found.store == location
    assert [(one.value, one.layer) for one in rows(found) if one.setting == "store"] == [
        (location, "organization layer")
    ]
    assert location_of(found.store, found.runs) == location


def test_without_a_pack_it_is_beside_the_runs() -> None:
    assert location_of(load().store, None) == ".modelwarden/runs/state.sqlite"
    assert location_of(load().store, Path("kept")) == "kept/state.sqlite"


@pytest.mark.parametrize("organization", [None, ""])
def test_no_other_layer_names_it(organization: str | None) -> None:
    with pytest.raises(SettingsError, match="only the organization layer says where the state of packages is kept"):
        load(organization, f'store = "{TABLE}"')


@pytest.mark.parametrize(
    "location",
    [
        "state.sqlite",
        "dynamodb://t?region=eu-west-1",
        "dynamodb://modelwarden-state",
        "dynamodb://modelwarden-state?region=here",
        f"{TABLE}&keep_days=0",
        f"{TABLE}&keep_days=1.5",
        f"{TABLE}&keep=1",
        "s3://bucket/state",
        "",
    ],
)
def test_what_can_be_no_store_is_refused(location: str) -> None:
    with pytest.raises(SettingsError, match=r"pack/modelwarden\.toml: `store`"):
        load(f'store = "{location}"')


def test_a_table_in_parts() -> None:
    assert store_of(f"{TABLE}&keep_days=400") == Table("modelwarden-state", "eu-west-1", 400)
    assert store_of(TABLE) == Table("modelwarden-state", "eu-west-1", None)
    assert store_of("/srv/state.sqlite") == Path("/srv/state.sqlite")
    assert store_of("state.sqlite") is None
