"""This package measures a cluster with the engine and turns the plan into changes of a run."""
