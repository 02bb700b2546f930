"""modelwarden decides whether a SageMaker model package may be promoted to a stage, and proves why.

The modules are the steps of one flow: `collect` reads AWS into `evidence`; `catalog` and `settings` load the rules of
the house; `evaluate` turns both into findings and `decide` into a decision, without clock or network; `run` records;
`render` writes. The gate, the scan and the reports call the same functions, so they cannot disagree.
"""

__version__ = "0.1.0"
