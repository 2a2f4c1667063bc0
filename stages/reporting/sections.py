"""The sections of a page about one run, in their order."""

from __future__ import annotations

from dataclasses import replace

from stages.reporting.blocks import Section
from stages.reporting.inlining import Inlined
from stages.reporting.looking import data, explanations, settings
from stages.reporting.overview import curriculum, head
from stages.reporting.run import Run
from stages.reporting.tracking import tracking
from stages.reporting.training import training


def sections(run: Run, inlined: Inlined) -> list[Section]:
    """All of them; pictures take from ``inlined`` what is left."""
    made = [
        head(run),
        curriculum(run),
        training(run),
        tracking(run, inlined),
        explanations(run, inlined),
        data(run, inlined),
        settings(run),
    ]
    return [replace(section, label=run.label, base=run.base) for section in made]
