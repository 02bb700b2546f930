"""The life of a waiver: asked for, approved by two, gone on with, taken back, and no longer needed.

A waiver is a file of the organization layer, `waivers/<id>.toml`. What is written here counts only once that layer was
reviewed and pinned anew.
"""
