"""OSCAL 1.2.1 component-definition: each control as a component, and the obligations for which it gives evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from modelwarden.audit.formats.oscal_parts import identifier, metadata, prop, prose, title, token
from modelwarden.audit.report import ByFramework, Report
from modelwarden.audit.source import Source
from modelwarden.finding import ControlInfo
from modelwarden.render.json import line


def write(source: Source, report: Report, out: BinaryIO) -> tuple[str, ...]:
    """Of all controls of the scan's bundle, whether they found anything or not."""
    resources = [_resource(one) for one in report.frameworks]
    coverage = report.coverage
    head = metadata(report, f"Controls of {report.title}")
    head["props"] += [prop("complete", str(coverage.whole).lower()), prop("coverage", coverage.words())]
    document = {
        "uuid": identifier(report.digests["bundle"], *(one.digest for one in report.frameworks)),
        "metadata": head
        | {"remarks": prose(f"Says what controls are for, not what they found. {coverage.headline()}")},
        "components": [_component(info, report) for _, info in sorted(source.plan.controls.items())],
        **({"back-matter": {"resources": resources}} if resources else {}),
    }
    out.write(line({"component-definition": document}).encode() + b"\n")
    return ()


def _component(info: ControlInfo, report: Report) -> dict[str, Any]:
    implementations = list(_implementations(info, report))
    bundle = report.digests["bundle"]
    return {
        "uuid": identifier(bundle, "component", info.id),
        "type": "validation",
        "title": title(f"{info.id} {info.title}"),
        "description": prose(info.rationale or info.title),
        "props": [
            prop("control", info.id),
            prop("severity", info.severity),
            prop("engine", info.engine),
            prop("policy", f"{info.path}:{info.line}"),
            prop("bundle", bundle),
        ],
        "remarks": prose(f"Remedy: {info.remediation}"),
        **({"control-implementations": implementations} if implementations else {}),
    }


def _implementations(info: ControlInfo, report: Report) -> Iterator[dict[str, Any]]:
    """One for each framework that names the control."""
    for one in report.frameworks:
        refs = [obligation for obligation in one.obligations if info.id in obligation.controls]
        if refs:
            yield {
                "uuid": identifier(one.digest, "implementation", info.id),
                "source": f"#{identifier(one.digest, 'framework')}",
                "description": prose(f"{info.id} gives evidence for obligations of {one.title}"),
                "implemented-requirements": [
                    {
                        "uuid": identifier(one.digest, "requirement", info.id, obligation.ref),
                        "control-id": token(obligation.ref),
                        "description": prose(
                            f"{info.id} gives evidence for {obligation.ref}, which is less than fulfilling it"
                        ),
                        "props": [
                            prop("label", obligation.ref),
                            prop("verified", str(obligation.verified).lower()),
                            *([prop("about", obligation.about)] if obligation.about else []),
                        ],
                    }
                    for obligation in refs
                ],
            }


def _resource(one: ByFramework) -> dict[str, Any]:
    return {
        "uuid": identifier(one.digest, "framework"),
        "title": title(one.title),
        "description": prose(f"{one.source}{f' ({one.state})' if one.state else ''}"),
        "props": [prop("framework", one.framework), prop("digest", one.digest)],
        "rlinks": [{"href": f"urn:modelwarden:framework:{one.framework}"}],
    }
