"""Proof of an import: the model's own framework computes every layer, in a process of its own, and is compared."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when onnxruntime is imported, which reports to its makers otherwise
