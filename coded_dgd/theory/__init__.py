"""This package predicts the performance of a scheme under a delay model, without running it."""

from coded_dgd.theory.prediction import Prediction, expected, predict

__all__ = ["Prediction", "expected", "predict"]
