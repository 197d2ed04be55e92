"""Every format, decoded again by somebody else's reader."""

import io
import json

import av
import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from c3dvis.media import FORMATS, encode
from c3dvis.media.png import sheet_grid

SIZES = [(16, 32, 40), (17, 33, 45), (1, 16, 16), (3, 1, 1), (2, 5, 300)]
ANIMATED = ["gif", "webp", "apng", "mp4"]
METADATA = {"title": "Mixed_4d · filter 40", "recipe": {"layer": "Mixed_4d", "seed": 0}}


def moving_clip(frames: int, height: int, width: int) -> np.ndarray:
    """Coloured waves that drift, with far more than 256 colours: (T, H, W, 3) uint8."""
    t, y, x = np.meshgrid(*(np.arange(n) for n in (frames, height, width)), indexing="ij")
    waves = [np.sin(x / 7 + t / 3), np.cos(y / 5 - t / 4), np.sin((x + y) / 9 + t / 2)]
    return np.rint(127.5 + 110 * np.stack(waves, axis=-1)).astype(np.uint8)


def still_clip(frames: int) -> np.ndarray:
    return np.repeat(moving_clip(1, 24, 36), frames, axis=0)


def decode(data: bytes, fmt: str) -> np.ndarray:
    """The pictures in a file, (T, H, W, 3) uint8, as Pillow or FFmpeg reads them."""
    if fmt == "mp4":
        return iio.imread(data, extension=".mp4", plugin="pyav")
    with Image.open(io.BytesIO(data)) as image:
        frames = []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGB")))
    return np.stack(frames)


def enlarged(clip: np.ndarray, scale: int = 4) -> np.ndarray:
    return clip.repeat(scale, axis=1).repeat(scale, axis=2)


def psnr(expected: np.ndarray, received: np.ndarray) -> float:
    error = np.mean((expected.astype(np.float64) - received) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("fmt", ["webp", "apng"])
def test_lossless_animations_come_back_exactly(fmt: str, size: tuple[int, int, int]) -> None:
    clip = moving_clip(*size)
    np.testing.assert_array_equal(decode(encode(clip, fmt), fmt), clip)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gif_has_every_frame_in_good_colours(size: tuple[int, int, int]) -> None:
    clip = moving_clip(*size)
    decoded = decode(encode(clip, "gif"), "gif")
    assert decoded.shape == clip.shape
    assert psnr(clip, decoded) > 25


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_mp4_is_four_times_as_large_and_close(size: tuple[int, int, int]) -> None:
    clip = moving_clip(*size)
    decoded = decode(encode(clip, "mp4"), "mp4")
    assert decoded.shape == enlarged(clip).shape
    assert psnr(enlarged(clip), decoded) > 30


def test_mp4_of_a_large_clip_is_enlarged_twice() -> None:
    clip = moving_clip(1, 8, 960)
    assert decode(encode(clip, "mp4"), "mp4").shape == (1, 16, 1920, 3)


def test_mp4_suits_browsers() -> None:
    data = encode(moving_clip(16, 32, 40), "mp4", fps=12.5)
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 12.5
        assert stream.duration is not None
        assert stream.time_base is not None
        assert float(stream.duration * stream.time_base) == pytest.approx(16 / 12.5)
    # 1 is BT.709 and limited range: a player that has to guess shows other colours.
    assert (frames[0].colorspace, frames[0].color_range) == (1, 1)
    # The index before the pictures, so that it plays while it loads.
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("fmt", ANIMATED)
@pytest.mark.parametrize("frames", [1, 2, 16])
def test_a_still_clip_keeps_all_its_frames(fmt: str, frames: int) -> None:
    assert len(decode(encode(still_clip(frames), fmt), fmt)) == frames


@pytest.mark.parametrize("fmt", ["gif", "webp", "apng"])
def test_animations_loop_for_ever(fmt: str) -> None:
    with Image.open(io.BytesIO(encode(moving_clip(3, 8, 8), fmt))) as image:
        assert image.info["loop"] == 0


def gif_parts(data: bytes) -> tuple[list[int], list[int]]:
    """The flags of every picture and the delay of every control block, read from the bytes of a GIF."""
    flags, delays = [], []
    position = 13 + 3 * 256
    while data[position] != 0x3B:
        if data[position] == 0x21:
            if data[position + 1] == 0xF9:
                delays.append(int.from_bytes(data[position + 4 : position + 6], "little"))
            position += 2
        else:
            assert data[position] == 0x2C
            flags.append(data[position + 9])
            position += 11
        while data[position]:
            position += data[position] + 1
        position += 1
    assert position == len(data) - 1
    return flags, delays


def test_gif_has_one_palette_for_all_frames() -> None:
    clip = moving_clip(16, 33, 45)
    data = encode(clip, "gif")
    assert data[10] & 0x80, "no global palette"
    flags, _ = gif_parts(data)
    # Bit 7 of a picture's flags says that it brings its own palette.
    assert flags == [0] * 16
    colours = decode(data, "gif").reshape(16, -1, 3)
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) <= 256


def test_gif_does_not_flicker_where_the_clip_is_still() -> None:
    clip = moving_clip(16, 24, 48)
    clip[:, :, :20] = clip[:1, :, :20]
    decoded = decode(encode(clip, "gif"), "gif")
    np.testing.assert_array_equal(decoded[:, :, :20], np.repeat(decoded[:1, :, :20], 16, axis=0))
    assert (decoded[1:, :, 20:] != decoded[:-1, :, 20:]).any()


