"""Results to store, small and quickly made."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from c3dvis.networks.registry import describe
from c3dvis.networks.weights import installed_weights
from c3dvis.results import RenderResult, ResultStore
from c3dvis.results.texture_motion import TextureMotion
from c3dvis.spec import ALGORITHM_VERSION, RenderSpec

MakeResult = Callable[..., RenderResult]


@pytest.fixture(scope="session")
def make_result() -> MakeResult:
    """Makes the result of seed `seed`: a clip of noise, 16 × 24 × 24 (27 kB) unless told."""

    def make(seed: int = 0, *, algorithm: int = ALGORITHM_VERSION, **changes: Any) -> RenderResult:
        fields: dict[str, Any] = {"frames": 16, "height": 24, "width": 24, **changes}
        spec = RenderSpec(seed=seed, **fields)
        rng = np.random.default_rng(seed)
        return RenderResult(
            spec=spec,
            clip=rng.integers(0, 256, (spec.frames, spec.height, spec.width, 3), dtype=np.uint8),
            metrics={"shown_activation": 5.25, "gain": None, "selectivity": 3, "dead": False},
            history=[
                {"step": 1, "seconds": 0.5, "objective": 1.5, "shown_activation": None},
                {"step": 2, "seconds": 0.75, "objective": 2.5, "shown_activation": 5.25},
            ],
            fingerprint=installed_weights.fingerprint(describe(spec.network)),
            algorithm=algorithm,
            provenance={"device": "CPU", "seconds": 1.25, "created": "2026-01-02T03:04:05Z"},
        )

    return make


@pytest.fixture(scope="session")
def make_apart(make_result: MakeResult) -> MakeResult:
    """Makes the result of seed `seed` with a texture of noise and random displacements."""

    def make(seed: int = 0, margin: int = 3, **changes: Any) -> RenderResult:
        result = make_result(seed, **changes)
        frames, height, width = result.spec.size
        rng = np.random.default_rng(seed)
        texture = rng.integers(0, 256, (height + 2 * margin, width + 2 * margin, 3), dtype=np.uint8)
        displacement = rng.integers(-96, 97, (frames, height, width, 2)).astype(np.float16) / np.float16(32)
        return replace(
            result,
            texture_motion=TextureMotion(texture, displacement),
            metrics={**result.metrics, "rebuilt_share": 0.97, "texture_share": 0.125, "motion_share": 0.0625},
        )

    return make


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ResultStore]:
    """An empty store of the test's own, without starters."""
    with ResultStore(tmp_path / "cache", starter=None) as opened:
        yield opened


@pytest.fixture
def filled(store: ResultStore, make_result: MakeResult) -> ResultStore:
    """A store that holds the results of seeds 0 to 3."""
    for seed in range(4):
        store.put(make_result(seed))
    return store


def assert_same(received: RenderResult | None, expected: RenderResult) -> None:
    """Fails unless two results agree in everything."""
    assert received is not None
    np.testing.assert_array_equal(received.clip, expected.clip)
    assert received.clip.dtype == np.uint8
    for name in ("spec", "metrics", "history", "fingerprint", "algorithm", "provenance", "key"):
        assert getattr(received, name) == getattr(expected, name), name
    assert (received.texture_motion is None) == (expected.texture_motion is None)
    if received.texture_motion and expected.texture_motion:
        for name in ("texture", "displacement"):
            found, wanted = (getattr(each.texture_motion, name) for each in (received, expected))
            np.testing.assert_array_equal(found, wanted)
            assert found.dtype == wanted.dtype


@pytest.fixture(scope="session")
def same() -> Callable[[RenderResult | None, RenderResult], None]:
    """Compares two results in everything."""
    return assert_same
