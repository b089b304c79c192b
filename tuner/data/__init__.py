"""Data sets: what they are, where they come from, how workers see them, how rows are split.

Arrays stay in their raw dtype everywhere; scaling happens inside the model. Nothing is ever
unpickled.
"""
