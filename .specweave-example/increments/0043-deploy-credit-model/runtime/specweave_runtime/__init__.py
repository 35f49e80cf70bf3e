"""What runs in production: model packages, prediction, the HTTP service, and the processes of a local deployment.

Imports nothing of specweave, and is copied into every increment that generates a service.
"""
