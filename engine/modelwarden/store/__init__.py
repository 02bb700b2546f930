"""What the organization keeps of earlier decisions."""

from modelwarden.store.records import NotKept, Records, records_at

__all__ = ["NotKept", "Records", "records_at"]
