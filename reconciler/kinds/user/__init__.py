"""Accounts: who can log in, with which keys, and what they may do as root."""
