"""What the tables of AWS's guidance for multi-account model governance say, taken for what it is: hearsay.

The guidance (aws-solutions-library-samples) writes a row on each event and overwrites the one before. `table` reads the
rows, `packages` and `endpoints` understand them, and what cannot be understood is named with its reason.
"""
