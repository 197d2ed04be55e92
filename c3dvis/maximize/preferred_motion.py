"""The motion with which a search goes on from its first shapes: the one that its target prefers.

A search that starts slow stays slow. Its first steps draw the shapes that excite the target most at the speed that they
have, and what changes beside them fits that speed, so that every small step to another speed is a loss. Filters that
look for two or three pixels per frame were shown at half a pixel. Therefore velocities are compared directly, once
shapes are there, on the texture alone.
"""

from collections.abc import Callable, Sequence

import numpy as np

from c3dvis.maximize.optimization import Optimization
from c3dvis.maximize.volume.moving_volume import MovingVolume

Velocity = tuple[float, float]
"""Down and right, in pixels per frame."""

STILL: Velocity = (0.0, 0.0)
SPEED = 2.0
"""Pixels per frame at which directions are compared."""
OTHER_SPEEDS = (1.0, 3.0)
"""Pixels per frame that are compared along the best direction. Faster content leaves the clip before it is seen."""
DIRECTIONS = 8
"""Directions that are compared, over a whole turn."""
ENOUGH = 0.9
"""Share of the highest response that a lower speed has to reach to be preferred."""


def let_move(optimization: Optimization, indices: Sequence[int]) -> None:
    """Let the textures of some moving volumes go on with the motion that their targets prefer, and change anew.

    Preferred is what lowers the energy, so that a weight of the variation in time slows the motion here too. Other
    volumes are left as they are.
    """
    volume = optimization.parametrization
    if not isinstance(volume, MovingVolume):
        return
    for index in indices:
        texture = optimization.parameters[index].numpy()

        def response(velocity: Velocity, index: int = index, texture: np.ndarray = texture) -> float:
            return -optimization.energy_of_motion(index, volume.moving_as_a_whole(texture, velocity))

        velocity = preferred_motion(response)
        if velocity != STILL:
            optimization.go_on_from(index, volume.moving_as_a_whole(texture, velocity))


def preferred_motion(response: Callable[[Velocity], float]) -> Velocity:
    """The slowest velocity to which a target responds nearly as strongly as to the best one.

    Args:
        response: of the target to a texture that moves with a velocity. Where no response is above 0, still is
            preferred.
    """
    at_speed = {angle: response(_velocity(SPEED, angle)) for angle in np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS}
    best = max(at_speed, key=at_speed.__getitem__)
    found = {0.0: response(STILL), SPEED: at_speed[best]}
    found |= {speed: response(_velocity(speed, best)) for speed in OTHER_SPEEDS}
    highest = max(found.values())
    if not highest > 0:
        return STILL
    return _velocity(min(speed for speed in found if found[speed] >= ENOUGH * highest), best)


def _velocity(speed: float, angle: float) -> Velocity:
    """From an angle that turns from the right to the bottom."""
    return float(speed * np.sin(angle)), float(speed * np.cos(angle))
