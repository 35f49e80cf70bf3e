"""What became of an increment since a git revision: by meaning first, then by lines."""
