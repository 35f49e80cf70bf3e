"""Files: rendering, the ledger, lossless markdown, atomic writes, locks."""
