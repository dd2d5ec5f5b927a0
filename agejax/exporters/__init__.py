"""Exports a trained model to other runtimes: ONNX, StableHLO, and a web page."""
