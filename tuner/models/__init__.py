"""From parameters to Keras models. Keras is imported inside the functions, in workers only."""
