"""Problems: what is minimised, and the data that it is minimised over."""
