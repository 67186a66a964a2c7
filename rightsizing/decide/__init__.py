"""From a profile and the catalog to a recommendation. Pure."""
