"""Analytics: what one scan found, as flat tables for Athena and whatever else reads Parquet.

`tables` describes them, `rows` makes their rows from the record of a scan, `publish` puts them where they are read.
"""
