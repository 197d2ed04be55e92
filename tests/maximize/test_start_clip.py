"""A render that starts from a clip: how far it goes from the clip, what it gains, and that it can be repeated."""

import numpy as np
import pytest

import c3dvis
from c3dvis.errors import InvalidSpec
from c3dvis.spec.clip_digest import clip_digest
from tests.maximize.moving_patterns import waves

SMALL = c3dvis.RenderSpec(layer="Conv3d_2c_3x3", filter=10, frames=8, height=48, width=48, iterations=16)


@pytest.fixture(autouse=True)
def _weights(weights):
    pass


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    return waves((1, 2), (14, 0.4), (23, 1.8), size=SMALL.size)


def dream(clip: np.ndarray, **changes) -> c3dvis.RenderResult:
    spec = SMALL.replace(start_clip=clip_digest(clip), **changes)
    return c3dvis.render(spec, start_clip=clip)


@pytest.mark.parametrize("parametrization", ["moving", "texture", "fourier", "pixel"])
def test_strength_0_gives_the_clip_back(clip, parametrization):
    result = dream(clip, start_strength=0.0, parametrization=parametrization, contrast=0.0)
    np.testing.assert_array_equal(result.clip, clip)
    assert result.metrics["shown_activation"] == result.metrics["start_activation"]


def test_a_dream_excites_the_filter_more_the_stronger_it_is_and_stays_near_its_clip(clip):
    responses, distances = [], []
    for strength in (0.0, 0.3, 1.0):
        result = dream(clip, start_strength=strength)
        responses.append(result.metrics["shown_activation"])
        distances.append(np.abs(result.clip.astype(float) - clip).mean())
    assert responses == sorted(responses)
    assert responses[1] > 1.5 * responses[0]
    assert distances[0] == 0 < distances[1] < distances[2]
    # the change is held at the spec's contrast, of which a strength of 0.3 allows 0.3
    assert distances[1] < 0.3 * SMALL.contrast


def test_the_same_seed_gives_the_same_bytes_and_another_clip_another_key(clip):
    first, again = dream(clip), dream(clip.copy())
    assert first.clip.tobytes() == again.clip.tobytes()
    assert first.key == again.key
    assert dream(clip, seed=1).clip.tobytes() != first.clip.tobytes()
    assert dream(clip[::-1].copy()).key != first.key


def test_its_response_to_the_clip_is_the_network_s(clip):
    measured = dream(clip, iterations=1).metrics["start_activation"]
    response = c3dvis.load_network(SMALL.network).respond(clip, SMALL.layer)[..., 10].mean()
    assert measured == pytest.approx(response, rel=1e-5)


def test_a_clip_that_is_missing_or_of_another_size_is_refused(clip):
    with pytest.raises(InvalidSpec, match="expected the frames whose content hash"):
        c3dvis.render(SMALL.replace(start_clip=clip_digest(clip)))
    with pytest.raises(InvalidSpec, match="expected 8 frames of 48 × 48, received 7 frames of 48 × 48"):
        c3dvis.render(SMALL, start_clip=clip[1:])


def test_other_specs_keep_their_keys():
    # the key that this spec had before there were start clips
    assert "start" not in c3dvis.RenderSpec().to_json()
    assert c3dvis.RenderSpec(start_strength=0.9) == c3dvis.RenderSpec()
    with pytest.raises(InvalidSpec, match="keras-vis starts from noise"):
        c3dvis.RenderSpec(engine="keras-vis", start_clip="0" * 64)
    with pytest.raises(InvalidSpec, match="variants must be 1"):
        c3dvis.RenderSpec(variants=2, start_clip="0" * 64)
    with pytest.raises(InvalidSpec, match="64 hex digits"):
        c3dvis.RenderSpec(start_clip="holiday.mp4")
