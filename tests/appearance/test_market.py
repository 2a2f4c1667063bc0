"""Crops on disk, and what cannot be drawn."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import pytest

from stages.appearance.crops import Drawn, draw_crops
from stages.appearance.market import GALLERY, QUERY, TRAIN, read_shots
from stages.errors import InputError
from tests.individuals import REID, SEQUENCES, TALL, WIDE, colours_of, write_individuals
from tests.rectangles import write_params


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_individuals(tmp_path, "street", SEQUENCES)
    return tmp_path


def draw(folder: Path, reid: dict | None = None) -> Drawn:
    params = write_params(folder, {"reid": {"people": REID | (reid or {})}})
    return draw_crops(params, "people", folder / "crops")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_split_has_its_folder(project: Path):
    assert draw(project) == Drawn(train=60, train_identities=10, queries=6, gallery=12, identities=3, seen=0)
    shots = {part: read_shots(project / "crops" / part) for part in (TRAIN, QUERY, GALLERY)}
    assert {part: {shot.identity for shot in found} for part, found in shots.items()} == {
        TRAIN: set(range(1, 11)),
        QUERY: {11, 12, 13},
        GALLERY: {11, 12, 13},
    }
    assert {(shot.camera, shot.path.name[10:16]) for shot in shots[QUERY]} == {(3, "000002"), (4, "000005")}


def test_a_crop_is_what_its_row_says(project: Path):
    draw(project)
    with (project / "crops/crops.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60 + 6 + 12
    for row in rows[::7]:
        image = cv2.imread(str(project / "crops" / row["folder"] / row["file"]))
        assert image.shape == (TALL, WIDE, 3)
        upper, lower = colours_of(int(row["id"]))
        assert image[4:12, 3:11].mean(axis=(0, 1)) == pytest.approx(upper, abs=3)
        assert image[20:28, 3:11].mean(axis=(0, 1)) == pytest.approx(lower, abs=3)
        assert int(row["file"][-13:-7]) == int(row["frame"])


def test_boxmots_reader_finds_the_same(project: Path):
    from boxmot.reid.datasets.market1501 import Market1501

    draw(project)
    theirs = Market1501(str(project / "crops"), relabel_train=False)
    for part, split in ((TRAIN, theirs.train), (QUERY, theirs.query), (GALLERY, theirs.gallery)):
        ours = [(str(shot.path), shot.identity, shot.camera - 1) for shot in read_shots(project / "crops" / part)]
        assert [(sample.img_path, sample.pid, sample.camid) for sample in split.samples] == ours


def test_the_same_again_gives_the_same_bytes(project: Path):
    draw(project)
    first = files(project / "crops")
    (project / "crops").rename(project / "before")
    draw(project)
    assert files(project / "crops") == first


def test_who_is_in_two_ranges_counts_as_seen(project: Path):
    cut = {"a": {"early": {"frames": [1, 6], "split": "train"}, "late": {"frames": [9, 14], "split": "test"}}}
    sequences = {"a-early": ("train", 6, [1, 2, 3, 4]), "a-late": ("test", 6, [3, 4, 5])}
    write_individuals(project, "street", sequences)
    params = write_params(project, {"reid": {"people": REID}, "sources.street.ranges": cut})
    drawn = draw_crops(params, "people", project / "crops")
    assert (drawn.identities, drawn.seen) == (3, 2)
    names = {part: {shot.identity for shot in read_shots(project / "crops" / part)} for part in (TRAIN, QUERY)}
    assert names == {TRAIN: {1, 2, 3, 4}, QUERY: {3, 4, 5}}


def test_a_class_that_is_mapped_to_nothing(project: Path):
    write_individuals(project, "street", SEQUENCES, label=7)
    with pytest.raises(InputError, match=r"street/a\.zip: class 7 is mapped to nothing: map it in params\.yaml"):
        draw(project)


def test_cameras_of_one_scene(project: Path):
    block = {"format": "mtmmc", "path": "nowhere", "classes": {"person": "person"}, "splits": {"test": 1.0}}
    sequences = {f"s01-c0{number}": ("test", 4, [1, 2]) for number in (1, 2)}
    write_individuals(project, "street", sequences | {"s02-c01": ("train", 4, [1, 2, 3, 4])}, label=1)
    (project / "data/sources/street/labels.json").write_text('{"1": "person"}')
    params = write_params(project, {"reid": {"people": REID}, "sources.street": block})
    assert draw_crops(params, "people", project / "crops").identities == 2
    queries = read_shots(project / "crops" / QUERY)
    assert [(shot.identity, shot.camera) for shot in queries] == [(5, 1), (5, 2), (6, 1), (6, 2)]


@pytest.mark.parametrize(
    ("sequences", "reid", "message"),
    [
        ({}, {"classes": ["car"]}, "no identity in the train split of street: name sources with identities"),
        ({}, {"min_size": 40}, "no identity in the train split of street"),
        ({}, {"identities": 11}, "10 identities in the train split are fewer than a batch has (11): lower it"),
        ({"c": ("val", 6, [9])}, {}, "no test sequence in street: give one a test split"),
        ({"c": ("test", 1, [9])}, {}, "no identity of person or car is seen twice in the test sequences"),
    ],
)
def test_too_few_identities(project: Path, sequences: dict, reid: dict, message: str):
    write_individuals(project, "street", SEQUENCES | sequences)
    with pytest.raises(InputError) as caught:
        draw(project, reid)
    assert message in str(caught.value)
    assert "params.yaml:" in str(caught.value) and "reid.people." in str(caught.value)


def test_a_damaged_archive_is_found(project: Path):
    path = project / "data/sources/street/a.zip"
    path.write_bytes(path.read_bytes()[:-20] + bytes(20))
    with pytest.raises(InputError, match="damaged"):
        draw(project)


def test_a_stranger_among_the_crops(tmp_path: Path):
    (tmp_path / "cat.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="not named as Market-1501 names crops"):
        read_shots(tmp_path)
