"""Site: a folder of files, served."""
