"""What other tools and people wrote, as an increment: plain lists of tasks, spec-kit features, OpenSpec changes.

`sources` reads the files, one reader for each format (`lists`, `spec_kit`, `open_spec`) makes a `draft` of them,
`pages` writes the draft as our documents, and `adopting` puts the parts together. The sources are never changed.

Nothing is lost: every line of a source becomes part of a story, a criterion or a task, or stands word for word in
plan.md.
"""
