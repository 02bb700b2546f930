"""What one who calls cedarpy by hand would hand over: projected facts in the form of the schema, for policies as they are written."""

from __future__ import annotations

import json
from typing import Any

from modelwarden.flat import request
from modelwarden.projection import Projection


def nested(projection: Projection, moment: str) -> tuple[dict[str, Any], list[Any]]:
    """(request, entities) of the first call of a projection, without those of the actions."""
    variables: dict[str, Any] = {"principal": {}, "resource": {}, "context": {}}
    package, *others = json.loads(projection.entities(0))
    (parameters,) = json.loads(projection.parameters)
    for name, value in (package["attrs"] | parameters["attrs"]).items():
        *above, last = name.split(".")
        record = variables
        for one in above:
            record = record.setdefault(one, {})
        record[last] = value
    asked = request(moment)
    principal = {"uid": asked["principal"], "attrs": variables["principal"], "parents": []}
    entities = [{**package, "attrs": variables["resource"]}, principal, *others]
    return {**asked, "context": json.dumps(variables["context"])}, entities
