"""The benches, one file each: `make bench ONLY=name`."""
