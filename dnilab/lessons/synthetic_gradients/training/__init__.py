"""Networks that are trained by a few lines of NumPy, so that every array of them can be seen."""
