"""The gate as steps of a SageMaker pipeline, and the function that they ask."""
