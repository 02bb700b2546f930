"""Package marker, so that importlib.resources finds what lies here in every kind of install."""
