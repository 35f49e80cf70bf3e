"""Increments: numbered folders with spec, plan and tasks, their state and their evidence."""
