"""Collection: from AWS to evidence. Slow and partial; every failure becomes a row of the ledger and unknown facts."""

from modelwarden.collect.collector import Collector, NoSuchPackage

__all__ = ["Collector", "NoSuchPackage"]
