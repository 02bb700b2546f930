"""The catalog: finds controls in files, refuses what cannot be used, and gives the bundle its digest.

Built-in controls come from `policies/` and `rules/`; folders that the settings or `--bundle` name add to them and can
never replace one. Every error is raised here, before anything is judged.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from modelwarden import builtin, cedar, compiled
from modelwarden.attributes import schema_text
from modelwarden.bundle_file import BundleFile, Origin, builtin_files, user_files
from modelwarden.cedar import Authorizer, PolicyJson
from modelwarden.control import Control, ControlError, placed
from modelwarden.errors import UserError
from modelwarden.evidence import digest
from modelwarden.finding import ControlInfo
from modelwarden.judge import CedarJudge
from modelwarden.parameter import ParameterDeclaration, load_declarations
from modelwarden.policy import CedarPolicy, read_file
from modelwarden.problem import Problem
from modelwarden.rule import controls_of
from modelwarden.statement import statements
from modelwarden.worker import WorkerError, Workers

CONTROLS: Final = "modelwarden.controls/1"
"""Schema of the list of controls."""


class BundleError(UserError):
    """A bundle that cannot be evaluated."""

    help = "`modelwarden lint` shows all problems of a bundle"


class Bundle(Struct, frozen=True, dict=True):
    """Controls, their files and the parameters they may read."""

    controls: dict[str, Control]
    """By id, sorted."""
    policies: tuple[CedarPolicy, ...]
    authz: dict[str, PolicyJson]
    files: tuple[BundleFile, ...]
    declarations: dict[str, ParameterDeclaration]
    workers: Workers
    """Holds the user's Python controls."""

    @cached_property
    def cedar(self) -> CedarJudge:
        return CedarJudge(self.policies)

    @cached_property
    def digest(self) -> str:
        return digest([[file.path, file.sha256] for file in self.files])

    @cached_property
    def authorizer(self) -> Authorizer:
        return Authorizer(self.authz)

    def listing(self) -> dict[str, Any]:
        """The document of `reports/schemas/controls.schema.json`."""
        infos = [asdict(control.info) for control in self.controls.values()]
        return {"schema": CONTROLS, "digest": self.digest, "controls": infos}

    def schema(self) -> str:
        """The Cedar schema with every declared parameter."""
        return schema_text(self.parameter_types())

    def parameter_types(self) -> dict[str, str]:
        """Name of each declared parameter -> its type."""
        return {name: declaration.type for name, declaration in self.declarations.items()}


def load_bundle(paths: Sequence[Path] = ()) -> Bundle:
    """The built-in controls and those of the folders.

    Raises:
        BundleError: a problem that `lint` does not merely warn of; its message is the first one.
    """
    bundle, problems = survey(paths)
    errors = [problem for problem in problems if not problem.warning]
    if errors:
        more = f"; `modelwarden lint` shows all {len(errors)} problems" if len(errors) > 1 else ""
        raise BundleError(str(errors[0]), (errors[0].help or BundleError.help) + more)
    return bundle


def survey(paths: Sequence[Path] = (), *, thorough: bool = False) -> tuple[Bundle, list[Problem]]:
    """What could be read of the bundle, and every problem in it, file by file.

    What ships is linted before a release, so that a gate need not do it again; `thorough` does.
    """
    problems: list[Problem] = []
    sources = [*builtin_files(), *user_files(paths, problems)]
    return _read(sources, {"built-in", "user"} if thorough else {"user"}, problems)


def recorded_bundle(files: Sequence[BundleFile]) -> Bundle:
    """The bundle that some recorded files were. They were checked when they were recorded, and are not linted again.

    Raises:
        BundleError: a file that this version cannot read.
    """
    bundle, problems = _read(files, set(), [])
    errors = [problem for problem in problems if not problem.warning]
    if errors:
        raise BundleError(str(errors[0]), "judge them with the version that recorded them")
    return bundle


def _read(
    sources: Sequence[BundleFile], linted: Collection[Origin], problems: list[Problem]
) -> tuple[Bundle, list[Problem]]:
    """The bundle of some files, and every problem in it; the files of the `linted` origins are checked for all of lint."""
    reader = _Reader(sources, linted, problems)
    policies = reader.policies()
    controls = reader.by_id([*(Control(policy.info) for policy in policies), *reader.rules()])
    bundle = Bundle(controls, tuple(policies), reader.authz(), tuple(sources), reader.declarations, reader.workers)
    reader.validate(bundle)
    order = {file.path: number for number, file in enumerate(sources)}
    problems.sort(key=lambda problem: (order.get(problem.path, -1), problem.line))
    return bundle, list(dict.fromkeys(problems))


