"""The gate as steps of a SageMaker pipeline: as JSON, and as objects of the SageMaker SDK that make the same JSON.

A Lambda step asks the function (`aws.pipeline`), a condition lets go on only what it answered `allow` or `flag` for, and a
fail step ends the rest. `message` is what step and function say to each other.
"""
