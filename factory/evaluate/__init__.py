"""How good the answers are: the behaviour suite, its runs, their metrics, and what a release must reach."""
