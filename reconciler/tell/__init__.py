"""How a plan, a round, a problem reads: one file a form. All words and symbols that people see are here."""
