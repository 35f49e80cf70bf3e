"""Artifact kinds: one module and one template folder each."""
