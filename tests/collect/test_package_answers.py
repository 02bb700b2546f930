"""The description, its card, tags and policy: a card that was not read is never one that is not there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from modelwarden.collect import NoSuchPackage
from modelwarden.evidence import Absent, Evidence, Present, Unknown

from .conftest import ARN, KEY, Script, described, failure, read

JOB = "arn:aws:sagemaker:eu-west-1:111122223333:training-job/churn-7"
CARD = {
    "model_overview": {"model_creator": "Retention analytics"},
    "intended_uses": {"risk_rating": "Low"},
    "training_details": {"training_job_details": {"training_arn": JOB}},
}
RATING = {"intended_uses": {"risk_rating": "Low"}}
NEEDED = ("/card/state", "/card/content/intended_uses/risk_rating", "/trainer_count", "/trainer/*/principal")
SECURED = {"SecurityConfig": {"KmsKeyId": KEY}}
TRAINED = {"DescribeTrainingJob": {"TrainingJobArn": JOB, "RoleArn": "arn:aws:iam::111122223333:role/x/Training"}}


def card(content: Any, status: str = "Approved") -> dict[str, Any]:
    text = content if isinstance(content, str) else json.dumps(content)
    return {"ModelCard": {"ModelCardContent": text, "ModelCardStatus": status}}


def package(answer: Any, **more: Any) -> Evidence:
    return read(Script({"DescribeModelPackage": answer, **TRAINED, **more}), needed=NEEDED)


def states(evidence: Evidence) -> dict[str, Any]:
    """Of the telling facts: value, or kind."""
    names = {
        "state": "/card/state",
        "origin": "/card/origin",
        "status": "/card/status",
        "creator": "/card/content/model_overview/model_creator",
        "rating": "/card/content/intended_uses/risk_rating",
        "trainers": "/trainer_count",
    }
    facts = {name: evidence.get(pointer) for name, pointer in names.items()}
    return {name: fact.value if isinstance(fact, Present) else type(fact) for name, fact in facts.items()}


READ = {
    "state": "valid",
    "origin": "package",
    "status": "Approved",
    "creator": "Retention analytics",
    "rating": "Low",
    "trainers": 1,
}
UNREAD = {**READ, "state": Unknown, "creator": Unknown, "trainers": Unknown}
NONE = {**dict.fromkeys(READ, Absent), "trainers": 0}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (card(CARD), READ),
        ({**card(CARD), **SECURED}, READ),
        (card(json.dumps(CARD)), READ),
        ({}, NONE),
        (SECURED, NONE),
        ({"ModelCard": {"ModelCardStatus": "Approved"}}, NONE),
        # Under a customer's key, this is what is left of a card that nobody was allowed to decrypt.
        ({"ModelCard": {"ModelCardStatus": "Approved"}, **SECURED}, {**UNREAD, "rating": Unknown}),
        ({**card(""), **SECURED}, {**UNREAD, "rating": Unknown}),
        ({**card(RATING), **SECURED}, UNREAD),
        (card(RATING), {**READ, "creator": Absent, "trainers": 0}),
    ],
)
def test_a_card_is_absent_only_where_nothing_can_hide_it(members: dict[str, Any], expected: dict[str, Any]) -> None:
    assert states(package(described(**members))) == expected


@pytest.mark.parametrize("code", ["AccessDeniedException", "KMSInvalidStateException"])
@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (card(RATING), UNREAD),
        (card("{}"), {**UNREAD, "rating": Unknown}),
        ({}, dict.fromkeys(READ, Unknown)),
    ],
)
def test_without_the_right_to_decrypt_the_rest_is_read_and_nothing_is_absent(
    code: str, left: dict[str, Any], expected: dict[str, Any]
) -> None:
    state = "denied" if code == "AccessDeniedException" else "malformed"

    def answer(parameters: Any) -> Any:
        return described(**left) if parameters.get("IncludedData") == "MetadataOnly" else failure(code, state)

    evidence = package(answer)
    assert states(evidence) == expected
    assert evidence.get("/card/state").reason == code  # type: ignore[union-attr]
    assert isinstance(evidence.get("/package/status"), Present)


def test_a_job_that_the_description_names_is_read_although_the_card_is_not() -> None:
    """One trainer in hand may prove a violation, whoever else trained."""
    members = {**card(RATING), **SECURED, "MetadataProperties": {"GeneratedBy": JOB}}
    evidence = package(described(**members))
    assert isinstance(evidence.get("/trainer_count"), Unknown)
    assert evidence.get("/trainer/0/principal").value == "arn:aws:iam::111122223333:role/Training"  # type: ignore[union-attr]


STANDALONE = {"CustomerMetadataProperties": {"model_card_name": "churn"}}
OF_CARD = {"ModelCardArn": "arn:aws:sagemaker:eu-west-1:111122223333:model-card/churn", "ModelCardStatus": "Approved"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({**OF_CARD, "Content": json.dumps(CARD)}, {**READ, "origin": "standalone"}),
        (OF_CARD, NONE),
        ({**OF_CARD, **SECURED}, {**UNREAD, "rating": Unknown, "origin": "standalone"}),
        ({**OF_CARD, **SECURED, "Content": json.dumps(RATING)}, {**UNREAD, "origin": "standalone"}),
        (failure("ResourceNotFound", "read"), NONE),
        (failure("AccessDeniedException"), dict.fromkeys(READ, Unknown)),
        (failure("ThrottlingException", "throttled"), dict.fromkeys(READ, Unknown)),
    ],
)
def test_a_standalone_card_is_read_as_carefully(answer: Any, expected: dict[str, Any]) -> None:
    assert states(package(described(**STANDALONE), DescribeModelCard=answer)) == expected


def test_the_embedded_card_wins_over_the_standalone_one() -> None:
    script = Script({"DescribeModelPackage": described(**STANDALONE, **card(CARD)), **TRAINED})
    assert states(read(script, needed=NEEDED)) == READ
    assert script.times("DescribeModelCard") == 0


@pytest.mark.parametrize(
    ("job", "answer", "expected"),
    [
        (JOB, TRAINED["DescribeTrainingJob"], "arn:aws:iam::111122223333:role/Training"),
        (JOB, {"TrainingJobArn": JOB}, Absent),
        (JOB, {"TrainingJobArn": JOB + "0", "RoleArn": "arn:aws:iam::111122223333:role/Other"}, Unknown),
        (JOB, failure("ValidationException", "read"), Unknown),
        (JOB, failure("AccessDeniedException"), Unknown),
        (JOB.replace("111122223333", "222233334444"), TRAINED["DescribeTrainingJob"], Unknown),
    ],
)
def test_who_trained_is_proven_by_the_job_itself(job: str, answer: Any, expected: Any) -> None:
    evidence = package(described(MetadataProperties={"GeneratedBy": job}), DescribeTrainingJob=answer)
    fact = evidence.get("/trainer/0/principal")
    assert evidence.get("/trainer_count").value == 1  # type: ignore[union-attr]
    assert (fact.value if isinstance(fact, Present) else type(fact)) == expected


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Failed", "Deleting"])
def test_a_package_that_is_not_complete_is_described_all_the_same(status: str) -> None:
    evidence = package(described(ModelPackageStatus=status))
    assert evidence.get("/package/status").value == status  # type: ignore[union-attr]
    assert evidence.get("/container_count").value == 0  # type: ignore[union-attr]


def test_the_description_of_another_package_is_none() -> None:
    evidence = package({**described(**card(CARD)), "ModelPackageArn": ARN.replace("/7", "/8")})
    read_ = {pointer for pointer, fact in evidence.facts.items() if not isinstance(fact, Unknown)}
    assert read_ == {f"/package/{name}" for name in ("arn", "account", "region", "partition", "group", "version")}


def test_there_is_no_package_only_on_awss_word() -> None:
    with pytest.raises(NoSuchPackage):
        package(failure("ValidationException", "read"))
    assert isinstance(package(failure("ValidationException", "malformed")).get("/card/state"), Unknown)


FOREIGN = (
    *("/group_policy/state", "/group_policy/principals", "/approver/identity"),
    *("/trainer/0/principal", "/trainer/0/status"),
)


def test_what_takes_a_plain_name_is_not_asked_in_another_account() -> None:
    """A group, a job and an event of that name in the caller's own account are other ones."""
    answers = {
        "DescribeModelPackage": described(MetadataProperties={"GeneratedBy": JOB}),
        "GetModelPackageGroupPolicy": {"ResourcePolicy": "{}"},
        "LookupEvents": {"Events": []},
        **TRAINED,
    }
    script = Script(answers, owned=False)
    evidence = read(script)
    assert {evidence.get(pointer).reason for pointer in FOREIGN} == {"in another account"}  # type: ignore[union-attr]
    asked = {operation for operation, _ in script.asked}
    assert asked & {"GetModelPackageGroupPolicy", "DescribeTrainingJob", "LookupEvents"} == set()


