"""Windows as a network takes them, and one sentence for each file that cannot be read, from the process that reads."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from c3dvis.clips import Window, describe_clip, film_strip, read_window, read_windows
from c3dvis.clips.fitting import fit
from c3dvis.errors import ClipTooShort, ClipUnreadable, InvalidSpec
from tests.clips.videos import index_of, write_video

SIZE = (56, 56)


def test_a_window_has_the_networks_size_and_the_files_aspect(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 30, (90, 160))
    found = read_window(path, Window(0.2, 2, 8), SIZE)
    assert found.clip.shape == (8, 56, 56, 3)
    assert found.clip.dtype == np.uint8
    assert [index_of(frame) for frame in found.clip] == [5, 7, 9, 11, 13, 15, 17, 19]
    assert found.seconds == pytest.approx([0.2 + 0.08 * index for index in range(8)], abs=0.002)
    both = list(read_windows(path, [Window(0, 1, 4), Window(0.4, 1, 4)], SIZE))
    assert [index_of(frame) for each in both for frame in each.clip] == [0, 1, 2, 3, 10, 11, 12, 13]


def test_fitting_keeps_circles_round_and_the_centre() -> None:
    rows, columns = np.mgrid[:270, :480]
    disc = (rows - 135) ** 2 + (columns - 240) ** 2 < 100**2
    fitted = fit(np.repeat(disc[..., np.newaxis] * np.uint8(255), 3, -1), (112, 112))[..., 0] > 127
    # the frame's height becomes 8/7 of 112, so the radius of 100 becomes 100 · 128/270
    radius = 100 * 128 / 270
    wide, high = fitted[56].sum() / 2, fitted[:, 56].sum() / 2
    assert abs(wide - radius) < 1
    assert abs(high - radius) < 1
    assert abs(np.argwhere(fitted).mean(0) - 55.5).max() < 0.5


def test_too_few_frames_are_refused_stretched_or_looped(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 6)
    with pytest.raises(ClipTooShort, match=r"a.mp4 has 4 of the 8 frames .*stretch or loop"):
        read_window(path, Window(0.08, 1, 8), SIZE)
    stretched, looped = (
        next(read_windows(path, [Window(0.08, 1, 8, fill)], SIZE))  # type: ignore[arg-type]
        for fill in ("stretch", "loop")
    )
    assert [index_of(frame) for frame in stretched.clip] == [2, 2, 3, 3, 4, 4, 5, 5]
    assert [index_of(frame) for frame in looped.clip] == [2, 3, 4, 5, 2, 3, 4, 5]
    assert stretched.notes == ("The file has 4 frames here; they are stretched to 8.",)
    with pytest.raises(ClipTooShort, match="after its end"):
        read_window(path, Window(9, 1, 8, "loop"), SIZE)
    with pytest.raises(InvalidSpec, match="stride"):
        Window(0, 0)


def test_a_photograph_is_held_and_turned_as_the_camera_noted(tmp_path: Path) -> None:
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:12, :16] = 255
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x112] = 6  # to be turned clockwise by 90 degrees
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    info = describe_clip(tmp_path / "a.jpg")
    assert (info.kind, info.frame_count, info.height, info.width) == ("image", 1, 64, 48)
    assert any("turned" in note for note in info.notes)
    assert any("held" in note for note in info.notes)
    clip = read_window(tmp_path / "a.jpg", Window(length=4), (48, 48)).clip
    assert (clip == clip[:1]).all()
    assert clip[0, 2, -3].mean() > 200  # the corner that was at the top left is at the top right
    assert clip[0, 2, 2].mean() < 50


def test_a_film_strip_is_small(tmp_path: Path) -> None:
    strip = film_strip(write_video(tmp_path / "a.mp4", 30, (90, 160)), 5, 45)
    assert [frame.shape for _, frame in strip] == [(45, 80, 3)] * 5
    assert [time for time, _ in strip] == sorted(time for time, _ in strip)


def bad_files(folder: Path) -> dict[str, str]:
    """A file of each kind that cannot be read, and words of the sentence about it."""
    (folder / "text.mp4").write_text("this is not a video\n" * 100)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "list.mp4").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"
    )
    (folder / "concat.mp4").write_text("ffconcat version 1.0\nfile whole.mp4\n")
    whole = write_video(folder / "whole.mp4", 20).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    noise = np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes()
    (folder / "noise.mkv").write_bytes(noise)
    sound(folder / "sound.mp4")
    frameless(folder / "frameless.mkv")
    Image.new("L", (8000, 8000)).save(folder / "huge.png")
    return {
        "text.mp4": "cannot read text.mp4 as a video", "empty.mp4": "cannot read empty.mp4",
        "list.mp4": "cannot read list.mp4", "concat.mp4": "cannot read concat.mp4", "cut.mp4": "cut off",
        "noise.mkv": "cannot read noise.mkv", "sound.mp4": "no video stream",
        "frameless.mkv": "cannot read frameless.mkv", "huge.png": "8000 × 8000", "absent.mp4": "is not there",
    }  # fmt: skip


def sound(path: Path) -> None:
    """A file with sound alone."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def frameless(path: Path) -> None:
    """A video whose header is whole, and which ends before its first frame."""
    whole = write_video(path, 12).read_bytes()
    cluster = whole.index(bytes.fromhex("1f43b675"))  # the ID of Matroska's first cluster of frames
    path.write_bytes(whole[:cluster])


def test_each_file_that_cannot_be_read_says_why_in_one_sentence(tmp_path: Path) -> None:
    expected = bad_files(tmp_path)
    before = sorted(tmp_path.rglob("*")), len(psutil.Process().children())
    for name, words in expected.items():
        with pytest.raises(ClipUnreadable) as caught:
            describe_clip(tmp_path / name)
        message = str(caught.value)
        assert words in message, (name, message)
        assert "\n" not in message
        assert len(message) < 320
    assert (sorted(tmp_path.rglob("*")), len(psutil.Process().children())) == before  # nothing is left behind


def test_a_file_that_breaks_off_gives_the_frames_it_has(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", 40, options={"crf": "1", "g": "1"}).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    assert describe_clip(tmp_path / "cut.mkv").kind == "video"
    assert index_of(read_window(tmp_path / "cut.mkv", Window(0.2, 1, 4), SIZE).clip[0]) == 5
    with pytest.raises(ClipTooShort):
        read_window(tmp_path / "cut.mkv", Window(0.2, 1, 32), SIZE)


def test_memory_does_not_follow_the_length_of_a_file(tmp_path: Path) -> None:
    """8 times as many frames, read near the end: the process takes the same memory."""
    peaks = []
    for count in (100, 800):
        path = write_video(tmp_path / f"{count}.mp4", count, (360, 640), options={"preset": "ultrafast", "g": "25"})
        peaks.append(
            peak_of_children(lambda path=path, count=count: read_window(path, Window((count - 20) / 25), SIZE))
        )
    assert peaks[1] < 1.2 * peaks[0]


def peak_of_children(function: Callable[[], object]) -> int:
    """The most memory that a child process of this one has while a function runs, in bytes."""
    peak, ended = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.002):
            for child in psutil.Process().children():
                try:
                    peak = max(peak, child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        function()
    finally:
        ended.set()
        thread.join()
    return peak
