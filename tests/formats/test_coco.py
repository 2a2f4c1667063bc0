from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.errors import InputError
from tests.footage import HEIGHT, WIDTH, picture
from tests.listing import ReadSet, read_set, write_images

CATEGORIES = [{"id": 1, "name": "person"}, {"id": 3, "name": "car", "supercategory": "vehicle"}]
STILLS = {
    "info": {"year": 2017},
    "images": [
        {"id": 397133, "file_name": "000000397133.jpg", "width": WIDTH, "height": HEIGHT},
        {"id": 37777, "file_name": "000000037777.jpg", "width": WIDTH, "height": HEIGHT},
        {"id": 5, "file_name": "000000000005.jpg", "width": WIDTH, "height": HEIGHT},
    ],
    "annotations": [
        {"id": 1, "image_id": 37777, "category_id": 1, "bbox": [1.25, 2.5, 10.75, 20], "iscrowd": 0, "area": 215},
        {"id": 2, "image_id": 397133, "category_id": 3, "bbox": [30, 10, 8, 6.5], "iscrowd": 0},
        {"id": 3, "image_id": 397133, "category_id": 1, "bbox": [0, 0, 40, 40], "iscrowd": 1},
        {"id": 4, "image_id": 397133, "category_id": 3, "bbox": [5, 5, 8, 6], "segmentation": [[1, 2, 3, 4, 5, 6]]},
    ],
    "categories": CATEGORIES,
}


def frame(number: int, video: int, index: int, name: str) -> dict:
    return {"id": number, "video_id": video, "frame_id": index, "file_name": name, "width": WIDTH, "height": HEIGHT}


def box(number: int, image: int, track: int, left: float, **more: object) -> dict:
    sizes = {"bbox": [left, 10, 8, 16], "area": 128, "iscrowd": 0}
    return {"id": number, "image_id": image, "video_id": 1, "category_id": 1, "instance_id": track} | sizes | more


# As MMTracking's CocoVID: frame_id from 0; images not in their order; a second video at another rate.
VIDEOS = {
    "videos": [{"id": 1, "name": "walk", "fps": 30}, {"id": 7, "name": "park/east side", "fps": 12.5}],
    "images": [
        frame(12, 1, 6, "walk/c.jpg"),
        frame(10, 1, 0, "walk/a.jpg"),
        frame(11, 1, 3, "walk/b.jpg"),
        frame(20, 7, 0, "park/a.jpg"),
    ],
    "annotations": [
        box(1, 12, 4, 9.5, visibility=0.25, mot_conf=0),
        box(2, 10, 4, 7.5),
        box(3, 10, 9, 30, category_id=3),
        box(4, 11, 4, 8.5, ignore=1),
        box(5, 20, 1, 3, video_id=7),
    ],
    "categories": CATEGORIES,
}
# As YouTube-VIS: no images, a box or null a frame.
TRACKS = {
    "videos": [{"id": 3, "file_names": ["ab12/00000.jpg", "ab12/00005.jpg"], "length": 2, "width": 64, "height": 48}],
    "annotations": [
        {"id": 8, "video_id": 3, "category_id": 1, "iscrowd": 0, "bboxes": [[1, 2, 3, 4], [2, 2, 3, 4]]},
        {"id": 9, "video_id": 3, "category_id": 3, "iscrowd": 0, "bboxes": [None, [20.5, 20, 9, 9]]},
    ],
    "categories": CATEGORIES,
}


