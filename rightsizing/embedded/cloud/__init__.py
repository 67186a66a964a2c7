"""The local cloud: a moto server, simulated traffic, and without a Docker engine a stand-in."""
