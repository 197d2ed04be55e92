"""`TextureMotion`: a clip taken apart into one still texture and a displacement per frame.

Frame t of the rebuilt clip shows at pixel x what the texture has at x + D_t(x):

    V_t(x) = I(x + D_t(x))

The texture I is larger than a frame by a margin on all four sides, since content that moves comes into view and leaves.
"""

from dataclasses import dataclass

import numpy as np

from c3dvis.media.warp import sample

SHARES = ("rebuilt_share", "texture_share", "motion_share")
"""Names of the measures of a clip that was taken apart: responses to the rebuilt clip, to the texture held still, and
to the motion on grey noise, each divided by the response to the clip. docs/method.md defines them."""

LIKENESS = "rebuilt_likeness"
"""Name of the measure of how much of the clip's variance the rebuilt clip explains; 1 if they are equal."""

_LEAST_DETERMINANT = 0.25  # of a deformation; a field that folds has no velocity


@dataclass(frozen=True, eq=False)
class TextureMotion:
    """A texture and its motion. The arrays are copied; the copies are read-only.

    Arguments:
        texture: (H + 2 margin, W + 2 margin, 3) uint8 RGB.
        displacement: (T, H, W, 2) float16, D_t(x) in pixels: rows (down), then columns (right).

    Raises:
        ValueError: the shapes do not fit together, or a displacement is not finite.
    """

    texture: np.ndarray
    displacement: np.ndarray

    def __post_init__(self) -> None:
        texture, displacement = self.texture, self.displacement
        if displacement.ndim != 4 or displacement.shape[3] != 2 or displacement.dtype != np.float16:
            raise ValueError(
                "Expected displacements of shape (frames, height, width, 2) and dtype float16. "
                f"Received: shape {displacement.shape} and dtype {displacement.dtype}."
            )
        rows, columns = (of - frame for of, frame in zip(texture.shape[:2], displacement.shape[1:3], strict=True))
        if texture.shape[2:] != (3,) or texture.dtype != np.uint8 or rows != columns or rows < 0 or rows % 2:
            raise ValueError(
                "Expected a uint8 RGB texture with the same margin on all sides of the frame, "
                f"{displacement.shape[1]} × {displacement.shape[2]}. "
                f"Received: shape {texture.shape} and dtype {texture.dtype}."
            )
        if not np.isfinite(displacement).all():
            raise ValueError("Expected finite displacements. Received: some that are not.")
        for name, array in (("texture", texture), ("displacement", displacement)):
            copy = np.array(array, order="C")
            copy.setflags(write=False)
            object.__setattr__(self, name, copy)

    @property
    def margin(self) -> int:
        """Pixels by which the texture is larger than a frame, on each side."""
        return (self.texture.shape[0] - self.displacement.shape[1]) // 2

    def rebuilt(self) -> np.ndarray:
        """The clip that texture and motion give together, (T, H, W, 3) uint8."""
        return self.moved(self.texture)

    def still(self) -> np.ndarray:
        """The texture held still: its part within the frame in every frame, (T, H, W, 3) uint8."""
        frames, height, width = self.displacement.shape[:3]
        margin = self.margin
        frame = self.texture[margin : margin + height, margin : margin + width]
        return np.repeat(frame[np.newaxis], frames, axis=0)

    def moved(self, texture: np.ndarray) -> np.ndarray:
        """The same motion on another texture, (T, H, W, 3) uint8.

        Args:
            texture: uint8, of the shape of `self.texture`.
        """
        rows, columns = positions(self.displacement.astype(np.float32), self.margin)
        return np.rint(sample(texture.astype(np.float32), rows, columns)).astype(np.uint8)

    def velocity(self) -> np.ndarray:
        """How fast the content moves, (T, H, W, 2) float32 in pixels per frame: down, then right.

        Content keeps its place X = x + D_t(x) in the texture. So its velocity v solves ∂X/∂t + (∂X/∂x) v = 0. The
        derivatives are differences of neighbouring frames and pixels. Zero for a clip of one frame.
        """
        field = self.displacement.astype(np.float32)
        if len(field) == 1:
            return np.zeros_like(field)
        in_time = np.gradient(field, axis=0)
        by_row = np.gradient(field, axis=1) + np.array(
            [1, 0], np.float32
        )  # of X, whose derivative by x is 1 + that of D
        by_column = np.gradient(field, axis=2) + np.array([0, 1], np.float32)
        determinant = by_row[..., 0] * by_column[..., 1] - by_row[..., 1] * by_column[..., 0]
        determinant = np.maximum(determinant, _LEAST_DETERMINANT)
        down = by_column[..., 0] * in_time[..., 1] - by_column[..., 1] * in_time[..., 0]
        right = by_row[..., 1] * in_time[..., 0] - by_row[..., 0] * in_time[..., 1]
        return np.stack([down, right], -1) / determinant[..., np.newaxis]


def positions(displacement: np.ndarray, margin: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, (T, H, W) each, of x + D_t(x) in a picture with a margin around the frame.

    Args:
        displacement: (T, H, W, 2) float32 in pixels.
        margin: pixels.
    """
    height, width = displacement.shape[1:3]
    rows = np.arange(height, dtype=np.float32)[:, np.newaxis] + (displacement[..., 0] + margin)
    columns = np.arange(width, dtype=np.float32) + (displacement[..., 1] + margin)
    return rows, columns