def write_set(folder: Path, document: object, file: str = "annotations/instances_train2017.json") -> Path:
    """Write ``document``, and the images that the three documents list."""
    write_images(folder / "train2017", *(image["file_name"] for image in STILLS["images"]))
    write_images(folder / "frames", "walk/a.jpg", "walk/b.jpg", "walk/c.jpg", "park/a.jpg")
    write_images(folder / "frames", "ab12/00000.jpg", "ab12/00005.jpg")
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(document if isinstance(document, str) else json.dumps(document))
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_every_still_image_is_a_sequence_of_length_one(tmp_path: Path, packed: bool):
    found = read_set(write_set(tmp_path / "in", STILLS), "coco", packed)
    names = [f"train2017-000000{number}" for number in ("000005", "037777", "397133")]
    assert found.splits == dict.fromkeys(names, "train")
    assert found.listing.labels == {1: "person", 3: "car", 4: "crowd"}
    still = found[names[2]]
    assert (still.fps, still.frames.count, still.gt_file) == (1, 1, still.at(0).rpartition(": ")[0])
    assert still.frames.paths(range(1, 2)) == ["train2017/000000397133.jpg"]
    assert list(still.frames.encoded(range(1, 2))) == [picture(1)]
    assert found.gt(names[2]).tolist() == [
        [1, 1, 30, 10, 8, 6.5, 1, 3, 1],
        [1, 2, 0, 0, 40, 40, 1, 4, 1],
        [1, 3, 5, 5, 8, 6, 1, 3, 1],
    ]
    assert [still.at(row).rpartition(" ")[2] for row in range(3)] == [f"annotations[{place}]" for place in (1, 2, 3)]
    assert found.gt(names[1]).tolist() == [[1, 1, 1.25, 2.5, 10.75, 20, 1, 1, 1]]
    assert found.gt(names[0]).shape == (0, 9)  # an image that shows nothing


@pytest.mark.parametrize("packed", [False, True])
def test_videos_are_sequences_in_the_order_of_their_frames(tmp_path: Path, packed: bool):
    found = read_set(write_set(tmp_path / "in", VIDEOS, "annotations/val.json"), "coco", packed)
    assert found.splits == {"walk": "val", "park-east_side": "val"}
    walk = found["walk"]
    assert (walk.fps, found["park-east_side"].fps) == (10, 12.5)  # every third frame of 30 a second
    assert walk.frames.paths(range(1, 4)) == [f"frames/walk/{name}.jpg" for name in "abc"]
    assert found.gt("walk").tolist() == [
        [1, 4, 7.5, 10, 8, 16, 1, 1, 1],
        [1, 9, 30, 10, 8, 16, 1, 3, 1],
        [2, 4, 8.5, 10, 8, 16, 1, 4, 1],
        [3, 4, 9.5, 10, 8, 16, 0, 1, 0.25],
    ]
    assert walk.at(3).endswith("annotations/val.json: annotations[0]")


def test_tao_has_frame_index_and_track_id_and_no_rate(tmp_path: Path):
    document = copy.deepcopy(VIDEOS)
    for image in document["images"]:
        image["frame_index"] = image.pop("frame_id") * 10
    for video in document["videos"]:
        del video["fps"]
    for annotation in document["annotations"]:
        annotation["track_id"] = annotation.pop("instance_id")
    folder = write_set(tmp_path / "in", document)
    found = read_set(folder, "coco", fps=1)
    assert (found["walk"].fps, found["walk"].gt[:, 1].tolist()) == (1, [4, 9, 4, 4])
    with pytest.raises(
        InputError, match=r"train2017.json: videos\[0\]: no frame rate \(`fps`\): set the source's `fps`"
    ):
        read_set(folder, "coco")["walk"]


def test_youtube_vis_lists_boxes_by_track(tmp_path: Path):
    found = read_set(write_set(tmp_path / "in", TRACKS), "coco", fps=6)
    assert list(found.listing.entries) == ["ab12"]
    assert found.gt("ab12").tolist() == [
        [1, 8, 1, 2, 3, 4, 1, 1, 1],
        [2, 8, 2, 2, 3, 4, 1, 1, 1],
        [2, 9, 20.5, 20, 9, 9, 1, 3, 1],
    ]
    assert found["ab12"].at(2).endswith("annotations[1].bboxes[1]")


