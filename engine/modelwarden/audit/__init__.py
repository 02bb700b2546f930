"""Audit: what recorded scans say, told to somebody who was not there. Nothing is judged again.

A `Source` reads the tables of one scan, narrowed to a `Scope`; `report_of` counts it into a `Report`, with what earlier
scans of the same folder tell about time; `formats` write the report for people, and its findings for other tools.
A `Framework` says for which obligation a control gives evidence; it never changes a verdict.
"""
