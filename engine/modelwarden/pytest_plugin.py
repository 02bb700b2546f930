"""Placeholder until the controls' cases exist."""
