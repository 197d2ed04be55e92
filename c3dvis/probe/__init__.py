"""What a network makes of a real clip: its classes, the filters that respond most, and where each looks.

The modules: `values` has what is asked and answered, without TensorFlow; `responses` computes responses and ranks
filters, `noise` what they are to noise, `attribution` where a network looks, `request` asks one of these.
"""

from c3dvis.probe.request import ProbeRequest
from c3dvis.probe.values import Attribution, FilterResponse, ProbeResult, Target

__all__ = ["Attribution", "FilterResponse", "ProbeRequest", "ProbeResult", "Target"]
