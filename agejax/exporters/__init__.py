"""A trained model for other runtimes: ONNX, StableHLO, and a page for a browser."""
