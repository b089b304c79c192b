"""From trial records to what they mean: the selection, and its table, JSON and CSV.

`selection` is pure and decides; the other modules only show what it decided.
"""
