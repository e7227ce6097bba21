"""The room of notebook 12: every way to train a cut network, raced against backpropagation."""
