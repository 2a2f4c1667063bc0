"""params.yaml as frozen, typed, checked values. This package is the only reader of that file."""

from stages.params.load import load_params, where
from stages.params.model import Params
from stages.params.sources import SPLITS, FileSource, MotChallengeSource, Source, WorldSource
from stages.params.stage import Memory, Mixture, Stage
from stages.params.trackers import Tracker

__all__ = [
    "SPLITS",
    "FileSource",
    "Memory",
    "Mixture",
    "MotChallengeSource",
    "Params",
    "Source",
    "Stage",
    "Tracker",
    "WorldSource",
    "load_params",
    "where",
]
