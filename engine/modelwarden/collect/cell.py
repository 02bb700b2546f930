"""One account and region, as the reading of one package sees it: calls, and who makes them.

Lookups that several packages need are made once. What could not be read is kept for nobody who comes later.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from msgspec import Struct

from modelwarden.arn import PackageArn
from modelwarden.collect.answer import Answer, Failure
from modelwarden.collect.aws import Aws
from modelwarden.collect.pools import Pools
from modelwarden.evidence import Unknown


class Lookups:
    """Calls of all packages of one collector."""

    def __init__(self, aws: Aws, above: Lookups | None = None) -> None:
        """`above` keeps the answers that do not depend on who asks."""
        self.aws = aws
        self.pools = Pools()
        self._above = above
        self._known: dict[tuple[str, ...], Future[Answer | Failure]] = {}
        self._lock = threading.Lock()

    def call(
        self, account: str, region: str, service: str, operation: str, *, whoever: bool = False, **parameters: Any
    ) -> Answer | Failure:
        """One operation; whoever comes first asks, the others wait for the same answer.

        `whoever`: the answer does not depend on who asks, so that other accounts take it too.
        """
        key = ("" if whoever else account, region, service, operation, json.dumps(parameters, sort_keys=True))
        keeper = self._above if whoever and self._above is not None else self
        return keeper._shared(key, lambda: self.aws.call(account, region, service, operation, **parameters))

    def _shared(self, key: tuple[str, ...], ask: Callable[[], Answer | Failure]) -> Answer | Failure:
        with self._lock:
            future = self._known.get(key)
            mine = future is None
            if future is None:
                future = self._known[key] = Future()
        if mine:
            self._answer(future, key, ask)
        return future.result()

    def _answer(
        self, future: Future[Answer | Failure], key: tuple[str, ...], ask: Callable[[], Answer | Failure]
    ) -> None:
        """INVARIANT: only what AWS answered stays; a failure is told to those who wait for it and then forgotten."""
        keep = False
        try:
            answer = ask()
            keep = isinstance(answer, Answer) or answer.state == "read"
            future.set_result(answer)
        except BaseException as error:  # whoever waits for this answer must be told too; it goes on as it came
            future.set_exception(error)
            raise
        finally:
            if not keep:
                with self._lock:
                    self._known.pop(key, None)


class Cell(Struct, frozen=True):
    """Where a package lies, and how to ask there."""

    lookups: Lookups
    arn: PackageArn

    @property
    def owned(self) -> bool:
        """Whether the credentials are of the account that owns the package."""
        return self.lookups.aws.acts_as(self.arn.account)

    def call(self, service: str, operation: str, *, region: str | None = None, **parameters: Any) -> Answer | Failure:
        """One operation, in the package's region unless said otherwise."""
        return self.lookups.call(self.arn.account, region or self.arn.region, service, operation, **parameters)

    def call_anew(self, service: str, operation: str, **parameters: Any) -> Answer | Failure:
        """The same for what may change between two questions: the answer is shared with nobody."""
        return self.lookups.aws.call(self.arn.account, self.arn.region, service, operation, **parameters)

    def foreign(self, why: str) -> Unknown:
        """What an operation that takes a plain name cannot tell of another account."""
        return Unknown("in another account", None, f"{why}; name a `role` to assume in {self.arn.account}")
