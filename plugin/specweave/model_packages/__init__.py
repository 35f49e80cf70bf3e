"""The registry of model packages in a project."""
