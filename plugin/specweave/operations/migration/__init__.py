"""The increments of SpecWeave's four generations, brought to this format where they lie.

    0.23, 1.x   metadata.json, spec.md, plan.md, tasks.md; AC-US1-01, `### T-001:`
    2.x         no plan.md, a ledger.jsonl; AC-01, `### T-01 title`
    3.0         the tasks stand in spec.md under `## Tasks`

They are read, listed, run and validated without migration too. `identifiers`, `heads`, `relocation` and `state` each
plan changes of lines (`sheet`), `planning` puts them together, `originals` keeps what git has not, and `migrating`
writes: documents first, metadata.json with its `schema` last. An increment whose metadata.json has a schema is ours, so
that migrating twice changes nothing and a migration that was killed is finished by the next one.
"""
