"""Where trials run: `base` has the contract, `inline` and `processes` keep it."""
