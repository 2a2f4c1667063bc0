"""`python -m stages.plot`: tables and figures of what the evaluated checkpoints came to.

Reads metrics/, plots/training/ and plots/scores/; writes metrics/curriculum.json, and in plots/ each table of
`tables_of` as CSV and its figure as PNG.
"""

from __future__ import annotations

from stages.curriculum import results as res
from stages.curriculum.gains import GAIN_COLUMNS, gain_table
from stages.curriculum.summary import MATRIX_COLUMNS, matrix_table, summarise
from stages.curriculum.transfer import forgetting
from stages.drawing import score_tables as sco
from stages.drawing import tables as tab
from stages.errors import run_stage
from stages.files import write_json, write_table
from stages.params import Params, load_params


def main() -> None:
    """Write the summary, the tables and the figures."""
    params = load_params()
    results = res.read_results(params)
    draw(params, results, write_tables(params, results))


def write_tables(params: Params, results: list[res.Result]) -> dict[str, tab.Table]:
    """Write the summary and every table; returns the tables' rows by their names."""
    write_json(res.SUMMARY, summarise(params, results))
    tables = tables_of(params, results)
    for name, (columns, rows) in tables.items():
        write_table(tab.PLOTS / f"{name}.csv", columns, rows)
    return {name: rows for name, (_, rows) in tables.items()}


def tables_of(params: Params, results: list[res.Result]) -> dict[str, tuple[list[str] | tuple[str, ...], tab.Table]]:
    """Columns and rows of every table, by its name."""
    training = tab.training_table(params)
    return {
        "training": (tab.training_columns(training), training),
        "hota": (tab.HOTA_COLUMNS, tab.hota_table(results)),
        "hota_alpha": (tab.ALPHA_COLUMNS, tab.alpha_table(params)),
        "forgetting": (tab.FORGETTING_COLUMNS, tab.forgetting_table(params, results)),
        "matrix": (MATRIX_COLUMNS, matrix_table(params, results)),
        "gains": (GAIN_COLUMNS, gain_table(params)),
        "association": (sco.ASSOCIATION_COLUMNS, sco.association_table(params)),
        "sequences": (sco.SEQUENCE_COLUMNS, sco.sequence_table(params)),
        "causes": (sco.CAUSE_COLUMNS, sco.cause_table(params)),
        "mixtures": (tab.MIXTURE_COLUMNS, tab.mixture_table(params)),
    }


def draw(params: Params, results: list[res.Result], tables: dict[str, tab.Table]) -> None:
    """Every table's figure, named as the table."""
    from stages.drawing import figures, run_figures, score_figures

    checkpoints, first = params.evaluation.checkpoints, params.first_tracker or res.DETECTIONS
    trained = {name: res.trained_on(params, name) for name in checkpoints}
    own = {name: res.own_sources(params, name) for name in checkpoints}
    lost = forgetting(params, res.matrix_of(params, results, "HOTA"))
    paths = {name: tab.PLOTS / f"{name}.png" for name in tables}
    figures.draw_training(tables["training"], paths["training"])
    figures.draw_hota(tables["hota"], paths["hota"])
    figures.draw_alpha(tables["hota_alpha"], first, paths["hota_alpha"])
    figures.draw_forgetting(tables["forgetting"], own, trained, lost, paths["forgetting"])
    figures.draw_matrix(tables["matrix"], paths["matrix"])
    score_figures.draw_gains(tables["gains"], paths["gains"])
    score_figures.draw_association(tables["association"], paths["association"])
    score_figures.draw_sequences(tables["sequences"], first, paths["sequences"])
    score_figures.draw_causes(tables["causes"], first, paths["causes"])
    run_figures.draw_mixtures(tables["mixtures"], paths["mixtures"])


if __name__ == "__main__":
    run_stage(main)
