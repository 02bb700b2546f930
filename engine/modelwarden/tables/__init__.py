"""The tables of a scan: Parquet files of its packages, findings and evidence, for reports and for the next scan.

They need the extra `[scan]`; nothing that gates a package loads them.
"""

from modelwarden.tables.read import Sighting, read_tables, sightings, there
from modelwarden.tables.write import TablesWriter, merge_tables

__all__ = ["Sighting", "TablesWriter", "merge_tables", "read_tables", "sightings", "there"]
