"""The scan: every package of an organization judged, and nothing that could not be read left out."""
