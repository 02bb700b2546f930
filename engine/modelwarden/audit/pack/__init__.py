"""The evidence pack: one archive that tells somebody outside what was recorded of some packages, and proves that it was not changed.

`subject` gathers what recorded runs hold of a package, `redaction` takes out what may not leave, `story` orders it by the
parts of an `outline` and says beside each what is not covered, `pages` writes that for people, `build` puts records and
pages together, `archive` writes them, and `check` finds every byte that was changed since. Nothing is judged again.
"""
