"""Which files of an increment the evidence of a command is about, see `Command.artifacts`."""

# What a process that serves is made of: not the tests beside it, nor what only an image needs.
WHAT_RUNS = ("api/**", "runtime/specweave_runtime/**", "!api/tests/**", "!api/Dockerfile*")
WHAT_IS_TESTED = ("api/**", "runtime/specweave_runtime/**", "!api/Dockerfile*")
IN_THE_IMAGE = ("api/**", "runtime/specweave_runtime/**", "!api/tests/**")