def test_a_standalone_card_of_another_account_is_named_by_its_arn() -> None:
    script = Script({"DescribeModelPackage": described(**STANDALONE)}, owned=False)
    read(script, needed=NEEDED)
    names = {given["ModelCardName"] for operation, given in script.asked if operation == "DescribeModelCard"}
    assert names == {"arn:aws:sagemaker:eu-west-1:111122223333:model-card/churn"}


GROUP = "arn:aws:sagemaker:eu-west-1:111122223333:model-package-group/churn"
SINGLE = "arn:aws:sagemaker:eu-west-1:111122223333:model-package/churn-single"


@pytest.mark.parametrize(("arn", "asked"), [(ARN, GROUP), (SINGLE, SINGLE)])
def test_a_version_has_the_tags_of_its_group_and_a_single_package_its_own(arn: str, asked: str) -> None:
    pages = iter([{"Tags": [{"Key": "a", "Value": "1"}], "NextToken": "t"}, {"Tags": [{"Key": "b", "Value": ""}]}])
    answers = {"DescribeModelPackage": {**described(), "ModelPackageArn": arn}, "ListTags": lambda given: next(pages)}
    script = Script(answers)
    evidence = read(script, arn, needed=("/tag_keys",))
    assert evidence.get("/tag_keys").value == ("a", "b")  # type: ignore[union-attr]
    assert evidence.get("/tag/a").value == "1"  # type: ignore[union-attr]
    assert isinstance(evidence.get("/tag/c"), Absent)
    assert {given["ResourceArn"] for operation, given in script.asked if operation == "ListTags"} == {asked}


