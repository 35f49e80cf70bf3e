"""Commands of the group ml."""