def test_ids_of_text_are_numbered_and_boxes_without_one_get_their_own(tmp_path: Path):
    document = copy.deepcopy(VIDEOS)
    for annotation, track in zip(document["annotations"], ("z", "z", "b", None, None), strict=True):
        annotation["instance_id"] = track
    found = read_set(write_set(tmp_path / "in", document), "coco")
    assert found["walk"].gt[:, 1].tolist() == [1, 2, 3, 1]
    assert found["park-east_side"].gt[:, 1].tolist() == [1]


def test_splits_and_images_are_found_by_name(tmp_path: Path):
    folder = tmp_path / "in"
    for split in ("train", "valid"):  # as Roboflow has it: the JSON beside its images, of the same names
        write_set(folder, STILLS, f"{split}/_annotations.coco.json")
        write_images(folder / split, *(image["file_name"] for image in STILLS["images"]))
    found = read_set(folder, "coco")
    assert found.splits["valid-000000000005"] == "val"
    assert found["train-000000000005"].frames.paths(range(1, 2)) == ["train/000000000005.jpg"]
    chosen = read_set(folder, "coco", annotations={"test": "train/_annotations.coco.json"}, images="train2017")
    assert chosen.splits == dict.fromkeys((f"train2017-000000{n}" for n in ("000005", "037777", "397133")), "test")


def test_a_box_without_size_is_left_out_with_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture):
    document = copy.deepcopy(STILLS)
    document["annotations"][1]["bbox"] = [296.65, 388.33, 1.03, 0.0]  # as train2017 has one
    found = read_set(write_set(tmp_path / "in", document), "coco")
    assert len(found["train2017-000000397133"].gt) == 2
    assert "1 boxes without width or height left out, the first at annotations[1]" in capsys.readouterr().err


def test_images_without_any_box(tmp_path: Path):
    found = read_set(write_set(tmp_path / "in", STILLS | {"annotations": []}), "coco")
    assert [len(found.gt(name)) for name in found.listing.entries] == [0, 0, 0]


def test_claimed_size_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture):
    document = copy.deepcopy(STILLS)
    document["images"][0]["width"] = 640
    read_set(write_set(tmp_path / "in", document), "coco").gt("train2017-000000397133")
    assert "images[0]: width is 640, found 64" in capsys.readouterr().err


# --- bad input


def change(*keys: object, value: object = None, of: dict = STILLS) -> dict:
    """``of`` with one value replaced, or deleted for None."""
    document = copy.deepcopy(of)
    place = document
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    return document