@pytest.mark.parametrize(
    "pages",
    [
        [failure("AccessDeniedException")],
        [failure("ValidationException", "read")],
        [{"Tags": [{"Key": "a", "Value": "1"}], "NextToken": "t"}, failure("ThrottlingException", "throttled")],
        [{"Tags": [], "NextToken": "t"}] * 99,
    ],
)
def test_tags_that_were_not_all_read_leave_every_tag_unknown(pages: list[Any]) -> None:
    rest = iter(pages)
    script = Script({"DescribeModelPackage": described(), "ListTags": lambda given: next(rest)})
    evidence = read(script, needed=("/tag_keys",))
    assert isinstance(evidence.get("/tag_keys"), Unknown)
    assert isinstance(evidence.get("/tag/owner"), Unknown)
    assert script.times("ListTags") <= 10


@pytest.mark.parametrize(
    ("policy", "state", "principals", "actions"),
    [
        ({"Statement": []}, "valid", (), ()),
        ({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s:A"}}, "valid", ("*",), ("s:A",)),
        (
            {"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["1", "2"]}, "Action": ["s:B", "s:A"]}]},
            *("valid", ("1", "2"), ("s:A", "s:B")),
        ),
        ({"Statement": [{"Effect": "Allow", "NotPrincipal": {}, "NotAction": "s:A"}]}, "valid", ("*",), ("*",)),
        ({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*"}]}, "valid", (), ()),
        ({"Statement": [{"Effect": "Allow", "Principal": "*"}]}, "malformed", Unknown, Unknown),
        ({"Statement": [{"Effect": "Allow", "Principal": 1, "Action": "*"}]}, "malformed", Unknown, Unknown),
        ({"Statement": ["Allow"]}, "malformed", Unknown, Unknown),
        ({}, "malformed", Unknown, Unknown),
        ("no JSON", "malformed", Unknown, Unknown),
        (failure("ValidationException", "read"), Absent, Absent, Absent),
        (failure("AccessDeniedException"), Unknown, Unknown, Unknown),
    ],
)
def test_the_policy_of_a_group(policy: Any, state: Any, principals: Any, actions: Any) -> None:
    text = policy if isinstance(policy, str) else json.dumps(policy) if isinstance(policy, dict) else ""
    answer = {"ResourcePolicy": text} if text else policy
    script = Script({"DescribeModelPackage": described(), "GetModelPackageGroupPolicy": answer})
    evidence = read(script, needed=("/group_policy/state",))
    facts = [evidence.get(f"/group_policy/{name}") for name in ("state", "principals", "actions")]
    assert [f.value if isinstance(f, Present) else type(f) for f in facts] == [state, principals, actions]


def test_a_long_policy_is_kept_whole() -> None:
    text = json.dumps({"Statement": [], "Id": "x" * 15_000})
    script = Script({"DescribeModelPackage": described(), "GetModelPackageGroupPolicy": {"ResourcePolicy": text}})
    assert read(script, needed=("/group_policy/document",)).get("/group_policy/document").value == text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(CARD)[:-1],
        json.dumps(CARD)[:-1] + ', "training_details": {}}',
        json.dumps(CARD)[:-1] + ', "padding": "' + "x" * 100_000 + '"}',
        "[]",
    ],
    ids=["cut", "a key that stands twice", "too long", "a list"],
)
def test_a_card_that_cannot_be_parsed_may_name_a_trainer(text: str) -> None:
    """What hides a training job from one reader must not hide it from all: nobody has seen who trained the model."""
    evidence = package(described(**card(text)))
    assert evidence.get("/card/state") == Present("malformed", evidence.get("/card/state").source)
    count = evidence.get("/trainer_count")
    assert isinstance(count, Unknown)
    assert count.reason == "malformed"
