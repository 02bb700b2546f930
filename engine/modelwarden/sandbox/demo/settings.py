"""The demo's `modelwarden.toml`: approved sources and bases as the estate has them, attributes by group."""

from __future__ import annotations

import json
from collections.abc import Iterable

from modelwarden.sandbox.demo import estate

_HEAD = """\
# Settings of the demo, written by generate.py: change them in settings.py. All accounts are invented.
profile = "recommended"

[parameters]
approved_image_sources = {sources}
approved_base_images = {bases}
approved_kms_keys = {keys}
forbidden_tags = ["latest"]
protected_attributes = ["sex"]
required_tags = ["owner", "cost-center", "data-classification"]

[stages]
Proposal = "Development"
Development = "Development"
QA = "Staging"
Staging = "Staging"
PreProduction = "Staging"
Production = "Production"

[collect]
role = "ModelwardenReader"

[scan]
regions = {regions}

# Protected attributes of single groups. An empty list is a statement: no person is judged by the model.
"""


def _listed(values: Iterable[str]) -> str:
    return "[\n" + "".join(f"  {json.dumps(value)},\n" for value in values) + "]"


def _scope(group: str, attributes: tuple[str, ...]) -> str:
    declared = json.dumps(list(attributes))
    return f'[[scope]]\nmatch = {{ group = "{group}" }}\nparameters = {{ protected_attributes = {declared} }}\n'


def text() -> str:
    """The file. Groups that declare the attribute of the general parameters need no scope of their own."""
    scopes = [_scope("churn*", ())]
    scopes += [
        _scope(group.name, group.attributes)
        for group in estate.GROUPS
        if group.attributes != ("sex",) and not group.name.startswith("churn")
    ]
    head = _HEAD.format(
        sources=_listed(estate.approved_sources()),
        bases=_listed(estate.approved_bases()),
        keys=_listed(estate.approved_keys()),
        regions=json.dumps(list(estate.REGIONS)),
    )
    return head + "\n".join(scopes)
