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
