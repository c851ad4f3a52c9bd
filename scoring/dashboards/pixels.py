"""A drawing as pixels."""

import font_source_sans_pro as font
import resvg_py

# Twice as sharp as the page: a slide or a paper enlarges it.
ZOOM = 2.0


def png_of(svg: str) -> bytes:
    """PNG of an SVG text.

    Letters that the font lacks are looked for among the machine's own.
    """
    found: bytes = resvg_py.svg_to_bytes(
        svg_string=svg,
        zoom=ZOOM,
        font_files=[font.SourceSansPro, font.SourceSansProSemibold],
        font_family="Source Sans Pro",
        sans_serif_family="Source Sans Pro",
    )
    return found
