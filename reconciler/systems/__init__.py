"""What is more than a kind: one folder holds all of a system, its kinds, engine, pages, commands, documents and tests."""
