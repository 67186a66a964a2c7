"""A small trading system: collect news, score, trade, watch, report. The outside is simulated."""
