"""Responding: what an event hints at is read anew, judged, recorded and, where the settings say so, taken back."""
