"""What may be asked about sites."""