AGAIN = {"id": 37777, "file_name": "x.jpg"}
BAD: dict[str, tuple[object, str, str]] = {
    "broken": ('{"images": [,]}', "train2017.json:1: broken JSON", "column 13"),
    "cut off": (json.dumps(STILLS, indent=1)[:-40], "broken JSON", "fetch the file again"),
    "other JSON": ({"shapes": []}, "in: no JSON file with `images`, `annotations` and `categories`", "correct `path`"),
    "no object": (change("images", 1, value=7), "images[1]: should be an object", "fetch"),
    "no image": (
        change("images", 0, "file_name", value="none.jpg"),
        "images[0]: no image in/train2017/none.jpg",
        "put",
    ),
    "no id": (change("images", 0, "id"), "images[0]: no `id`", "add it"),
    "twice": (change("images", 0, value=AGAIN), "images[1]: id 37777 is that of another image", "own id"),
    "one name": (
        change("images", 0, "file_name", value="000000037777.jpg"),
        "images[1]: a second sequence named train2017-000000037777",
        "rename",
    ),
    "outside": (change("images", 0, "file_name", value="../a.jpg"), "images[0]: `file_name` is no path", "correct"),
    "unknown image": (change("annotations", 2, "image_id", value=6), "annotations[2]: no image 6", "`image_id`"),
    "unknown category": (change("annotations", 2, "category_id", value=2), "annotations[2]: no category 2", "add"),
    "no bbox": (change("annotations", 3, "bbox"), "annotations[3]: `bbox` is not four numbers", "pixels"),
    "three": (change("annotations", 3, "bbox", value=[1, 2, 3]), "annotations[3]: `bbox` is not four", "pixels"),
    "text": (change("annotations", 3, "bbox", 2, value="8"), "annotations[3]: `bbox` is not four", "pixels"),
    "infinite": (change("annotations", 3, "bbox", 2, value=float("inf")), "annotations[3]: `bbox` is not", "pixels"),
    "negative": (change("annotations", 3, "bbox", 2, value=-8), "annotations[3]: negative width or height", "give"),
    "far away": (change("annotations", 3, "bbox", 0, value=640), "annotations[3]: the box lies outside the", "correct"),
    "category": (change("categories", 0, "id", value="1"), "categories[0]: no whole `id` or no `name`", "add"),
    "no such video": (change("images", 3, "video_id", value=8, of=VIDEOS), "images[3]: no video 8", "`video_id`"),
    "two videos": (change("videos", 1, "id", value=1, of=VIDEOS), "videos[1]: no `id`, or that of another", "correct"),
    "same frame": (change("images", 2, "frame_id", value=0, of=VIDEOS), "images[2]: frame 0 stands twice", "delete"),
    "gap": (change("images", 0, "frame_id", value=7, of=VIDEOS), "frame 7 comes 4 behind the one before", "evenly"),
    "id twice": (
        change("annotations", 2, "instance_id", value=4, of=VIDEOS),
        "annotations[2]: id 4 stands twice in frame 1",
        "annotations[1]",
    ),
    "no list of boxes": (change("annotations", 1, "bboxes", value=5, of=TRACKS), "[1]: `bboxes` is no list", "null"),
    "an id is a list": (change("images", 0, "id", value=[1]), "images[0]: `id` is no number and no text", "correct"),
    "one box too many": (
        change("annotations", 1, "bboxes", value=[None, None, [1, 1, 2, 2]], of=TRACKS),
        "annotations[1]: no video 3 with 3 frames",
        "`bboxes`",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_file_and_place(tmp_path: Path, name: str):
    document, words, more = BAD[name]
    with pytest.raises(InputError) as caught:
        found = read_set(write_set(tmp_path / "in", document), "coco", fps=5)
        for sequence in found.listing.entries:
            found.gt(sequence)
    line = str(caught.value)
    assert words in line and more in line and "\n" not in line


REFUSED: dict[str, tuple[Callable[[Path], ReadSet], str]] = {
    "absent file": (
        lambda folder: read_set(folder, "coco", annotations={"val": "x.json"}),
        "in/x.json: no such file: correct the source's `annotations`",
    ),
    "wrong file": (
        lambda folder: read_set(folder, "coco", annotations={"train": "other.json"}),
        "in/other.json: no lists `images`, `annotations` and `categories`: name another",
    ),
    "names differ": (
        lambda folder: read_set(write_set(folder, change("categories", 0, "name", value="bus"), "val.json"), "coco"),
        "categories[0]: category 1 is `bus` here and `person` before",
    ),
    "two tasks": (
        lambda folder: read_set(write_set(folder, STILLS, "person_keypoints_train2017.json"), "coco"),
        "images[0]: train2017-000000397133 is in another file of the source too: name the files to read",
    ),
    "two folders": (
        lambda folder: read_set(write_set(folder / "train2018", STILLS, "x.json").parent, "coco"),
        "its images could be those in train2017/ and train2018/train2017/: name the folder",
    ),
    "no images": (lambda folder: read_set(folder, "coco", images="none"), "none of its images is there: put them"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_params_have_wrong(tmp_path: Path, name: str):
    (write_set(tmp_path / "in", STILLS) / "other.json").write_text("[]")
    read, words = REFUSED[name]
    with pytest.raises(InputError) as caught:
        read(tmp_path / "in")
    assert words in str(caught.value)
