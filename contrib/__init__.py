"""Files for places where nobody has run them: see README.md."""
