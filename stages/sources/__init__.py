"""From where data lies to sequence archives: what is taken, how it splits, and the checks on the way."""
