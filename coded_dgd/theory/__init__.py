"""What is expected of a scheme under a delay model, without running it."""
