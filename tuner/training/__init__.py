"""Training one trial in a worker process. `keras_engine` is the only `import tensorflow`."""
