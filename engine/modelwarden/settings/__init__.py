"""Settings: enforcement levels, parameters, scopes and waivers, in layers that only tighten downwards.

sources = read_sources(environment=os.environ, flags={"profile": "strict"})
bundle = load_bundle(sources.bundle_paths)
settings = Settings.of(sources, bundle.declarations, bundle.controls)
settings.effective(evidence, request).level("ENC-02")  # ("block", "profile strict")
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from modelwarden.parameter import ParameterDeclaration
from modelwarden.settings.effective import Effective, Settings
from modelwarden.settings.reading import Collect
from modelwarden.settings.sources import Sources, read_sources
from modelwarden.toml import SettingsError

if TYPE_CHECKING:
    from modelwarden.settings.pack import Fetch

__all__ = ["Collect", "Effective", "Settings", "SettingsError", "Sources", "load_settings", "read_sources"]


def load_settings(
    *,
    config: Path | None = None,
    organization: Path | str | None = None,
    organization_digest: str | None = None,
    environment: Mapping[str, str],
    flags: Mapping[str, object],
    declarations: Mapping[str, ParameterDeclaration],
    control_ids: Collection[str],
    fetch: Fetch | None = None,
) -> Settings:
    """`read_sources` and `Settings.of` in one, for a bundle that is known already.

    Raises:
        SettingsError: see both.
    """
    sources = read_sources(
        config=config,
        organization=organization,
        organization_digest=organization_digest,
        environment=environment,
        flags=flags,
        fetch=fetch,
    )
    return Settings.of(sources, declarations, control_ids)
