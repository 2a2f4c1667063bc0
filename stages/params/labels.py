"""The class numbers of formats that fix them, with the classes' own names."""

from __future__ import annotations

# MOT16, MOT17 and MOT20 number their classes so (arXiv:1603.00831, table 3); -1 is MOT15, which has people only.
MOTCHALLENGE_LABELS: dict[int, str] = {
    -1: "pedestrian",
    1: "pedestrian",
    2: "person_on_vehicle",
    3: "car",
    4: "bicycle",
    5: "motorbike",
    6: "non_motorized_vehicle",
    7: "static_person",
    8: "distractor",
    9: "occluder",
    10: "occluder_on_ground",
    11: "occluder_full",
    12: "reflection",
    13: "crowd",
}
WORLD_LABELS: dict[int, str] = {1: "person", 2: "car", 3: "hidden"}

# BDD100K MOT 2020: its 11 categories, the eight that are evaluated first, in the order that its page recommends.
# `crowd` is what a box of any category is that has the attribute of that name: a region.
BDD100K_LABELS: dict[int, str] = {
    1: "pedestrian",
    2: "rider",
    3: "car",
    4: "truck",
    5: "bus",
    6: "train",
    7: "motorcycle",
    8: "bicycle",
    9: "other person",
    10: "other vehicle",
    11: "trailer",
    12: "crowd",
}

# VisDrone's own numbers (its toolkits' README).
VISDRONE_LABELS: dict[int, str] = {
    0: "ignored regions",
    1: "pedestrian",
    2: "people",
    3: "bicycle",
    4: "car",
    5: "van",
    6: "truck",
    7: "tricycle",
    8: "awning-tricycle",
    9: "bus",
    10: "motor",
    11: "others",
}

# KITTI names its types and does not number them; what its devkit calls Person_sitting is Person in the tracking labels.
KITTI_LABELS: dict[int, str] = {
    1: "Car",
    2: "Van",
    3: "Truck",
    4: "Pedestrian",
    5: "Person_sitting",
    6: "Person",
    7: "Cyclist",
    8: "Tram",
    9: "Misc",
    10: "DontCare",
}
MTMMC_LABELS: dict[int, str] = {1: "person"}
VIDEO_LABELS: dict[int, str] = {-1: "object", 1: "object"}  # -1: rows that end in world coordinates, without a class
