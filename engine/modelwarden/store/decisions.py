"""Decisions by id: runs of gates where whoever asks for one knows nothing but its id, each written once."""

from __future__ import annotations

from msgspec import Struct

from modelwarden.evidence import Source, Unknown
from modelwarden.run import Run, RunError, is_id, parse
from modelwarden.store.place import Place

_SOURCE = Source("decisions")


class Decisions(Struct, frozen=True):
    """Runs as `<folder><id>.json`."""

    place: Place
    folder: str = ""
    """Ends with a slash, or is empty."""

    def put(self, id_: str, data: bytes, attestation: bytes | None = None) -> None:
        """Write the bytes of a run, `Run.to_json` as JSON. Its attestation comes first, so that none is found without.

        Raises:
            NotKept: it could not be written, or there is one of this id.
        """
        if attestation is not None:
            self.place.write(f"{self.folder}{id_}.intoto.jsonl", attestation)
        self.place.write(self._name(id_), data)

    def get(self, id_: str) -> Run | Unknown | None:
        """The run of an id; None where it is certain that there is none. One that was changed is unknown."""
        if not is_id(id_):
            return None
        data = self.place.find(self._name(id_))
        if data is None or isinstance(data, Unknown):
            return data
        try:
            run = parse(data, self._name(id_))
        except RunError as error:
            return Unknown("malformed", _SOURCE, str(error))
        return run if run.id == id_ else Unknown("malformed", _SOURCE, f"{self._name(id_)} is the run `{run.id}`")

    def _name(self, id_: str) -> str:
        return f"{self.folder}{id_}.json"
