"""Commands of the group sw."""
