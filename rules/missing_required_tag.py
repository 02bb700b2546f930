"""A required tag is missing, or has a value that is not allowed.

A version of a package carries no tags of its own: those of its group count. Keys and values are compared exactly.
"""

from modelwarden.control import Fail, Parameters, Pass, Verdict, View, control
from modelwarden.evidence import Absent, Present
from modelwarden.facts import escape


@control(
    id="HYG-01",
    title="required tag is missing or has an invalid value",
    severity="medium",
    rationale="Without owner, cost centre and data classification nobody can be asked, charged or warned.",
    remediation="tag the model package group: aws sagemaker add-tags --resource-arn GROUP_ARN --tags Key=...,Value=...",
    reads=("/tag_keys", "/tag/{key}", "parameter:required_tags", "parameter:allowed_tag_values"),
    source="NIST 800-53 CM-8; NIST AI RMF GV 1.6",
    since="0.1.0",
)
def check(evidence: View, parameters: Parameters) -> Verdict:
    required = parameters["required_tags"]
    allowed: dict[str, list[str]] = {}
    for pair in parameters["allowed_tag_values"]:
        key, _, value = pair.partition("=")
        allowed.setdefault(key, []).append(value)
    bad: list[str] = []
    wanted: list[str] = []
    for key in sorted({*required, *allowed}):
        pointer = f"/tag/{escape(key)}"
        fact = evidence.get(pointer)
        good = isinstance(fact, Present) and (key not in allowed or fact.value in allowed[key])
        # A tag that is merely restricted in its values may be left out.
        needless = isinstance(fact, Absent) and key not in required
        if not (good or needless):
            bad.append(pointer)
            wanted.append(f"{key} = {' | '.join(sorted(allowed[key]))}" if key in allowed else key)
    if bad:
        return Fail(expected=f"the tags {', '.join(wanted)}", at=bad)
    return Pass()
