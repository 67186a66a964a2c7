"""Walk-forward replay of history through sizing rules: ours, the peers' and hindsight."""
