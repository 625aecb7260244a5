"""What browsers are shown of sites."""
