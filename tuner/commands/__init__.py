"""Use cases, one a module, each a readable list of steps. They know nothing of click."""
