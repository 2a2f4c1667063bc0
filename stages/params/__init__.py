"""params.yaml as frozen, typed, checked values. This package is the only reader of that file."""

from stages.params.load import load_params, where
from stages.params.model import Params
from stages.params.sources import (
    SPLITS,
    Bdd100kSource,
    CocoSource,
    FileSource,
    JsonlSource,
    KittiSource,
    ListedSource,
    MotChallengeSource,
    MtmmcSource,
    Source,
    VideoSource,
    VisDroneSource,
    WorldSource,
    YoloSource,
)
from stages.params.stage import Memory, Mixture, Stage
from stages.params.trackers import Tracker

__all__ = [
    "SPLITS",
    "Bdd100kSource",
    "CocoSource",
    "FileSource",
    "JsonlSource",
    "KittiSource",
    "ListedSource",
    "Memory",
    "Mixture",
    "MotChallengeSource",
    "MtmmcSource",
    "Params",
    "Source",
    "Stage",
    "Tracker",
    "VideoSource",
    "VisDroneSource",
    "WorldSource",
    "YoloSource",
    "load_params",
    "where",
]
