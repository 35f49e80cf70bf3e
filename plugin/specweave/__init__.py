"""From a trained model to a running, reversible production service, in increments that people review in git."""
