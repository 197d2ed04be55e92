"""MP4 (H.264, yuv420p), the video format that all browsers and phones play."""

import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

# yuv420p halves the colour resolution: enlarged pixels keep their colours, and every size becomes even.
_UPSCALE, _UPSCALE_LARGE, _LARGE = 4, 2, 960


def encode_mp4(clip: np.ndarray, fps: float, title: str, comment: str) -> bytes:
    """A (T, H, W, 3) uint8 clip as H.264, each pixel enlarged to 4×4 (2×2 from 960 px up), with the index first.

    The colours are ITU-R BT.709 and declared as such; players guess the colour space of a file without a declaration.
    """
    # Loading FFmpeg takes a while, and the page must open without it.
    import av
    from av.video.reformatter import ColorRange, Colorspace

    scale = _UPSCALE if max(clip.shape[1:3]) < _LARGE else _UPSCALE_LARGE
    rate = Fraction(fps).limit_denominator(1000)
    # A real file, since FFmpeg reads the file again to move the index to the front.
    with tempfile.TemporaryDirectory(prefix="c3dvis-") as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
            for name, value in (("title", title), ("comment", comment)):
                if value:
                    container.metadata[name] = value
            stream = container.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "medium"})
            stream.width, stream.height = clip.shape[2] * scale, clip.shape[1] * scale
            stream.pix_fmt = "yuv420p"
            context = stream.codec_context
            context.colorspace, context.color_primaries, context.color_trc = 1, 1, 1
            context.color_range = ColorRange.MPEG
            for index, picture in enumerate(clip):
                large = np.ascontiguousarray(picture.repeat(scale, axis=0).repeat(scale, axis=1))
                frame = av.VideoFrame.from_ndarray(large, format="rgb24").reformat(
                    format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
                )
                frame.pts, frame.time_base = index, 1 / rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path.read_bytes()
