"""The HTTP service of credit-model 0043-v2."""
