"""How models are judged: evaluations, red-team runs, training sets, and the record of a release."""
