"""Videos of all kinds are read right, against what was written into them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from c3dvis.clips.video import Video
from tests.clips.videos import grey, index_of, turn, write_video


def read(path: Path, times: Sequence[float]) -> list[tuple[float, np.ndarray]]:
    with Video(path) as video:
        return list(video.frames(times))


def indices(path: Path, times: Sequence[float]) -> list[int]:
    return [index_of(frame) for _, frame in read(path, times)]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.avi", "mpeg4"),
        ("a.ts", "libx264"),
        ("a.h264", "libx264"),
    ],
)
def test_each_frame_of_a_window_is_the_one_at_its_time(tmp_path: Path, name: str, codec: str) -> None:
    options = (
        {"qmin": "1", "qmax": "2", "g": "10"} if codec == "mpeg4" else {"crf": "4", "g": "10"}
    )  # with B-frames for x264
    path = write_video(tmp_path / name, 40, codec=codec, options=options)
    assert indices(path, [index / 25 for index in range(7, 23)]) == list(range(7, 23))
    assert indices(path, [1.2 + 2 * index / 25 for index in range(4)]) == [30, 32, 34, 36]
    assert indices(path, [0.0, 0.02, 0.04]) == [0, 0, 1]  # half a step shows a frame twice


def test_the_description_says_what_was_written(tmp_path: Path) -> None:
    with Video(write_video(tmp_path / "a.mp4", 50, (64, 96), 25)) as video:
        info = video.describe()
    assert (info.kind, info.frames_per_second, info.frame_count) == ("video", 25, 50)
    assert (info.height, info.width, info.channels, info.notes) == (64, 96, 3, ())
    assert info.seconds == pytest.approx(2.0)


def test_frames_end_where_the_file_does(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 24)
    assert indices(path, [index / 25 for index in range(20, 40)]) == [20, 21, 22, 23]
    assert indices(path, [5.0]) == []


def test_a_variable_rate_is_read_by_time(tmp_path: Path) -> None:
    times = [0, 40, 80, 480, 520, 1520, 1560, 1600]  # thousandths: two long pauses
    path = write_video(tmp_path / "a.mkv", len(times), times=times)
    shown = [max(i for i, at in enumerate(times) if at <= 1000 * step / 10) for step in range(16)]
    assert indices(path, [step / 10 for step in range(16)]) == shown


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_video_is_shown_upright(tmp_path: Path, degrees: int) -> None:
    path = write_video(tmp_path / "a.mp4", 3, (64, 96))
    turn(path, degrees)
    with Video(path) as video:
        info = video.describe()
    assert (info.height, info.width) == ((64, 96) if degrees == 180 else (96, 64))
    assert "turned" in info.notes[0]
    frame = read(path, [0.0])[0][1]
    assert frame.shape[:2] == (info.height, info.width)
    # turned clockwise, the square at the top left goes to the top right, the bottom right, the bottom left
    row, column = {90: (4, -5), 180: (-5, -5), 270: (-5, 4)}[degrees]
    corners = [frame[r, c].mean() for r in (4, -5) for c in (4, -5)]
    assert frame[row, column].mean() == max(corners) > 240
    assert sorted(corners)[-2] < 40


def test_odd_sizes_and_pixels_that_are_not_square(tmp_path: Path) -> None:
    frame = read(write_video(tmp_path / "odd.mkv", 2, (45, 61), codec="ffv1", pixels="bgr0", options={}), [0.0])[0][1]
    assert frame.shape == (45, 61, 3)
    path = write_video(tmp_path / "wide.mp4", 2, (64, 96), aspect=Fraction(2, 1))
    with Video(path) as video:
        info = video.describe()
        assert (info.height, info.width) == (64, 192)
        assert "not square" in info.notes[0]
    assert read(path, [0.0])[0][1].shape == (64, 192, 3)


def test_ten_bits_have_the_same_levels(tmp_path: Path) -> None:
    options = {"crf": "1", "g": "10", "bf": "0"}
    path = write_video(tmp_path / "a.mp4", 8, pixels="yuv420p10le", options=options, trc=16)
    with Video(path) as video:
        notes = " ".join(video.describe().notes)
    assert "10 bits" in notes
    assert "HDR" in notes
    frame = read(path, [5 / 25])[0][1]
    assert abs(float(frame[32, 48].mean()) - grey(5)) <= 2


def test_full_range_levels_are_kept(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 8, codec="mjpeg", pixels="yuvj420p", options={"qscale": "1"})
    assert indices(path, [0.0, 0.28]) == [0, 7]


def test_transparent_parts_are_black(tmp_path: Path) -> None:
    frames = []
    for index in range(4):
        image = Image.new("RGBA", (32, 32), (200, 40, 40, 255))
        image.paste((0, 0, 255, 0), (16, 0, 32, 32))
        image.putpixel((index, 0), (255, 255, 255, 255))
        frames.append(image)
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], duration=100)
    frame = read(tmp_path / "a.png", [0.1])[0][1]
    assert frame[16, 8].tolist() == [200, 40, 40]
    assert frame[16, 24].tolist() == [0, 0, 0]


def test_a_gif_is_read_by_the_times_of_its_frames(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((32, 32, 3), grey(index), np.uint8)) for index in range(5)]
    durations = [100, 300, 100, 100, 200]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=durations)
    assert indices(tmp_path / "a.gif", [0.0, 0.15, 0.35, 0.45, 0.55, 0.65, 0.75]) == [0, 1, 1, 2, 3, 4, 4]
    with Video(tmp_path / "a.gif") as video:
        assert video.describe().seconds == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("affordable", [1000, 40])
def test_a_film_strip_is_read_through_or_by_seeking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, affordable: int
) -> None:
    monkeypatch.setattr("c3dvis.clips.video._STRIP_PIXELS", affordable * 64 * 96)
    path = write_video(tmp_path / "a.mp4", 48)
    with Video(path) as video:
        found = list(video.strip(4))
    assert [index_of(frame) for _, frame in found] == [6, 18, 30, 42]
    assert [round(time, 2) for time, _ in found] == [0.24, 0.72, 1.2, 1.68]
