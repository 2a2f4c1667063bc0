"""Holds the curriculum against its gates: ``python -m stages.gate``.

Reads metrics/curriculum.json and `gates` in params.yaml; prints how every bound stands and writes metrics/gates.json.
Where one with `fail: true` is not kept, it is an error that names the worst: the run fails, last of all, and the file
says how all of them stand.
"""

from __future__ import annotations

from pathlib import Path

from stages.curriculum.gates import Bound, bounds
from stages.curriculum.results import SUMMARY, read_scores
from stages.errors import InputError, run_stage
from stages.files import write_json
from stages.params import Params, load_params, where

GATES = Path("metrics/gates.json")

_REMEDIES = {
    "max_forgetting": "replay more of the source in the stages behind it, or loosen the gate",
    "min_HOTA": "train longer or on more of the source, or loosen the gate",
}


def main() -> None:
    """Print every gate; fail where one says so."""
    params, summary = load_params(), read_scores(SUMMARY)
    _require_scored(params, summary)
    checked = list(bounds(params, summary))
    write_json(GATES, [bound.row for bound in checked])
    for bound in checked:
        print(f"gate {bound.source}.{bound.name}: {bound.said}: {'kept' if bound.kept else 'NOT KEPT'}")
    broken = [bound for bound in checked if bound.fail and not bound.kept]
    if broken:
        raise _error(max(broken, key=lambda bound: bound.excess), len(broken) - 1)


def _require_scored(params: Params, summary: dict[str, dict]) -> None:
    if missing := [key for key in (*params.evaluation.checkpoints, "forgetting") if key not in summary]:
        raise InputError(str(SUMMARY), f"has no `{missing[0]}`", "it is older than params.yaml: run `dvc repro`")
    for source in params.gates:
        if source not in summary[params.evaluation.checkpoints[-1]]:
            what = "the source has no test sequence, so it is never scored"
            raise InputError(where("gates", source), what, "give it a test split, or delete the gate")


def _error(worst: Bound, others: int) -> InputError:
    more = f"; {others} more not kept" if others else ""
    place = where("gates", worst.source, worst.name)
    return InputError(place, f"the gate is not kept ({worst.said}{more})", _REMEDIES[worst.name])


if __name__ == "__main__":
    run_stage(main)
