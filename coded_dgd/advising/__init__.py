"""Between engine and planner: what is measured becomes a plan, and a plan a change."""
