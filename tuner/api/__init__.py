"""Sweeps from Python: `Sweep` runs one, `Result` is what it found, as pandas tables.

The rule: names and defaults are those of the command line and of the sweep file, and the same use
cases do the work; here values go in and come out, and nothing is printed but progress, on stderr.
"""
