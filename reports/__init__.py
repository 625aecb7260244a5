"""Reports over the whole fleet, one folder each: question.sql, page.html, page.md and README.md. See README.md beside this file."""
