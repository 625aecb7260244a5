"""Static sites: the kind Site, its rules, its sources, its pages."""
