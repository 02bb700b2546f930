"""What is asked of packages, and the reference facts that they share."""

from __future__ import annotations

import threading

from modelwarden import gate
from modelwarden.collect import Collector
from modelwarden.evidence import Evidence, digest, facts_to_json
from modelwarden.gate import House, Question
from modelwarden.scan.folder import Folder
from modelwarden.scan.record import Reference


class Asked:
    """The same for all accounts."""

    def __init__(self, house: House, collector: Collector, folder: Folder) -> None:
        self._house = house
        self._collector = collector
        self._folder = folder
        self._needed: dict[tuple[str, str, str], tuple[tuple[str, ...], str]] = {}
        self._lists: dict[tuple[str, ...], tuple[tuple[str, ...], str]] = {}
        """Each list of reads once: there are few, however many groups."""
        self._references: dict[tuple[str, ...], str] = {}
        self._lock = threading.Lock()

    def needed(self, question: Question) -> tuple[tuple[str, ...], str]:
        """(patterns of the facts that the controls of this package read, their digest); they depend on its group and no more."""
        key = (question.target.rpartition("/")[0], question.stage, question.moment)
        found = self._needed.get(key)
        if found is None:
            reads = gate.needed_facts(self._house, question)
            wanted = tuple(one for one in reads if not one.startswith(("/request/", "/reference/")))
            self._needed[key] = found = self._lists.setdefault(wanted, (wanted, digest(sorted(wanted))))
        return found

    def reference(self, evidence: Evidence, question: Question) -> str:
        """Digest of the facts of the base images that count for the package, read once for each list of them."""
        images = gate.base_images(self._house, evidence, question)
        with self._lock:
            if images not in self._references:
                facts = self._collector.reference(images)
                reference = Reference(facts_to_json(facts), self._collector.aws.take_ledger())
                self._references[images] = name = Evidence("reference", facts).digest()
                self._folder.write_reference(name, reference)
            return self._references[images]
