"""Files: rendering (pure), ledger (plan, write, hashes), markdown (lossless edit), atomic writes, lock."""
