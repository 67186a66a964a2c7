"""Taking a stack from one release to another, and back."""
