"""The panels of the first notebooks."""
