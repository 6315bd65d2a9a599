"""The planner chooses scheme and load for a cluster, by fitted delay laws and predicted costs."""
