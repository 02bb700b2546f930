"""Deployment: whether a hub that stands in AWS is what deploy/hub.yaml says, read back part by part. Read-only."""
