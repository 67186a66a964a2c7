"""Adapters from measurement sources to the Parquet store."""
