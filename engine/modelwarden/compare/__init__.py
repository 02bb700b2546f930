"""What changed from one scan to another, and why. It is read from the records; nothing is judged again."""

from modelwarden.compare.change import Cause, Change, Difference, Group, Standing
from modelwarden.compare.comparison import Comparison, compare
from modelwarden.compare.recorded import Recorded, recorded

__all__ = [
    "Cause",
    "Change",
    "Comparison",
    "Difference",
    "Group",
    "Recorded",
    "Standing",
    "compare",
    "recorded",
]
