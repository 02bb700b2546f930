"""Bias report is missing for a declared attribute.

Every report that the package declares must be there and be readable as a report, and together they must hold each
protected attribute (a facet of exactly that name) before and after training. What the metrics say is the concern of
BIAS-02 and BIAS-03.
"""

from modelwarden.bias_report import listed
from modelwarden.control import Fail, NotApplicable, Parameters, Pass, Unknown, Verdict, View, control
from modelwarden.evidence import Absent, Present

_RATING = "/card/content/intended_uses/risk_rating"
_SECTIONS = ("pre_training", "post_training")
_EXPECTED = "a readable bias report with a pre-training and a post-training section for each protected attribute"


@control(
    id="BIAS-01",
    title="bias report is missing for a declared attribute",
    severity="critical",
    rationale="Nobody has measured whether the model treats the groups of a protected attribute alike.",
    remediation="run SageMaker Clarify before and after training with every protected attribute as a facet, and register the package with its report",
    reads=(
        _RATING,
        "/bias_report_count",
        "/bias_report/*/uri",
        "/bias_report/*/state",
        "/bias_report/*/problem",
        "/bias_report/*/has_pre_training",
        "/bias_report/*/has_post_training",
        "/bias_report/*/facet_count",
        "/bias_report/*/facet/*/section",
        "/bias_report/*/facet/*/name",
        "parameter:protected_attributes",
    ),
    source="EU AI Act Article 10(2)(f)-(g); NIST AI RMF 1.0 MEASURE 2.11",
    since="0.1.0",
)
def check(evidence: View, parameters: Parameters) -> Verdict:
    attributes = parameters["protected_attributes"]
    if not attributes:
        return NotApplicable("no protected attribute is declared", at=["parameter:protected_attributes"])
    rating = evidence.get(_RATING)
    if not isinstance(rating, Present | Absent):
        return Unknown("the risk rating was not read, and a report is due for High only", at=[_RATING])
    if isinstance(rating, Present) and rating.value in ("Medium", "Low"):
        return NotApplicable("the risk rating is not High", at=[_RATING])
    return _reported(evidence, attributes)


def _reported(evidence: View, attributes: tuple[str, ...]) -> Verdict:
    unread: list[str] = []
    reports = listed(evidence, "/bias_report", unread)
    if isinstance(evidence.get("/bias_report_count"), Absent) or (not reports and not unread):
        return Fail(_EXPECTED, at=["/bias_report_count"], reason="the package has no bias report")
    states = {report: evidence.get(f"{report}/state") for report in reports}
    broken = [
        report
        for report, state in states.items()
        if isinstance(state, Absent) or (isinstance(state, Present) and state.value != "valid")
    ]
    if broken:
        return Fail(_EXPECTED, at=_shown(evidence, broken), reason="a bias report is not there or is malformed")
    unread += [f"{report}/state" for report, state in states.items() if not isinstance(state, Present)]
    held = {found for report in reports for found in _facets(evidence, report, unread)}
    missing = [f"`{name}` in {section}" for name in attributes for section in _SECTIONS if (section, name) not in held]
    if unread:
        lost = "whether all bias reports are there and readable" if not missing else f"whether one holds {missing[0]}"
        return Unknown(f"cannot tell {lost}: {len(unread)} facts of the reports were not read", at=unread)
    if missing:
        return Fail(_EXPECTED, at=_sections(evidence, reports), reason=f"not reported: {', '.join(missing)}")
    return Pass()


def _facets(evidence: View, report: str, unread: list[str]) -> list[tuple[str, str]]:
    """`[(section, facet)]` of one report; a facet of which one was not read goes to `unread`."""
    found = []
    for facet in listed(evidence, f"{report}/facet", unread):
        section, name = evidence.get(f"{facet}/section"), evidence.get(f"{facet}/name")
        if isinstance(section, Present) and isinstance(name, Present):
            found.append((str(section.value), str(name.value)))
        else:
            unread += [
                f"{facet}/{part}"
                for part, fact in (("section", section), ("name", name))
                if not isinstance(fact, Present | Absent)
            ]
    return found


def _shown(evidence: View, reports: list[str]) -> list[str]:
    """What a reader needs to find the reports: state, problem and place, as far as they are known."""
    pointers = [f"{report}/{name}" for report in reports for name in ("state", "problem", "uri")]
    return [pointer for pointer in pointers if pointer.endswith("/state") or evidence.value(pointer) is not None]


def _sections(evidence: View, reports: list[str]) -> list[str]:
    names = ("has_pre_training", "has_post_training", "facet_count", "uri")
    pointers = [f"{report}/{name}" for report in reports for name in names]
    return [pointer for pointer in pointers if evidence.value(pointer) is not None]
