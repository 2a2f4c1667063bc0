"""`python -m stages.plot`: draw what the evaluated checkpoints came to.

Reads metrics/, plots/training/, plots/scores/, data/sources/ and data/tracks/; writes metrics/curriculum.json, and in
plots/ training, hota, hota_alpha, forgetting and matrix, each as CSV and PNG, and videos/SOURCE.mp4.
"""

from __future__ import annotations

from pathlib import Path

from stages.curriculum import results as res
from stages.curriculum.summary import MATRIX_COLUMNS, matrix_table, summarise
from stages.curriculum.transfer import forgetting
from stages.drawing import tables as tab
from stages.errors import run_stage
from stages.files import replacing, write_json, write_table
from stages.params import Params, load_params
from stages.sequences.index import open_sequence, test_sequences
from stages.sequences.tracks import TRACKS, read_tracks


def main() -> None:
    """Write the summary, the tables, the figures and the videos."""
    params = load_params()
    results = res.read_results(params)
    write_json(res.SUMMARY, summarise(params, results))
    write_plots(params, results)
    with replacing(tab.PLOTS / "videos") as folder:
        folder.mkdir()
        write_videos(params, folder)


def write_plots(params: Params, results: list[res.Result]) -> None:
    """The five tables and their figures."""
    from stages.drawing import figures

    training, alpha = tab.training_table(params), tab.alpha_table(params)
    hota, forgotten = tab.hota_table(results), tab.forgetting_table(params, results)
    matrix = matrix_table(params, results)
    write_table(tab.PLOTS / "training.csv", tab.training_columns(training), training)
    write_table(tab.PLOTS / "hota.csv", tab.HOTA_COLUMNS, hota)
    write_table(tab.PLOTS / "hota_alpha.csv", tab.ALPHA_COLUMNS, alpha)
    write_table(tab.PLOTS / "forgetting.csv", tab.FORGETTING_COLUMNS, forgotten)
    write_table(tab.PLOTS / "matrix.csv", MATRIX_COLUMNS, matrix)
    checkpoints = params.evaluation.checkpoints
    trained = {name: res.trained_on(params, name) for name in checkpoints}
    own = {name: res.own_sources(params, name) for name in checkpoints}
    figures.draw_training(training, tab.PLOTS / "training.png")
    figures.draw_hota(hota, tab.PLOTS / "hota.png")
    figures.draw_alpha(alpha, next(iter(params.trackers)), tab.PLOTS / "hota_alpha.png")
    lost = forgetting(params, res.matrix_of(params, results, "HOTA"))
    figures.draw_forgetting(forgotten, own, trained, lost, tab.PLOTS / "forgetting.png")
    figures.draw_matrix(matrix, tab.PLOTS / "matrix.png")


def write_videos(params: Params, folder: Path) -> None:
    """The first test sequence of every source that has one: the last checkpoint with the first tracker."""
    from stages.drawing.video import by_frame, write_video

    checkpoint, tracker = params.evaluation.checkpoints[-1], next(iter(params.trackers))
    first: dict[str, str] = {}
    for source, name in test_sequences(params):
        first.setdefault(source, name)
    for source, name in first.items():
        sequence = open_sequence(source, name)
        path = TRACKS / checkpoint / tracker / source / f"{name}.txt"
        tracks = by_frame(read_tracks(path, sequence.info.length, len(params.classes)))
        title = f"{source}/{name}   {checkpoint}, {tracker}"
        write_video(folder / f"{source}.mp4", sequence, tracks, params.classes, title)
        sequence.close()


if __name__ == "__main__":
    run_stage(main)
