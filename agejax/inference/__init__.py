"""Prediction with a trained model: image loading, face crops, predictions and their output."""
