"""The sample clip: what is drawn is what comes along, and it moves as it says."""

import imageio.v3 as iio
import numpy as np
import pytest

from c3dvis.clips import sample


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    return sample.draw()


def test_the_file_is_the_drawing(drawn):
    file = iio.imread(sample.SAMPLE, plugin="pyav")
    assert file.shape == drawn.shape == (sample.FRAMES, sample.HEIGHT, sample.WIDTH, 3)
    assert np.abs(file.astype(int) - drawn).mean() < 6
    assert sample.SAMPLE.stat().st_size < 200_000


def test_sky_and_floor_pass_at_their_speeds(drawn):
    """The shift of a strip between two frames, by phase correlation."""
    for rows, speed in ((slice(0, 24), sample.SKY_SPEED), (slice(232, 240), 3 * sample.SKY_SPEED)):
        strip = drawn[:, rows, :160, 2].astype(float)
        first, second = (np.fft.fft(frame - frame.mean(axis=1, keepdims=True), axis=1) for frame in strip[[60, 61]])
        correlation = np.fft.ifft((second * first.conj()).sum(axis=0)).real
        shift = int(np.argmax(correlation))
        assert (shift - 160 if shift > 80 else shift) == pytest.approx(speed, abs=0.5)


def test_the_ball_moves_and_the_wheel_turns(drawn):
    orange = (drawn[..., 0].astype(int) - drawn[..., 2] > 120) & (drawn[..., 1] > 60)
    columns = [np.nonzero(orange[number, :, :190])[1].mean() for number in (20, 44)]
    assert (columns[1] - columns[0]) / 24 == pytest.approx(sample.BALL_SPEED, abs=0.15)
    hub = drawn[:, 78:158, 196:276].astype(int)
    turned = round(2 * np.pi / 6 / sample.TURN)  # six half spokes look alike after a sixth of a turn
    inner = np.hypot(*np.mgrid[-40:40, -40:40]) < 30
    same = np.abs(hub[60] - hub[60 + turned])[inner].mean()
    other = np.abs(hub[60] - hub[60 + turned // 2])[inner].mean()
    assert same < 0.4 * other
