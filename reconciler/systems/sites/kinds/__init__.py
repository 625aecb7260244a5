"""The kinds of static sites."""
