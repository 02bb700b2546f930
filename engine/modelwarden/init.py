"""Init: settings proposed from what was found, as TOML with a comment on every value. Pure.

Everything acts as `observe`: it flags and blocks nothing, until a person has read the file and says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from modelwarden.catalog import Bundle
from modelwarden.evidence import Evidence, Present
from modelwarden.proposal import comment, text, texts
from modelwarden.request import STAGES

if TYPE_CHECKING:
    from modelwarden.collect.survey import Base, Survey

MAX_VALUES: Final = 100
"""Of one setting; how many more there are is told."""
_WHERE: Final = 3
_ON_ONE_LINE: Final = 3
_GUESSES: Final = (
    ("Staging", ("pre", "stag", "qa", "uat", "test", "accept", "int")),
    ("Production", ("prod", "live")),
    ("Development", ("dev", "propos", "exper", "sandbox", "draft", "lab")),
)
"""Stage -> what a name of a life-cycle stage may hold; the first that fits. `pre-prod` is no production."""
_EXAMPLES: Final = {
    "set": '["..."]',
    "string": '"..."',
    "long": "0",
    "bool": "true",
    "table": "{}",
}

Found = dict[str, list[str]]
"""Value -> packages in which it was seen."""


def propose(bundle: Bundle, found: Survey | None, *, version: str, day: str, role: str | None = None) -> str:
    """The settings file; without a survey a skeleton in which every value is an example."""
    packages = found.read if found else []
    parts = [
        _head(found, packages, version, day),
        _reading(role),
        ["[parameters]", *_parameters(bundle, packages, found.bases if found else ())],
        _stages(packages),
        _accounts(found),
        *_scopes(packages),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def gaps(found: Survey) -> list[str]:
    """What could not be read, one line for each API."""
    return [f"{row.api} {row.state}: {row.error}" for row in found.ledger if row.state != "read"]


def _head(found: Survey | None, packages: Sequence[Evidence], version: str, day: str) -> list[str]:
    lines = [f"Settings for modelwarden, proposed by `modelwarden init` {version} on {day}."]
    if found is None:
        lines.append("No account was looked at: every value is an example. `modelwarden init ARN` proposes real ones.")
    else:
        lines.append(f"Seen in account {found.account}, {found.region}: {_names(packages) or 'nothing'}.")
        lines += [f"Not seen: {found.more}."] if found.more else []
        lines += [f"Not read: {gap}" for gap in gaps(found)]
    lines.append("Read every line before you accept it: what was seen is not what should be.")
    lines.append("Nothing blocks under the profile `observe`; every finding is a flag.")
    return [comment(line) for line in lines]


def _parameters(bundle: Bundle, packages: Sequence[Evidence], bases: Sequence[Base]) -> Iterator[str]:
    """Every declared parameter without a default: with what was seen, else as a commented example."""
    proposers: dict[str, Callable[[], tuple[Found, list[str]]]] = {
        "approved_image_sources": lambda: (_values(packages, "/container/*/image/source"), []),
        "approved_base_images": lambda: _bases(packages, bases),
        "approved_kms_keys": lambda: (_keys(packages), []),
        "required_tags": lambda: _tags(packages),
    }
    first = True
    for name, declaration in bundle.declarations.items():
        if declaration.default is not None or (name == "protected_attributes" and packages):
            continue
        values, notes = proposers.get(name, lambda: ({}, []))()
        readers = [id_ for id_, control in bundle.controls.items() if name in control.info.parameters]
        yield ("" if first else "\n") + comment(declaration.about)
        yield from [comment(f"Read by {', '.join(readers)}.")] if readers else []
        yield from map(comment, notes)
        yield from _array(name, values) if values else [f"# {name} = {_EXAMPLES[declaration.type]}"]
        first = False


def _array(name: str, values: Found) -> Iterator[str]:
    """On one line where that says it all: few values, seen in the same packages."""
    shown = sorted(values)[:MAX_VALUES]
    if len(values) <= _ON_ONE_LINE and all(values[value] == values[shown[0]] for value in shown):
        yield f"{name} = {texts(shown)}  {comment(_where(values[shown[0]]))}"
        return
    yield f"{name} = ["
    for value in shown:
        yield f"  {text(value)},  {comment(_where(values[value]))}"
    yield "]"
    if len(values) > MAX_VALUES:
        yield comment(f"{len(values) - MAX_VALUES} more were seen.")


def _values(packages: Iterable[Evidence], *patterns: str) -> Found:
    found: Found = {}
    for evidence in packages:
        for pattern in patterns:
            for _, fact in evidence.each(pattern):
                if isinstance(fact, Present) and isinstance(fact.value, str) and fact.value.strip():
                    _note(found, fact.value, evidence)
    return found


def _note(found: Found, value: str, evidence: Evidence) -> None:
    where = found.setdefault(value, [])
    if evidence.package not in where:
        where.append(evidence.package)


def _keys(packages: Iterable[Evidence]) -> Found:
    """Customer managed keys of packages and artifacts."""
    found: Found = {}
    for evidence in packages:
        for pattern in ("/package/kms_key/arn", "/artifact/*/kms_key/arn"):
            for pointer, fact in evidence.each(pattern):
                manager = evidence.get(pointer.removesuffix("arn") + "manager")
                if isinstance(fact, Present) and isinstance(manager, Present) and manager.value == "CUSTOMER":
                    _note(found, str(fact.value), evidence)
    return found


def _tags(packages: Sequence[Evidence]) -> tuple[Found, list[str]]:
    """Keys that every package carries, and a note on the others."""
    known = [evidence for evidence in packages if isinstance(evidence.get("/tag_keys"), Present)]
    found: Found = {}
    for evidence in known:
        keys = evidence.get("/tag_keys")
        for key in keys.value if isinstance(keys, Present) and isinstance(keys.value, tuple) else ():
            _note(found, key, evidence)
    everywhere = {key: where for key, where in found.items() if key.strip() and len(where) == len(known)}
    rest = sorted(found.keys() - everywhere.keys())[:MAX_VALUES]
    return everywhere, [f"{text(key)} is on {len(found[key])} of {len(known)} only." for key in rest]


def _bases(packages: Sequence[Evidence], bases: Iterable[Base]) -> tuple[Found, list[str]]:
    """Images whose layers open those of a package's image."""
    images = [layers for evidence in packages for layers in _layers(evidence, "/container/*/image/manifest/*/")]
    owners = [evidence for evidence in packages for _ in _layers(evidence, "/container/*/image/manifest/*/")]
    used = _values(packages, "/container/*/image/source")
    found: Found = {}
    notes = []
    for base in (base for base in bases if base.uri.partition("@")[0] not in used):
        below = list(_layers(Evidence("", base.facts), f"/reference/base_image/{base.index}/manifest/*/"))
        for evidence, layers in zip(owners, images, strict=True):
            if any(len(one) < len(layers) and layers[: len(one)] == one for one in below):
                _note(found, base.uri, evidence)
        if base.uri in found and base.tags:
            notes.append(f"{base.uri.rpartition('@')[2][:19]}... is tagged {', '.join(base.tags)}.")
    lost = ["No base image of these images was found in their registries."] if packages and not found else []
    return found, notes + lost


