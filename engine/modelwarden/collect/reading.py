"""The second round of one package: everything that its description names, as far as it is needed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property, lru_cache, partial
from typing import Final

from msgspec import Struct

from modelwarden.collect import card
from modelwarden.collect.approver import read_approver
from modelwarden.collect.cell import Cell
from modelwarden.collect.clarify import analysis_facts, no_analysis
from modelwarden.collect.describe import CardText, Description, dig, standalone, trained_by
from modelwarden.collect.evaluation import evaluation_facts, no_evaluation
from modelwarden.collect.group import read_policy, read_tags
from modelwarden.collect.image import no_image, parse_image
from modelwarden.collect.key import no_key, read_key
from modelwarden.collect.objects import no_report, read_artifacts, read_object
from modelwarden.collect.package import bias_reports, containers_of
from modelwarden.collect.registry import Images, Wanted
from modelwarden.collect.text import whole
from modelwarden.collect.trainer import read_trainers
from modelwarden.evidence import Absent, Fact, Unknown

Facts = dict[str, Fact]
Task = Callable[[], Facts]

_STATED: Final = ("uri", "declared_digest", "kind")
"""Of reports and keys: what the description itself says."""


class Wants(Struct, frozen=True):
    """Which facts are needed; None means all."""

    patterns: Collection[str] | None

    def any(self, *prefixes: str, without: tuple[str, ...] = ()) -> bool:
        """Whether some needed pattern starts with one of the prefixes and ends in none of `without`."""
        return self.patterns is None or _any(tuple(self.patterns), prefixes, without)

    def below(self, prefix: str) -> list[str]:
        """Needed patterns that start with the prefix; the prefix itself where all are needed."""
        return [prefix] if self.patterns is None else [one for one in self.patterns if one.startswith(prefix)]

    def exactly(self, *patterns: str) -> bool:
        return self.patterns is None or any(pattern in self.patterns for pattern in patterns)


@lru_cache(maxsize=1_024)
def _any(patterns: tuple[str, ...], prefixes: tuple[str, ...], without: tuple[str, ...]) -> bool:
    """The packages of a scan want the same few lists, and each asks a dozen times."""
    ends = tuple(f"/{name}" for name in without)
    return any(pattern.startswith(prefixes) and not pattern.endswith(ends) for pattern in patterns)


class Reading:
    """One package; each task returns the facts that it alone is responsible for."""

    def __init__(self, cell: Cell, described: Description, want: Wants) -> None:
        self._cell, self._described, self._want = cell, described, want
        self._data, self._source = described.data, described.source

    def at_hand(self) -> Facts:
        """What takes no further call: the card that lies in the description."""
        return _card_facts(self._embedded) if self._want.any("/card/") and self._embedded else {}

    def tasks(self) -> list[Task]:
        """Independent of each other."""
        want = self._want
        found: list[Task] = []
        if want.any("/artifact"):
            found.append(self._artifacts)
        found += self._images()
        if want.any("/trainer") or (want.any("/card/") and not self._embedded):
            found.append(self._card)
        if want.any("/bias_report/", without=_STATED):
            found += [partial(self._bias, *numbered) for numbered in enumerate(self._bias_uris())]
        if want.any("/evaluation/", without=_STATED):
            found.append(self._evaluation)
        if want.any("/package/kms_key/", without=("id",)):
            found.append(self._key)
        if want.any("/tag"):
            found.append(partial(read_tags, self._cell))
        if want.any("/group_policy/"):
            found.append(partial(read_policy, self._cell, self._source))
        if want.any("/approver/"):
            found.append(partial(read_approver, self._cell, self._data.get("ModelApprovalStatus")))
        return found

    def _artifacts(self) -> Facts:
        return read_artifacts(
            self._cell,
            self._described,
            keys=self._want.any("/artifact/*/kms_key/"),
            rotation=self._want.exactly("/artifact/*/kms_key/rotation_enabled"),
        )

    @cached_property
    def _embedded(self) -> CardText | Unknown | None:
        return self._described.embedded()

    def _card(self) -> Facts:
        """The card if it lies elsewhere, and the training jobs, one of which only the card may name."""
        found = self._embedded or standalone(self._cell, self._described)
        facts = _card_facts(found) if self._want.any("/card/") and not self._embedded else {}
        if self._want.any("/trainer"):
            facts |= read_trainers(self._cell, *trained_by(self._described, found), self._source)
        return facts

    def _bias_uris(self) -> list[str]:
        return [leaf["S3Uri"] for _, leaf in bias_reports(self._data)]

    def _bias(self, index: int, uri: str) -> Facts:
        pointer = f"/bias_report/{index}"
        report = read_object(self._cell, pointer, uri, self._source)
        if report.document is None:
            return report.facts | no_analysis(pointer, report.nothing)
        return report.facts | analysis_facts(pointer, report.document, report.source)

    def _evaluation(self) -> Facts:
        uri = dig(self._data, "ModelMetrics", "ModelQuality", "Statistics", "S3Uri")
        if not uri:
            absent = Absent(self._source)
            return no_report("/evaluation", absent) | no_evaluation(absent)
        report = read_object(self._cell, "/evaluation", uri, self._source)
        if report.document is None:
            return report.facts | no_evaluation(report.nothing)
        return report.facts | evaluation_facts(report.document, report.source)

    def _key(self) -> Facts:
        key = dig(self._data, "SecurityConfig", "KmsKeyId")
        if not key:
            return no_key("/package/kms_key", Absent(self._source))
        rotation = self._want.exactly("/package/kms_key/rotation_enabled")
        return read_key(self._cell, "/package/kms_key", key, alias=True, rotation=rotation)

    def _images(self) -> list[Task]:
        wanted = self._wanted
        if not any((wanted.manifest, wanted.repository, wanted.pushed)):
            return []
        images = Images(self._cell.lookups, self._cell.arn.account)
        found: list[Task] = []
        for index, (_, container) in enumerate(containers_of(self._data)):
            pointer, text = f"/container/{index}/image", container.get("Image")
            if text:
                image, pinned = parse_image(whole(text)), container.get("ImageDigest")
                found.append(partial(images.facts, pointer, image, pinned, wanted))
            else:
                found.append(partial(no_image, pointer, Absent(self._source)))
        return found

    @cached_property
    def _wanted(self) -> Wanted:
        inside, want = "/container/*/image/", self._want
        return Wanted(
            manifest=want.any(f"{inside}resolved_digest", f"{inside}manifest"),
            layers=want.any(f"{inside}manifest"),
            diff_ids=want.exactly(f"{inside}manifest/*/diff_ids"),
            repository=want.any(f"{inside}tag_mutability", f"{inside}tag_immutable"),
            pushed=want.exactly(f"{inside}pushed_at"),
        )


def _card_facts(found: CardText | Fact) -> Facts:
    return found.facts() if isinstance(found, CardText) else card.no_card(found)
