"""The local cloud: a moto server and, without a Docker engine, a stand-in for one."""
