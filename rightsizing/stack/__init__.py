"""Stack operations: drivers, history, the release ledger."""
