"""Who is told: the function's log, the alarms, and whether anybody listens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from modelwarden.checkup import WRONG, Part
from modelwarden.collect.aws import Failure
from modelwarden.deployment.hub import Hub, is_key, judge

_ALARM: Final = "AWS::CloudWatch::Alarm"
_DEPLOY: Final = "deploy the stack again with deploy/hub.yaml"
_LISTEN: Final = "subscribe whoever runs the hub to AlarmTopicArn, and confirm it"


def telling(hub: Hub) -> Iterator[Part]:
    """Log, alarms and subscribers."""
    group = hub.id("EventsLog")
    logs = hub.of("EventsLog", "logs", "DescribeLogGroups", "logGroupNamePrefix")
    yield judge("log", _DEPLOY, _log, logs, group, hub.id("DataKey"))
    yield _alarms(hub)
    topic = hub.of("AlarmTopic", "sns", "ListSubscriptionsByTopic", "TopicArn")
    yield judge("who hears alarms", _LISTEN, _listeners, topic)


def _log(told: Mapping[str, Any], group: str, key: str) -> Iterator[str]:
    found = next((one for one in told["logGroups"] if one["logGroupName"] == group), None)
    if found is None:
        yield f"{group} is not there"
        return
    if not found.get("retentionInDays"):
        yield "it is kept for ever"
    if not is_key(found.get("kmsKeyId"), key):
        yield "it is not encrypted under the data key"


def _alarms(hub: Hub) -> Part:
    if isinstance(hub.resources, Failure):
        return judge("alarms", _DEPLOY, lambda _: (), hub.resources)
    names = [one.id for one in hub.resources.values() if one.type == _ALARM]
    if not names:
        return Part("alarms", WRONG, "the stack has none", _DEPLOY)
    told = hub.ask("cloudwatch", "DescribeAlarms", AlarmNames=names, MaxRecords=100)
    help_ = "docs/deployment.md says what to do about each; deploy the stack again where one is missing"
    return judge("alarms", help_, lambda said, topic: _each(names, said, topic), told, hub.id("AlarmTopic"))


def _each(names: list[str], told: Mapping[str, Any], topic: str) -> Iterator[str]:
    found = {one["AlarmName"]: one for one in told.get("MetricAlarms", [])}
    for name in names:
        if name not in found:
            yield f"{name} is not there"
        elif not found[name].get("ActionsEnabled") or topic not in found[name].get("AlarmActions", []):
            yield f"{name} tells nobody"
        elif found[name].get("StateValue") == "ALARM":
            yield f"{name} rings: {found[name].get('StateReason', '')}"


def _listeners(told: Mapping[str, Any]) -> Iterator[str]:
    if not any(str(one["SubscriptionArn"]).startswith("arn:") for one in told["Subscriptions"]):
        pending = len(told["Subscriptions"])
        yield f"nobody{f': {pending} subscriptions are not confirmed' if pending else ''}"
