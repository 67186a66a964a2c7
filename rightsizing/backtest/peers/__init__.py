"""The sizing rules of others, reimplemented from what is public, to be replayed beside ours."""
