"""The catalog: finds controls in files, refuses what cannot be used, and gives the bundle its digest.

Built-in controls come from `policies/` and `rules/`; folders that the settings or `--bundle` name add to them and can
never replace one. Every error is raised here, before anything is judged.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from importlib.abc import Traversable
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, TypeVar

from msgspec import Struct

from modelwarden import cedar
from modelwarden.attributes import schema_text
from modelwarden.cedar import Authorizer
from modelwarden.control import Control, ControlError, placed
from modelwarden.errors import UserError
from modelwarden.evidence import digest
from modelwarden.judge import CedarJudge
from modelwarden.parameter import ParameterDeclaration, load_declarations
from modelwarden.policy import CedarPolicy, compile_file
from modelwarden.worker import WorkerError, Workers, controls_of

Origin = Literal["built-in", "user"]
T = TypeVar("T")

MAX_FILE: Final = 1_000_000
"""Bytes of one policy or rule file."""


class BundleError(UserError):
    """A bundle that cannot be evaluated."""

    help = "`modelwarden lint` shows all problems of a bundle"


class BundleFile(Struct, frozen=True):
    """One file of a bundle, as it was read."""

    path: str
    """`policies/unencrypted_artifact.cedar`, or below the folder that the user named."""
    text: str
    origin: Origin
    location: str = ""
    """Where it lies on this machine; not recorded."""

    @property
    def sha256(self) -> str:
        return "sha256:" + hashlib.sha256(self.text.encode()).hexdigest()


class Bundle(Struct, frozen=True, dict=True):
    """Controls, their files and the parameters they may read."""

    controls: dict[str, Control]
    """By id, sorted."""
    policies: tuple[CedarPolicy, ...]
    authz: dict[str, cedar.PolicyJson]
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

    def schema(self) -> str:
        """The Cedar schema with every declared parameter."""
        return schema_text({name: declaration.type for name, declaration in self.declarations.items()})


def load_bundle(paths: Sequence[Path] = ()) -> Bundle:
    """The built-in controls and those of the folders.

    Raises:
        BundleError: a file that does not load, a duplicate id, a policy that does not validate, no control at all.
    """
    sources = [*builtin_files(), *user_files(paths)]
    declarations: dict[str, ParameterDeclaration] = {}
    for file in _ending(sources, "parameters.toml"):
        _merge(declarations, _guarded(load_declarations, file), file.path, "parameter")
    policies: list[CedarPolicy] = []
    authz: dict[str, cedar.PolicyJson] = {}
    for file in _ending(sources, ".cedar"):
        if "authz/" in file.path:
            _merge(authz, _authz(file), file.path, "authorisation policy")
        else:
            policies += _guarded(partial(compile_file, origin=file.origin, parameters=list(declarations)), file)
    rules = _ending(sources, ".py")
    workers = Workers([Path(file.location) for file in rules if file.origin == "user"])
    controls = _by_id(
        [*(Control(policy.info) for policy in policies), *_builtin_rules(rules), *_user_rules(rules, workers)]
    )
    bundle = Bundle(controls, tuple(policies), authz, tuple(sources), declarations, workers)
    _validate(bundle, [policy for policy in policies if policy.info.origin == "user"])
    return bundle


def builtin_files() -> list[BundleFile]:
    """The files that ship with the engine."""
    found: list[BundleFile] = []
    for folder, shown in (("policies", "policies"), ("policies.authz", "policies/authz"), ("rules", "rules")):
        entries = sorted(files(f"modelwarden.builtin.{folder}").iterdir(), key=lambda one: one.name)
        found += [
            BundleFile(f"{shown}/{entry.name}", _text(entry, f"{shown}/{entry.name}"), "built-in")
            for entry in entries
            if entry.name.endswith((".cedar", ".py", "parameters.toml")) and entry.name != "__init__.py"
        ]
    return found


def user_files(paths: Sequence[Path]) -> list[BundleFile]:
    """The files of the folders that the settings or `--bundle` name; each must hold at least one control.

    Raises:
        BundleError: no such folder, or nothing in it.
    """
    found: list[BundleFile] = []
    for root in paths:
        if not root.is_dir():
            raise BundleError(f"{root}: no such folder", "name a folder with `.cedar` or `.py` files")
        entries = [
            entry
            for entry in sorted(root.rglob("*"))
            if entry.suffix in (".cedar", ".py") or entry.name == "parameters.toml"
        ]
        entries = [
            entry
            for entry in entries
            if entry.is_file() and "tests" not in entry.relative_to(root).parts and entry.name != "__init__.py"
        ]
        if not any(entry.suffix in (".cedar", ".py") for entry in entries):
            raise BundleError(f"{root}: holds no control", "add `.cedar` or `.py` files, or name another folder")
        for entry in entries:
            shown = f"{root.name}/{entry.relative_to(root).as_posix()}"
            found.append(BundleFile(shown, _text(entry, str(entry)), "user", str(entry)))
    return found


def _text(entry: Traversable, shown: str) -> str:
    try:
        data = entry.read_bytes()
    except OSError as error:
        raise BundleError(f"{shown}: cannot be read: {error.strerror}", "check the file's permissions") from error
    if len(data) > MAX_FILE:
        raise BundleError(f"{shown}: larger than {MAX_FILE} bytes", "split it")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(f"{shown}: not UTF-8 at byte {error.start}", "save the file as UTF-8") from error


def _ending(sources: Iterable[BundleFile], ending: str) -> list[BundleFile]:
    return [file for file in sources if file.path.endswith(ending)]


def _guarded(load: Callable[[str, str], T], file: BundleFile) -> T:
    try:
        return load(file.text, file.path)
    except ControlError as error:
        raise BundleError(str(error), error.help) from error


def _merge(into: dict[str, T], found: dict[str, T], path: str, what: str) -> None:
    for name, value in found.items():
        if name in into:
            raise BundleError(
                f"{path}: {what} `{name}` exists already", "choose another name: a bundle adds and never replaces"
            )
        into[name] = value


def _authz(file: BundleFile) -> dict[str, cedar.PolicyJson]:
    try:
        policies = cedar.parse(file.text)
    except cedar.CedarError as error:
        raise BundleError(f"{file.path}: {error}") from error
    found: dict[str, cedar.PolicyJson] = {}
    for policy in policies:
        id_ = policy.get("annotations", {}).get("id")
        if not id_:
            raise BundleError(f"{file.path}: annotation `@id` is missing")
        if file.origin == "user" and policy["effect"] != "forbid":
            raise BundleError(
                f"{file.path}: authorisation policy `{id_}` is no `forbid`: a bundle may only take permissions away",
                "say who may in the parameters of the organization layer, for example approvers_high",
            )
        _merge(found, {id_: policy}, file.path, "authorisation policy")
    return found


def _builtin_rules(rules: Iterable[BundleFile]) -> list[Control]:
    controls = []
    for file in rules:
        if file.origin == "built-in":
            module = importlib.import_module(
                "modelwarden.builtin.rules." + file.path.removeprefix("rules/").removesuffix(".py")
            )
            controls += [
                Control(placed(control.info, file.path, "built-in"), control.check) for control in controls_of(module)
            ]
    return controls


def _user_rules(rules: Iterable[BundleFile], workers: Workers) -> list[Control]:
    mine = {file.location: file for file in rules if file.origin == "user"}
    if not mine:
        return []
    try:
        return [Control(placed(info, mine[location].path, "user")) for location, info in workers.describe()]
    except WorkerError as error:
        raise BundleError(f"a Python control did not load: {error}") from error


def _by_id(controls: Iterable[Control]) -> dict[str, Control]:
    found: dict[str, Control] = {}
    for control in controls:
        if control.id in found:
            raise BundleError(
                f"{control.info.path}: control id `{control.id}` exists already in {found[control.id].info.path}",
                "choose an id of a family of your own: a bundle adds and never replaces",
            )
        found[control.id] = control
    if not found:
        raise BundleError("no control was found", "reinstall modelwarden: its own controls are missing")
    return dict(sorted(found.items()))


def _validate(bundle: Bundle, policies: Sequence[CedarPolicy]) -> None:
    """Strict validation of the user's policies; the built-in ones are validated by `modelwarden lint` before release."""
    try:
        problems = cedar.validate({policy.id: policy.json for policy in policies}, bundle.schema()) if policies else []
    except cedar.CedarError as error:
        raise BundleError(str(error)) from error
    if problems:
        id_, problem = problems[0]
        raise BundleError(f"{bundle.controls[id_].info.path}: {id_}: {problem}")
