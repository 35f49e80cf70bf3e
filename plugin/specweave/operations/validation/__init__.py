"""Validation: what a rule is, the increment it looks at, the rules, and the page of documentation made from them."""
