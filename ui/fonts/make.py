#!/usr/bin/env python3
# Owns: how the three faces here were made from npm's @fontsource/atkinson-hyperlegible-next (5.3.0; SIL OFL 1.1, no reserved font name).
# Never: run by a build; the faces are checked in.
# Called by: whoever updates the face: make.py PACKAGE_DIR  (needs fonttools and brotli)
"""Joins the Latin and Latin Extended subsets, makes tabular figures the default ones, drops hinting, and names one family."""
import sys
import tempfile
from pathlib import Path

from fontTools.merge import Merger
from fontTools.ttLib import TTFont

WEIGHTS = {400: "Regular", 500: "Medium", 700: "Bold"}


def tabular_figures(font):
    """The renderer applies no optional features, so the `tnum` substitution goes into the character map."""
    gsub = font["GSUB"].table
    lookups = {i for f in gsub.FeatureList.FeatureRecord if f.FeatureTag == "tnum" for i in f.Feature.LookupListIndex}
    swap = {}
    for index in lookups:
        for sub in gsub.LookupList.Lookup[index].SubTable:
            swap.update(getattr(sub, "ExtSubTable", sub).mapping)
    for table in font["cmap"].tables:
        table.cmap = {code: swap.get(glyph, glyph) for code, glyph in table.cmap.items()}


def main(package):
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as scratch:
        for weight, style in WEIGHTS.items():
            parts = []
            for subset in ("latin", "latin-ext"):
                font = TTFont(package / "files" / f"atkinson-hyperlegible-next-{subset}-{weight}-normal.woff2")
                font.flavor = None
                if subset == "latin":
                    tabular_figures(font)
                for table in ("STAT", "prep", "gasp"):
                    if table in font:
                        del font[table]
                parts.append(str(Path(scratch) / f"{subset}-{weight}.ttf"))
                font.save(parts[-1])
            face = Merger().merge(parts)
            face["name"].setName("Atkinson Hyperlegible Next", 1, 3, 1, 0x409)
            face["name"].setName(style, 2, 3, 1, 0x409)
            face.save(here / f"AtkinsonHyperlegibleNext-{style}.ttf")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