class _Reader:
    """Reads the files of one bundle and notes what is wrong with them."""

    def __init__(self, sources: Sequence[BundleFile], linted: Collection[Origin], problems: list[Problem]) -> None:
        self._sources = sources
        self._linted = linted
        self._problems = problems
        self.workers = Workers()
        self.declarations: dict[str, ParameterDeclaration] = {}
        for file in self._of("parameters"):
            self._declare(file)

    def _of(self, kind: str) -> list[BundleFile]:
        return [file for file in self._sources if file.kind == kind]

    def _checked(self, file: BundleFile) -> bool:
        return file.origin in self._linted

    def _tell(self, rule: str, file: BundleFile, line: int, message: str, help_: str = "") -> None:
        self._problems.append(Problem(rule, file.path, line, message, help_))

    def _declare(self, file: BundleFile) -> None:
        try:
            found = load_declarations(file.text, file.path)
        except ControlError as error:
            message = str(error).removeprefix(f"{file.path}: ")
            self._tell("parameters", file, _toml_line(file.text, message), message, error.help)
            return
        for name, declaration in found.items():
            if name in self.declarations:
                help_ = "choose another name: a bundle adds and never replaces"
                line = _toml_line(file.text, f"`{name}`")
                self._tell("duplicate-parameter", file, line, f"parameter `{name}` exists already", help_)
            self.declarations.setdefault(name, declaration)

    def policies(self) -> list[CedarPolicy]:
        declared = {name: declaration.type for name, declaration in self.declarations.items()}
        found: list[CedarPolicy] = []
        for file in self._of("policy"):
            policies, problems = read_file(file.text, file.path, file.origin, declared, thorough=self._checked(file))
            found += policies
            self._problems += problems
        return found

    def rules(self) -> list[Control]:
        found: list[Control] = []
        for file in self._of("rule"):
            controls = self._load_rule(file)
            if self._checked(file):
                from modelwarden import purity

                self._problems += purity.problems(file.text, file.path)
                for control in controls:
                    self._check_parameters(file, control.info)
            found += controls
        return found

    def _load_rule(self, file: BundleFile) -> list[Control]:
        if file.origin == "built-in":
            name = file.path.removeprefix("rules/").removesuffix(".py")
            module = importlib.import_module(f"modelwarden.builtin.rules.{name}")
            return [
                Control(placed(one.info, file.text, file.path, "built-in"), one.check) for one in controls_of(module)
            ]
        try:
            infos = self.workers.load(Path(file.location))
        except WorkerError as error:
            help_ = "docs/writing-controls.md shows the form of a control"
            self._tell("rule", file, error.line, f"does not load: {error}", help_)
            return []
        if not infos:
            self._tell("no-control", file, 0, "defines no control", "decorate `check`, or keep helpers below `tests/`")
        return [Control(placed(info, file.text, file.path, "user")) for info in infos]

    def _check_parameters(self, file: BundleFile, info: ControlInfo) -> None:
        for name in info.parameters:
            if name not in self.declarations:
                what = f"reads parameter `{name}`, which nobody declares"
                self._tell(
                    "unknown-parameter", file, info.line, what, "declare it in a parameters.toml beside the rule"
                )

    def authz(self) -> dict[str, PolicyJson]:
        found: dict[str, PolicyJson] = {}
        for file in self._of("authz"):
            mine: dict[str, PolicyJson] = {}
            lines: dict[str, int] = {}
            for statement in statements(file.text):
                try:
                    (policy,) = compiled.parse_policy(statement.text)
                except (cedar.CedarError, ValueError) as error:
                    self._tell("syntax", file, statement.line_of(""), str(error))
                    continue
                id_ = policy.get("annotations", {}).get("id") or ""
                if self._may_authorise(file, statement.line_of(""), policy["effect"], id_, found | mine):
                    mine[id_], lines[id_] = policy, statement.line_of("")
            if self._checked(file):
                self._validated(file, mine, builtin.read("policies.authz", "authz.cedarschema").decode(), lines)
            found |= mine
        return found

    def _may_authorise(
        self, file: BundleFile, line: int, effect: str, id_: str, taken: Mapping[str, PolicyJson]
    ) -> bool:
        if not id_:
            self._tell("missing-annotation", file, line, "annotation `@id` is missing", 'write `@id("...")`')
        elif id_ in taken:
            help_ = "choose another name: a bundle adds and never replaces"
            self._tell("duplicate-id", file, line, f"authorisation policy `{id_}` exists already", help_)
        elif file.origin == "user" and effect != "forbid":
            what = f"authorisation policy `{id_}` is no `forbid`: a bundle may only take permissions away"
            help_ = "say who may in the parameters of the organization layer, for example approvers_high"
            self._tell("effect", file, line, what, help_)
        else:
            return True
        return False

    def by_id(self, controls: Iterable[Control]) -> dict[str, Control]:
        files = {file.path: file for file in self._sources}
        found: dict[str, Control] = {}
        for control in controls:
            if control.id in found:
                what = f"control id `{control.id}` exists already in {found[control.id].info.path}"
                help_ = "choose an id of a family of your own: a bundle adds and never replaces"
                self._tell("duplicate-id", files[control.info.path], control.info.line, what, help_)
            found.setdefault(control.id, control)
        if not found:
            help_ = "reinstall modelwarden: its own controls are missing"
            self._problems.append(Problem("no-control", "policies", 0, "no control was found", help_))
        return dict(sorted(found.items()))

    def validate(self, bundle: Bundle) -> None:
        """Strict validation of the policies against the schema with every declared parameter."""
        schema = bundle.schema()
        lines = {policy.id: policy.info.line for policy in bundle.policies}
        for file in self._of("policy"):
            mine = {policy.id: policy.json for policy in bundle.policies if policy.info.path == file.path}
            if mine and self._checked(file):
                self._validated(file, mine, schema, lines)

    def _validated(
        self, file: BundleFile, policies: Mapping[str, PolicyJson], schema: str, lines: Mapping[str, int]
    ) -> None:
        for id_, problem in cedar.validate(policies, schema):
            help_ = "put `has` before it: `resource has a.b && resource.a.b ...`" if "optional" in problem else ""
            self._tell("validation", file, lines[id_], f"{id_}: {problem}", help_)


def _toml_line(text: str, message: str) -> int:
    """The line that a message tells, else that of the table whose name it quotes."""
    told = re.search(r"at line (\d+)", message)
    if told:
        return int(told[1])
    name = re.match(r"[^`]*`([^`.]+)", message)
    headings = (number for number, line in enumerate(text.splitlines(), 1) if name and line.startswith(f"[{name[1]}"))
    return next(headings, 0)