def _layers(evidence: Evidence, prefix: str) -> Iterator[tuple[str, ...]]:
    """Of each manifest; the digests of unpacked layers too, which stay when a layer is compressed again."""
    for name in ("layers", "diff_ids"):
        for _, fact in evidence.each(prefix + name):
            if isinstance(fact, Present) and isinstance(fact.value, tuple) and fact.value:
                yield fact.value


def _stages(packages: Iterable[Evidence]) -> list[str]:
    """Names of life-cycle stages that are not ours, each with a guess."""
    found = {name: where for name, where in _values(packages, "/life_cycle/stage").items() if name not in STAGES}
    if not found:
        example = ["# [stages]", '# QA = "Staging"']
        return [
            comment("Names of ModelLifeCycle stages, where they are not Development, Staging or Production."),
            *example,
        ]
    lines = [
        comment("A guess by name: which of Development, Staging and Production each life-cycle stage is."),
        "[stages]",
    ]
    for name in sorted(found)[:MAX_VALUES]:
        guess = next((stage for stage, parts in _GUESSES if any(part in name.lower() for part in parts)), None)
        seen = comment(_where(found[name]))
        lines.append(
            f"{text(name)} = {text(guess)}  {seen}" if guess else f'# {comment(text(name))[2:]} = "..."  {seen}'
        )
    return lines


def _reading(role: str | None) -> list[str]:
    """Profile and role; the latter as a dotted key, since a table of one line is one line too many."""
    lines = [f'profile = "observe"  {comment("then `recommended`, then `strict`: docs/settings.md")}']
    if role is None:
        return [*lines, '# collect.role = "ModelwardenReader"  # deploy/reader-role.yaml']
    return [
        *lines,
        f"collect.role = {text(role)}  {comment('as it was named; its ExternalId goes into MODELWARDEN_EXTERNAL_ID')}",
    ]


def _accounts(found: Survey | None) -> list[str]:
    account = found.account if found and found.account else "111122223333"
    about = comment("Which unit an account belongs to, so that scopes can match units.")
    return [about, f"# [accounts.{text(account)}]", '# unit = "Workloads/Retail"']


def _scopes(packages: Iterable[Evidence]) -> Iterator[list[str]]:
    """One for each group: the attributes that its bias reports cover."""
    for evidence in packages:
        account, group = evidence.get("/package/account"), evidence.get("/package/group")
        facets = sorted(_values([evidence], "/bias_report/*/facet/*/name"))[:MAX_VALUES]
        if not isinstance(group, Present) or not isinstance(account, Present):
            yield [
                comment(f"{_name(evidence.package)} has no group: protected_attributes of [parameters] holds for it.")
            ]
            continue
        match = f"match = {{ account = {text(str(account.value))}, group = {text(str(group.value))} }}"
        if facets:
            seen = comment(f"facets of the bias reports of {_name(evidence.package)}")
            yield ["[[scope]]", match, f"parameters = {{ protected_attributes = {texts(facets)} }}  {seen}"]
        else:
            about = comment(
                f"No bias report was read of {_name(evidence.package)}; an empty list says that no person is judged."
            )
            yield [about, "# [[scope]]", f"# {match}", "# parameters = { protected_attributes = [] }"]


def _where(packages: Sequence[str]) -> str:
    rest = len(packages) - _WHERE
    return ", ".join(map(_name, packages[:_WHERE])) + (f" and {rest} more" if rest > 0 else "")


def _name(package: str) -> str:
    """`churn/7`: all packages of one proposal lie in one account and region."""
    return package.partition(":model-package/")[2]


def _names(packages: Sequence[Evidence]) -> str:
    return _where([evidence.package for evidence in packages])
