"""The collector: one package at a time, from whichever account owns it, with lookups shared among packages.

Independent lookups run at once, so that a package needs few round trips one after the other: credentials, the
description, what it names, and what those name. Only facts that are needed are read.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

from botocore.session import Session, get_session

from modelwarden.arn import PackageArn, parse_arn
from modelwarden.collect import artifact, card, package
from modelwarden.collect.approver import approver_facts, no_approver
from modelwarden.collect.aws import ATTEMPTS, THREADS, Access, Answer, Aws, Failure
from modelwarden.collect.clarify import analysis_facts, no_analysis
from modelwarden.collect.evaluation import evaluation_facts, no_evaluation
from modelwarden.collect.group import policy_facts, tag_facts
from modelwarden.collect.image import Images, Wanted, no_image, parse_image, time_text
from modelwarden.collect.record import Tape
from modelwarden.collect.report import MAX_BYTES, plain, read_report
from modelwarden.errors import UserError
from modelwarden.evidence import Absent, Evidence, Fact, Present, Source, Unknown
from modelwarden.facts import kind_of
from modelwarden.identity import who
from modelwarden.request import Principal
from modelwarden.snapshot import LedgerRow

Facts = dict[str, Fact]
Task = Callable[[], Facts]

_REGION: Final = "us-east-1"
_TRAIL_PAGES: Final = 20
"""CloudTrail answers two requests a second; what it does not show by then is unknown."""


class NoSuchPackage(UserError):
    """AWS answered that there is no such package."""

    help = "list the group with `aws sagemaker list-model-packages --model-package-group-name GROUP`"


class Collector:
    """Reads packages; lookups of images, keys, objects and tags are shared among all that it reads."""

    def __init__(
        self,
        *,
        role: str | None = None,
        external_id: str | None = None,
        retries: int | None = None,
        timeout_seconds: int | None = None,
        record: Path | None = None,
        replay: Path | None = None,
        session: Session | None = None,
    ) -> None:
        attempts = ATTEMPTS if retries is None else retries + 1
        access = Access(role, external_id, attempts, timeout_seconds)
        self.aws = Aws(access, Tape(record, replay), session or get_session())
        self._images = Images(self.aws, self._shared)
        self._known: dict[Any, Future[Any]] = {}
        self._lock = threading.Lock()

    @property
    def ledger(self) -> tuple[LedgerRow, ...]:
        """A row for each account, region and API so far."""
        return self.aws.ledger()

    def caller(self) -> Principal | Unknown:
        """Who the credentials prove, by sts:GetCallerIdentity."""
        answer = self.aws.identity(_REGION)
        if isinstance(answer, Failure):
            return Unknown(answer.code, answer.source, answer.message)
        return who(plain(str(answer.data.get("Arn"))))

    def package(self, text: str, needed: Collection[str] | None = None) -> Evidence:
        """Evidence of one package; `needed` are patterns of facts, None for all.

        A package that cannot be read is evidence full of unknown facts.

        Raises:
            ArnError: not the ARN of a model package.
            NoSuchPackage: AWS says that it does not exist.
            NoCredentials: there is nobody to call AWS as.
        """
        arn = parse_arn(text)
        failure = self.aws.enter(arn.account, _REGION if self.aws.access.role is None else arn.region)
        if failure is not None:
            return Evidence(arn.text, package.unread(arn, Unknown(failure.code, failure.source, failure.message)))
        want = _Wants(needed)
        answer, denied = self._describe(arn, want)
        if isinstance(answer, Failure):
            if answer.state == "read":
                raise NoSuchPackage(f"{arn.text}: no such model package")
            return Evidence(arn.text, package.unread(arn, Unknown(answer.code, answer.source, answer.message)))
        facts = package.described(arn, answer.data, answer.source)
        with ThreadPoolExecutor(THREADS) as pool:
            reading = _Reading(self, arn, answer, want, denied)
            for found in [pool.submit(task) for task in reading.tasks(pool)]:
                facts |= found.result()
        return Evidence(arn.text, facts)

    def reference(self, base_images: Iterable[str], *, account: str = "own") -> Facts:
        """Layers of approved base images, read with the caller's own credentials, below `/reference`."""
        images = list(dict.fromkeys(base_images))
        source = Source("parameter approved_base_images")
        self.aws.own_account(_REGION)
        facts: Facts = {"/reference/base_image_count": Present(len(images), source)}
        wanted = Wanted(manifest=True, layers=True, diff_ids=True, repository=False, pushed=False)

        def one(index: int, uri: str) -> Facts:
            head = f"/reference/base_image/{index}"
            found = self._images.facts(account, head, parse_image(uri), None, wanted)
            kept = {
                pointer: fact
                for pointer, fact in found.items()
                if not pointer.endswith(("/tag_mutability", "_exclusions", "/tag_immutable", "/pushed_at"))
            }
            return {f"{head}/uri": Present(plain(uri), source)} | kept

        with ThreadPoolExecutor(THREADS) as pool:
            for found in pool.map(one, range(len(images)), images):
                facts |= found
        return facts

    def _describe(self, arn: PackageArn, want: _Wants) -> tuple[Answer | Failure, Failure | None]:
        """The description with the card's content where that is needed and allowed, and why it was not allowed.

        AllData needs kms:Decrypt on the card's key; MetadataOnly does not, and leaves out what the card says.
        """
        all_data = want.any("/card/")
        given = {"ModelPackageName": arn.text}
        parameters: dict[str, Any] = given if all_data else {**given, "IncludedData": "MetadataOnly"}
        answer = self.aws.call(arn.account, arn.region, "sagemaker", "DescribeModelPackage", **parameters)
        if isinstance(answer, Failure) and answer.state == "denied" and all_data:
            again = self.aws.call(
                arn.account, arn.region, "sagemaker", "DescribeModelPackage", **given, IncludedData="MetadataOnly"
            )
            if isinstance(again, Answer):
                return again, answer
        return answer, None

    def _shared(self, key: Any, ask: Callable[[], Any]) -> Any:
        """One lookup for all that need it; whoever comes first asks, the others wait. Failures are not kept for later packages."""
        with self._lock:
            future = self._known.get(key)
            mine = future is None
            if future is None:
                future = self._known[key] = Future()
        if mine:
            try:
                answer = ask()
            except BaseException as error:
                future.set_exception(error)
                with self._lock:
                    self._known.pop(key, None)
                raise
            future.set_result(answer)
            if isinstance(answer, Failure) and answer.state != "read":
                with self._lock:
                    self._known.pop(key, None)
        return future.result()

    def lookup(self, arn: PackageArn, region: str, service: str, operation: str, **parameters: Any) -> Answer | Failure:
        """A call that other packages of the account may need too."""
        key = (arn.account, region, service, operation, json.dumps(parameters, sort_keys=True))
        answer: Answer | Failure = self._shared(
            key, lambda: self.aws.call(arn.account, region, service, operation, **parameters)
        )
        return answer