def test_gif_of_few_colours_is_exact() -> None:
    grey = np.tile(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1), (3, 1, 1, 3))
    np.testing.assert_array_equal(decode(encode(grey, "gif"), "gif"), grey)


@pytest.mark.parametrize(
    ("fps", "expected"),
    [(10, [10] * 6), (30, [3, 4, 3, 3, 4, 3]), (100, [2] * 6), (0.1, [1000] * 6)],
)
def test_gif_delays_are_hundredths_that_browsers_obey(fps: float, expected: list[int]) -> None:
    assert gif_parts(encode(moving_clip(6, 8, 8), "gif", fps=fps))[1] == expected


@pytest.mark.parametrize("fmt", ["webp", "apng"])
def test_animations_play_at_the_rate_asked_for(fmt: str) -> None:
    with Image.open(io.BytesIO(encode(moving_clip(8, 8, 8), fmt, fps=25))) as image:
        durations = []
        for index in range(8):
            image.seek(index)
            image.load()
            durations.append(image.info["duration"])
    assert durations == [40] * 8


def test_metadata_travels_with_the_file() -> None:
    clip = moving_clip(2, 8, 8)
    comments = {}
    for fmt in ("gif", "webp", "apng", "png"):
        with Image.open(io.BytesIO(encode(clip, fmt, metadata=METADATA))) as image:
            if fmt == "gif":
                comments[fmt] = image.info["comment"]
            elif fmt == "webp":
                comments[fmt] = image.getexif()[0x010E]
            else:
                assert image.info["Title"] == METADATA["title"]
                comments[fmt] = image.info["Comment"]
    with av.open(io.BytesIO(encode(clip, "mp4", metadata=METADATA))) as container:
        assert container.metadata["title"] == METADATA["title"]
        comments["mp4"] = container.metadata["comment"]
    assert {fmt: json.loads(text) for fmt, text in comments.items()} == dict.fromkeys(comments, METADATA)


def test_a_long_comment_does_not_break_a_gif() -> None:
    metadata = {"note": "ü" * 1000}
    with Image.open(io.BytesIO(encode(moving_clip(2, 8, 8), "gif", metadata=metadata))) as image:
        assert json.loads(image.info["comment"]) == metadata
        assert getattr(image, "n_frames", 1) == 2


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sheet_shows_every_frame_untouched(size: tuple[int, int, int]) -> None:
    clip = moving_clip(*size)
    frames, height, width = size
    with Image.open(io.BytesIO(encode(clip, "png"))) as image:
        sheet = np.asarray(image)
    rows, columns = sheet_grid(*size)
    assert sheet.shape == (rows * (height + 2) - 2, columns * (width + 2) - 2, 4)
    for index in range(frames):
        top, left = index // columns * (height + 2), index % columns * (width + 2)
        np.testing.assert_array_equal(sheet[top : top + height, left : left + width, :3], clip[index])
    assert (sheet[..., 3] == 255).sum() == frames * height * width


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((16, 112, 112), (4, 4)),
        ((1, 112, 112), (1, 1)),
        ((12, 100, 100), (3, 4)),
        ((8, 64, 64), (2, 4)),
        ((6, 300, 100), (1, 6)),
    ],
)
def test_sheet_is_a_page_and_not_a_ribbon(size: tuple[int, int, int], expected: tuple[int, int]) -> None:
    assert sheet_grid(*size) == expected


def test_npy_is_the_clip() -> None:
    clip = moving_clip(5, 7, 9)
    np.testing.assert_array_equal(np.load(io.BytesIO(encode(clip, "npy")), allow_pickle=False), clip)


@pytest.mark.parametrize("fmt", list(FORMATS))
def test_views_and_read_only_clips_encode_as_their_copies_do(fmt: str) -> None:
    view = moving_clip(6, 20, 30)[::2, ::-1, 3:19]
    view.setflags(write=False)
    assert encode(view, fmt) == encode(view.copy(), fmt)


@pytest.mark.parametrize(
    "clip",
    [
        np.zeros((4, 8, 8), np.uint8),
        np.zeros((4, 8, 8, 4), np.uint8),
        np.zeros((4, 8, 8, 3), np.float32),
        np.zeros((0, 8, 8, 3), np.uint8),
        np.zeros((4, 0, 8, 3), np.uint8),
        np.zeros((1, 1, 4097, 3), np.uint8),
    ],
    ids=lambda clip: f"{clip.shape}-{clip.dtype}",
)
def test_what_is_no_clip_is_refused_with_its_shape(clip: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"Expected.*Received") as caught:
        encode(clip, "gif")
    assert str(clip.shape) in str(caught.value)


def test_a_list_is_refused() -> None:
    with pytest.raises(ValueError, match="Received: list"):
        encode([[1]], "gif")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("fps", [0, -1, 0.05, 101, float("nan"), float("inf")])
def test_impossible_rates_are_refused(fps: float) -> None:
    with pytest.raises(ValueError, match="frames per second"):
        encode(moving_clip(1, 4, 4), "gif", fps=fps)


def test_an_unknown_format_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"gif, mp4, webp, apng, png, npy.*'bmp'"):
        encode(moving_clip(1, 4, 4), "bmp")


def test_formats_say_how_files_are_named_and_served() -> None:
    assert list(FORMATS) == ["gif", "mp4", "webp", "apng", "png", "npy"]
    for fmt, form in FORMATS.items():
        assert form.extension == f".{fmt}"
        assert "/" in form.mime
        assert form.title
