"""The page of a report: what the HTML file and the PDF show, each part as a template takes it.

`contents` puts the parts together; `packages` reads the packages, one by one; `charts` measures the pictures; `drill` writes
the files beside a page that cannot hold every package. Texts stay as they were recorded: templates make them harmless.
"""
