"""The pure heart: what things mean and what follows from them. No I/O, no clock, no randomness, standard library only."""