class _Wants:
    """Which facts are needed; None means all."""

    def __init__(self, needed: Collection[str] | None) -> None:
        self._needed = None if needed is None else tuple(needed)

    def any(self, *prefixes: str) -> bool:
        """Whether some needed pattern starts with one of the prefixes."""
        return self._needed is None or any(pattern.startswith(prefixes) for pattern in self._needed)

    def exactly(self, *patterns: str) -> bool:
        return self._needed is None or any(pattern in self._needed for pattern in patterns)


class _Reading:
    """The second round of one package: everything that its description names."""

    def __init__(
        self, collector: Collector, arn: PackageArn, described: Answer, want: _Wants, card_denied: Failure | None
    ) -> None:
        self._collector = collector
        self._arn = arn
        self._data = described.data
        self._source = described.source
        self._want = want
        self._card_denied = card_denied

    def tasks(self, pool: ThreadPoolExecutor) -> list[Task]:
        """Independent lookups; each returns the facts that it alone is responsible for."""
        want = self._want
        tasks: list[Task] = []
        if want.any("/tag"):
            tasks.append(self._tags)
        if want.any("/group_policy/"):
            tasks.append(self._policy)
        if want.any(
            "/package/kms_key/arn",
            "/package/kms_key/manager",
            "/package/kms_key/state",
            "/package/kms_key/origin",
            "/package/kms_key/rotation",
        ):
            tasks.append(self._package_key)
        if want.any("/card/"):
            tasks.append(self._card)
        if want.any("/artifact"):
            tasks += self._artifacts(pool)
        if want.any(
            "/bias_report/*/state",
            "/bias_report/*/has",
            "/bias_report/*/facet",
            "/bias_report/*/content",
            "/bias_report/*/label",
            "/bias_report/*/positive",
        ):
            leaves = enumerate(package.bias_reports(self._data))
            tasks += [partial(self._bias, index, leaf) for index, (_, leaf) in leaves]
        if want.any("/evaluation/state", "/evaluation/content", "/evaluation/metric", "/evaluation/label"):
            tasks.append(self._evaluation)
        if want.any("/trainer"):
            tasks.append(self._trainers)
        if want.any("/approver/"):
            tasks.append(self._approver)
        return tasks + self._image_tasks()

    def _call(self, service: str, operation: str, **parameters: Any) -> Answer | Failure:
        return self._collector.lookup(self._arn, self._arn.region, service, operation, **parameters)

    def _tags(self) -> Facts:
        arn = self._arn
        group = (
            None
            if arn.group is None
            else f"arn:{arn.partition}:sagemaker:{arn.region}:{arn.account}:model-package-group/{arn.group}"
        )
        # A version carries no tags of its own: it has those of its group.
        return tag_facts(self._listed_tags(group or arn.text))

    def _listed_tags(self, arn: str) -> Answer | Failure:
        """All pages as one answer; a page that was not read makes the whole listing unread."""
        tags: list[Any] = []
        token: dict[str, str] = {}
        while True:
            answer = self._call("sagemaker", "ListTags", ResourceArn=arn, **token)
            if isinstance(answer, Failure):
                return answer
            page = answer.data.get("Tags")
            if not isinstance(page, list):
                return Failure("malformed", "malformed", "a page without Tags", answer.source)
            tags += page
            following = answer.data.get("NextToken")
            if not following:
                return Answer({"Tags": tags}, answer.source)
            if token.get("NextToken") == following:
                return Failure("malformed", "malformed", "the same page token twice", answer.source)
            token = {"NextToken": following}

    def _policy(self) -> Facts:
        if self._arn.group is None:
            return policy_facts(None, self._source)
        answer = self._call("sagemaker", "GetModelPackageGroupPolicy", ModelPackageGroupName=self._arn.group)
        return policy_facts(answer, self._source)

    def _package_key(self) -> Facts:
        key = package.dig(self._data, "SecurityConfig", "KmsKeyId")
        if not isinstance(key, str) or not key:
            return artifact.no_key("/package/kms_key", Absent(self._source))
        return self._key("/package/kms_key", key)

    def _key(self, pointer: str, key: str) -> Facts:
        region = key.split(":")[3] if key.startswith("arn:") and key.count(":") >= 5 else self._arn.region
        answer = self._collector.lookup(self._arn, region or self._arn.region, "kms", "DescribeKey", KeyId=key)
        if isinstance(answer, Failure):
            # A key that KMS cannot find says nothing of who managed it: only a denial and a deletion look like this.
            fact = answer.fact()
            return artifact.no_key(pointer, Unknown("NotFound", fact.source) if isinstance(fact, Absent) else fact)
        facts = artifact.key_facts(pointer, answer)
        rotation = f"{pointer}/rotation_enabled"
        if not artifact.asks_rotation(answer):
            return facts | {rotation: Absent(answer.source)}
        if not self._want.any(_pattern(rotation)):
            return facts
        arn = str(package.dig(answer.data, "KeyMetadata", "Arn") or key)
        status = self._collector.lookup(self._arn, region or self._arn.region, "kms", "GetKeyRotationStatus", KeyId=arn)
        return facts | {rotation: artifact.rotation_fact(status)}

    def _artifacts(self, pool: ThreadPoolExecutor) -> list[Task]:
        """Listings first, since they say how many artifacts there are; the objects are read at once with everything else."""
        containers = [container for _, container in package.containers_of(self._data)]
        found = list(artifact.locations(containers))
        listed = list(pool.map(self._objects, found))
        members = [(location, uri) for location, (uris, _) in zip(found, listed, strict=True) for uri in uris]
        count: Fact = next((gap for _, gap in listed if gap is not None), Present(len(members), self._source))
        tasks: list[Task] = [lambda: {"/artifact_count": count}]
        return tasks + [partial(self._artifact, index, *member) for index, member in enumerate(members)]

    def _objects(self, location: artifact.Location) -> tuple[list[str], Unknown | None]:
        """URIs below a location, and why they are not all; an empty prefix stands for itself."""
        place = artifact.split(location.uri)
        if not location.prefix or place is None:
            return [location.uri], None
        bucket, prefix = place
        uris: list[str] = []
        token: dict[str, str] = {}
        while True:
            answer = self._call("s3", "ListObjectsV2", Bucket=bucket, Prefix=prefix, **token)
            if isinstance(answer, Failure):
                # No such bucket: the location itself is then read, and found absent.
                fact = answer.fact()
                return [location.uri], fact if isinstance(fact, Unknown) else None
            uris += [
                f"s3://{bucket}/{entry['Key']}"
                for entry in answer.data.get("Contents", [])
                if not entry["Key"].endswith("/")
            ]
            following = answer.data.get("NextContinuationToken")
            if not answer.data.get("IsTruncated"):
                return (uris or [location.uri]), None
            if len(uris) > artifact.MAX_OBJECTS or not following:
                more = f"more than {artifact.MAX_OBJECTS} objects below a prefix"
                return uris[: artifact.MAX_OBJECTS], Unknown("incomplete", answer.source, more)
            token = {"ContinuationToken": following}

    def _artifact(self, index: int, location: artifact.Location, uri: str) -> Facts:
        pointer = f"/artifact/{index}"
        facts = artifact.stated(pointer, location, uri, self._source)
        place = artifact.split(uri)
        if place is None:
            return facts | artifact.no_object(pointer, Unknown("not an S3 location", self._source))
        answer = self._call("s3", "HeadObject", Bucket=place[0], Key=place[1], ChecksumMode="ENABLED")
        if isinstance(answer, Failure):
            return facts | artifact.no_object(pointer, answer.fact())
        facts |= artifact.object_facts(pointer, answer)
        key = answer.data.get("SSEKMSKeyId")
        if not key:
            return facts | artifact.no_key(f"{pointer}/kms_key", Absent(answer.source))
        return facts | (self._key(f"{pointer}/kms_key", str(key)) if self._want.any("/artifact/*/kms_key/") else {})

    def _report(self, pointer: str, uri: str) -> tuple[Facts, dict[str, Any] | None, Fact, Source]:
        """(object facts, the document, what its content is without one, source)."""
        names = ("state", "problem", "content_sha256", "etag", "version_id", "modified_at")
        place = artifact.split(uri)
        if place is None:
            fact: Fact = Unknown("not an S3 location", self._source)
            return {f"{pointer}/{name}": fact for name in names}, None, fact, self._source
        answer = self._call("s3", "GetObject", Bucket=place[0], Key=place[1], MaxBytes=MAX_BYTES)
        if isinstance(answer, Failure):
            fact = answer.fact()
            return {f"{pointer}/{name}": fact for name in names}, None, fact, answer.source
        source = answer.source
        version, etag, modified = (answer.data.get(name) for name in ("VersionId", "ETag", "LastModified"))
        facts: Facts = {
            f"{pointer}/etag": Present(plain(str(etag)), source) if etag else Absent(source),
            f"{pointer}/version_id": Present(plain(str(version)), source)
            if version and version != "null"
            else Absent(source),
            f"{pointer}/modified_at": Present(time_text(modified), source) if modified else Absent(source),
        }
        read, document = read_report(pointer, answer.data["Body"], source)
        return facts | read, document, Unknown("malformed", source), source

    def _bias(self, index: int, leaf: Mapping[str, Any]) -> Facts:
        pointer = f"/bias_report/{index}"
        facts, document, nothing, source = self._report(pointer, leaf["S3Uri"])
        return facts | (
            no_analysis(pointer, nothing) if document is None else analysis_facts(pointer, document, source)
        )

    def _evaluation(self) -> Facts:
        uri = package.dig(self._data, "ModelMetrics", "ModelQuality", "Statistics", "S3Uri")
        if not isinstance(uri, str) or not uri:
            absent = Absent(self._source)
            names = ("state", "problem", "content_sha256", "etag", "version_id", "modified_at")
            return {f"/evaluation/{name}": absent for name in names} | no_evaluation(absent)
        facts, document, nothing, source = self._report("/evaluation", uri)
        return facts | (no_evaluation(nothing) if document is None else evaluation_facts(document, source))

    def _card(self) -> Facts:
        given = self._data.get("ModelCard")
        text, status = package.dig(given, "ModelCardContent"), package.dig(given, "ModelCardStatus")
        if self._card_denied is not None:
            denied = Unknown(self._card_denied.code, self._card_denied.source, self._card_denied.message)
            return card.metadata_only(_object(text), status, self._source, denied)
        if isinstance(text, str) and text:
            return card.parse_card(text, "package", status, self._source)
        answer = self._standalone_card()
        if isinstance(answer, Absent):
            return card.no_card(answer)
        if isinstance(answer, Failure):
            return card.no_card(answer.fact())
        content, status = answer.data.get("Content"), answer.data.get("ModelCardStatus")
        if not isinstance(content, str) or not content:
            return card.no_card(Absent(answer.source))
        return card.parse_card(content, "standalone", status, answer.source)

    def _standalone_card(self) -> Answer | Failure | Absent:
        """The card that the package's own metadata names; absent where it names none."""
        name = package.dig(self._data, "CustomerMetadataProperties", "model_card_name")
        if not isinstance(name, str) or not name:
            return Absent(self._source)
        return self._call("sagemaker", "DescribeModelCard", ModelCardName=name)

    def _card_object(self) -> Mapping[str, Any] | Failure:
        """The card as an object, empty where there is none or it cannot be parsed."""
        if self._card_denied is not None:
            return self._card_denied
        text = package.dig(self._data, "ModelCard", "ModelCardContent")
        if isinstance(text, str) and text:
            return _object(text)
        answer = self._standalone_card()
        if isinstance(answer, Failure) and answer.state != "read":
            return answer
        return _object(answer.data.get("Content")) if isinstance(answer, Answer) else {}

    def _trainers(self) -> Facts:
        """Training jobs that the package or its card names."""
        named = [package.dig(self._data, "MetadataProperties", "GeneratedBy")]
        found = self._card_object()
        if not isinstance(found, Failure):
            named.append(package.dig(found, "training_details", "training_job_details", "training_arn"))
        jobs = list(dict.fromkeys(one for one in named if isinstance(one, str) and ":training-job/" in one))
        count: Fact = Present(len(jobs), self._source)
        if isinstance(found, Failure):
            count = Unknown(found.code, found.source, "the card may name a training job")
        facts: Facts = {"/trainer_count": count}
        for index, job in enumerate(jobs):
            facts |= self._trainer(f"/trainer/{index}", job)
        return facts

    def _trainer(self, pointer: str, job: str) -> Facts:
        facts: Facts = {f"{pointer}/job": Present(plain(job), self._source)}
        parts = job.split(":", 5)
        names = ("principal", "status")
        if len(parts) < 6 or parts[4] != self._arn.account:
            foreign = Unknown(
                "in another account", self._source, "training jobs are read in the package's account only"
            )
            return facts | {f"{pointer}/{name}": foreign for name in names}
        answer = self._collector.lookup(
            self._arn,
            parts[3],
            "sagemaker",
            "DescribeTrainingJob",
            TrainingJobName=parts[5].removeprefix("training-job/"),
        )
        if isinstance(answer, Failure):
            fact = answer.fact()
            # A job that is gone cannot tell who ran it.
            return facts | dict.fromkeys(
                (f"{pointer}/{name}" for name in names),
                Unknown("NotFound", fact.source) if isinstance(fact, Absent) else fact,
            )
        role, status = answer.data.get("RoleArn"), answer.data.get("TrainingJobStatus")
        principal = who(plain(role)).principal if isinstance(role, str) else None
        return facts | {
            f"{pointer}/principal": Present(principal, answer.source) if principal else Absent(answer.source),
            f"{pointer}/status": Present(plain(str(status)), answer.source) if status else Absent(answer.source),
        }

    def _approver(self) -> Facts:
        """The trail is read from its newest event back, until one approves this package."""
        token: dict[str, str] = {}
        for _ in range(_TRAIL_PAGES):
            answer = self._call(
                "cloudtrail",
                "LookupEvents",
                LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "UpdateModelPackage"}],
                MaxResults=50,
                **token,
            )
            if isinstance(answer, Failure):
                return no_approver(answer.fact(), "")
            facts = approver_facts(self._arn, answer, package.dig(self._data, "ModelApprovalStatus"))
            if isinstance(facts["/approver/principal"], Present) or not answer.data.get("NextToken"):
                return facts
            token = {"NextToken": str(answer.data["NextToken"])}
        return no_approver(Absent(answer.source), f"no approval among the newest {50 * _TRAIL_PAGES} events")

    def _image_tasks(self) -> list[Task]:
        want = self._want
        inside = "/container/*/image/"
        wanted = Wanted(
            manifest=want.any(f"{inside}resolved_digest", f"{inside}manifest"),
            layers=want.any(f"{inside}manifest"),
            diff_ids=want.exactly(f"{inside}manifest/*/diff_ids"),
            repository=want.any(f"{inside}tag_mutability", f"{inside}tag_immutable"),
            pushed=want.exactly(f"{inside}pushed_at"),
        )
        if not any((wanted.manifest, wanted.repository, wanted.pushed)):
            return []
        tasks: list[Task] = []
        for index, (_, container) in enumerate(package.containers_of(self._data)):
            text = container.get("Image")
            if isinstance(text, str) and text:
                tasks.append(partial(self._image, index, text, container.get("ImageDigest"), wanted))
            else:
                tasks.append(partial(no_image, f"/container/{index}/image", Absent(self._source)))
        return tasks

    def _image(self, index: int, text: str, pinned: str | None, wanted: Wanted) -> Facts:
        return self._collector._images.facts(
            self._arn.account, f"/container/{index}/image", parse_image(plain(text)), pinned, wanted
        )


def _object(text: Any) -> Mapping[str, Any]:
    """The card's text as an object, empty where it is none."""
    try:
        found = json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _pattern(pointer: str) -> str:
    kind = kind_of(pointer)
    return kind.pattern if kind else pointer
