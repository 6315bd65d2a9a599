"""Which scheme and load suit a cluster: delay laws fitted to measurements, costs, a ranking."""
