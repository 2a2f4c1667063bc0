"""COCO-Video JSON: `annotations/SPLIT.json` as MMTracking's CocoVID and TAO have it, and frames under `images/`.

Beside what `coco` writes: `videos` with name, size and frame rate; an image's `video_id`, and `frame_id` from 0; an
annotation's `video_id`, `track_id` as in the source and `instance_id`, which no other video of the file has. Holds
everything that gt.txt holds, in its ten digits.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from stages.exporting.coco import frames_of, write_lists
from stages.exporting.material import Material, plain
from stages.sequences.annotations import ID


def write(material: Material, folder: Path) -> None:
    """Write all frames and one JSON file a split to ``folder``."""
    for split in material.splits:
        image_ids, annotation_ids = count(1), count(1)
        instances: dict[tuple[int, int], int] = {}
        videos: list[dict[str, Any]] = []
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for video, item in enumerate(material.items(split), 1):
            info = item.info
            size = {"width": info.width, "height": info.height}
            videos.append({"id": video, "name": info.name, "fps": plain(info.fps), "length": info.length, **size})
            item.write_frames(folder / "images")
            for frame, (image, boxes) in enumerate(frames_of(item, material.labels, image_ids, annotation_ids)):
                images.append({**image, "video_id": video, "frame_id": frame})
                for row, box in boxes:
                    track = int(row[ID])
                    instance = instances.setdefault((video, track), len(instances) + 1)
                    annotations.append({**box, "video_id": video, "track_id": track, "instance_id": instance})
        write_lists(folder, split, material, videos=videos, images=images, annotations=annotations)
