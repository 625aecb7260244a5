"""A path on a host: a file, a directory, a symbolic link, or nothing at all."""
