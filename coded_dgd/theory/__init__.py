"""This package predicts the performance of a scheme under a delay model, without running it."""

from coded_dgd.theory.prediction import Prediction, predict

__all__ = ["Prediction", "predict"]
