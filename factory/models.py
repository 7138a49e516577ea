"""What staff decide about findings of a red-team run."""
