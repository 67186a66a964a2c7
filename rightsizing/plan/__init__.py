"""From recommendations to phases, money, consistency checks and a release. Pure."""
