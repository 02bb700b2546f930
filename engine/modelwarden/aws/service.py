"""The service of a function, from its environment.

`MODELWARDEN_ORGANIZATION` and `MODELWARDEN_ORGANIZATION_DIGEST` name the organization layer, which must name `records` in a
bucket: what instances share lies on none of their disks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial

from botocore.session import get_session

from modelwarden import gate
from modelwarden.api.service import Service, service_of
from modelwarden.clock import now
from modelwarden.errors import UserError
from modelwarden.render.log import Event, json_line


class NotDeployed(UserError):
    """The function lacks something without which it must not answer."""


def deployed(environment: Mapping[str, str], log: Callable[[Event], None]) -> Service:
    """The service that the environment describes.

    Raises:
        UserError: something is missing, or the settings cannot be used.
    """
    house = gate.load_house(gate.Sources(), environment)
    if not (house.settings.records or "").startswith("s3://"):
        raise NotDeployed(
            "`records` of the organization layer names no bucket: nobody would find what was decided",
            'name one in the policy pack: records = "s3://bucket/prefix"',
        )
    # Service models take longer to read than a package. An instance runs one call after the other, so they may share them.
    session = get_session()
    return service_of(house, partial(gate.collector_of, house, session=session), log)


def log_line(event: Event) -> None:
    """Lambda keeps what a function writes to stderr."""
    print(json_line(event, now()), file=sys.stderr)
