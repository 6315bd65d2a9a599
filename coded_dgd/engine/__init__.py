"""The master and worker loops, their protocol, and the transports they run over."""
