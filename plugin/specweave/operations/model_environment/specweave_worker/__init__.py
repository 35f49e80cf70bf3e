"""What runs in the user's own Python: it opens the model, and nothing else does.

A request comes in as JSON, the answer goes out as JSON and files. The package imports nothing of the tool, runs on
Python 3.10 and newer, and is found by path: the user's environment has no specweave.
"""
