"""The page of a scan looks as it did: light, dark and by its rules for paper, against one stored picture.

Fonts differ from machine to machine, so every character is a block of one width, from a font that the test brings along.
What is compared are blocks of pixels, so that how edges are drawn makes no difference.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any, Final

import pytest

from tests.browser.test_page import browse, pytestmark  # noqa: F401 - the mark holds for this module too
from tests.browser.test_scan_page import bare
from tests.render.test_scan_page import page, scan

image = pytest.importorskip("PIL.Image")
chops = pytest.importorskip("PIL.ImageChops")
builder = pytest.importorskip("fontTools.fontBuilder")

STORED: Final = Path(__file__).parents[1] / "golden/page.png"
WIDTH, HEIGHT, BLOCK = 900, 2_040, 12
"""Pixels of a page, and of the side of a block."""
FAR: Final = 48
"""Of 255, by which a colour of a block differs from what it was; a page that is moved by one pixel differs by less."""
MOST: Final = 0.01
"""Share of blocks that may."""

LOOKS: Final = {
    "light": ("", ""),
    "dark": ("@media (prefers-color-scheme: dark)", "@media all"),
    "paper": ("@media print", "@media all"),
}
BROKEN: Final = {
    "a section that is moved": "#coverage { margin-top: 60px }",
    "tiles below each other": ".tiles { display: block }",
    "a table that lost its columns": "table, tr, td, th { display: block }",
    "colours that are gone": "* { color: black !important; background: white !important; fill: white !important }",
}


def font() -> bytes:
    """A TrueType font in which every character up to U+2FFF but the space is one block."""
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    corners = [(0, -200), (0, 800), (450, 800), (450, -200)]
    pen.moveTo(corners[0])
    for corner in corners[1:]:
        pen.lineTo(corner)
    pen.closePath()
    block = pen.glyph()
    made = builder.FontBuilder(1_000, isTTF=True)
    made.setupGlyphOrder([".notdef", "space", "block"])
    made.setupCharacterMap({0x20: "space"} | dict.fromkeys(range(0x21, 0x3000), "block"))
    made.setupGlyf({".notdef": block, "space": TTGlyphPen(None).glyph(), "block": block})
    made.setupHorizontalMetrics(dict.fromkeys((".notdef", "space", "block"), (500, 0)))
    made.setupHorizontalHeader(ascent=800, descent=-200)
    made.setupNameTable({"familyName": "block", "styleName": "Regular"})
    made.setupOS2(sTypoAscender=800, sTypoDescender=-200, usWinAscent=800, usWinDescent=200)
    made.setupPost()
    out = io.BytesIO()
    made.font.save(out)
    return out.getvalue()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Name -> picture of each look, and of each broken page, a pixel for each block; all in one window."""
    folder = tmp_path_factory.mktemp("pictures")
    face = f"@font-face {{ font-family: block; src: url(data:font/ttf;base64,{base64.b64encode(font()).decode()}) }}"
    text = bare(page(scan(folder)))
    looks = {name: text.replace(*change) if change[0] else text for name, change in LOOKS.items()}
    pages = {name: (look, "") for name, look in looks.items()} | {name: (text, rule) for name, rule in BROKEN.items()}
    frames = []
    for number, (look, rule) in enumerate(pages.values()):
        style = f"<style>{face} * {{ font-family: block !important }} {rule}</style></head>"
        (folder / f"{number}.html").write_text(look.replace("</head>", style), encoding="utf-8")
        frames.append(f'<iframe src="{number}.html" width="{WIDTH}" height="{HEIGHT}" frameborder="0"></iframe>')
    frame, picture = folder / "frame.html", folder / "all.png"
    frame.write_text(
        f'<!doctype html><title>all</title><body style="margin:0;display:flex">{"".join(frames)}', encoding="utf-8"
    )
    size = f"--window-size={WIDTH * len(frames)},{HEIGHT}"
    browse(frame, f"--screenshot={picture}", size, "--hide-scrollbars", "--force-device-scale-factor=1")
    whole = image.open(picture).convert("RGB")
    return {name: _blocks(whole, number) for number, name in enumerate(pages)}


def _blocks(whole: Any, number: int) -> Any:
    part = whole.crop((number * WIDTH, 0, (number + 1) * WIDTH, HEIGHT))
    return part.resize((WIDTH // BLOCK, HEIGHT // BLOCK), image.Resampling.BOX)


def far(one: Any, other: Any) -> float:
    """Share of blocks that differ."""
    bands = chops.difference(one, other).split()
    worst = chops.lighter(chops.lighter(bands[0], bands[1]), bands[2])
    counts = worst.histogram()
    share: float = sum(counts[FAR + 1 :]) / sum(counts)
    return share


def stored() -> dict[str, Any]:
    """Look -> picture."""
    whole, width = image.open(STORED).convert("RGB"), WIDTH // BLOCK
    parts = [(at * width, 0, (at + 1) * width, HEIGHT // BLOCK) for at in range(len(LOOKS))]
    return {name: whole.crop(part) for name, part in zip(LOOKS, parts, strict=True)}


def test_the_page_looks_as_it_did(drawn: dict[str, Any], request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-goldens"):
        whole = image.new("RGB", (len(LOOKS) * WIDTH // BLOCK, HEIGHT // BLOCK))
        for number, name in enumerate(LOOKS):
            whole.paste(drawn[name], (number * WIDTH // BLOCK, 0))
        whole.save(STORED, optimize=True)
    found = {name: far(drawn[name], picture) for name, picture in stored().items()}
    assert all(share <= MOST for share in found.values()), f"{found}: if it is right: pytest --update-goldens"


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_page_is_seen(drawn: dict[str, Any], name: str) -> None:
    assert far(drawn[name], stored()["light"]) > 3 * MOST


def test_the_looks_differ_and_one_pixel_makes_no_difference(drawn: dict[str, Any]) -> None:
    kept = stored()
    assert far(drawn["dark"], kept["light"]) > 0.5
    assert far(drawn["paper"], kept["light"]) > 0.1
    large = drawn["light"].resize((WIDTH, HEIGHT))
    moved = chops.offset(large, 1, 1).resize((WIDTH // BLOCK, HEIGHT // BLOCK), image.Resampling.BOX)
    assert far(moved, drawn["light"]) <= MOST
