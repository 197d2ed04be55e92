"""The presets are what their names say."""

import c3dvis
from c3dvis.spec import PRESETS


def test_the_strongest_responds_more_strongly_than_the_default_at_the_same_contrast(weights):
    small = {"layer": "Mixed_3b", "filter": 20, "frames": 8, "height": 64, "width": 64}
    clear, strongest = (
        c3dvis.render(c3dvis.RenderSpec(**{**PRESETS[name], **small, "iterations": 60})).metrics
        for name in ("clear", "strongest")
    )
    assert float(strongest["strength"] or 0) > 1.05 * float(clear["strength"] or 0)
    assert abs(float(strongest["contrast"] or 0) - float(clear["contrast"] or 0)) < 2


def test_a_texture_is_rebuilt_from_one_picture_and_its_motion(weights):
    """Nearly all of the clip, and more than of the default's, which has changes too."""
    small = {"layer": "Mixed_4d", "filter": 40, "frames": 8, "height": 64, "width": 64, "iterations": 60}
    results = [c3dvis.render(c3dvis.RenderSpec(**{**PRESETS[name], **small})) for name in ("clear", "texture")]
    clear, texture = (float(c3dvis.take_apart(result).metrics["rebuilt_likeness"] or 0) for result in results)
    assert texture > max(0.9, clear)
