"""What results look like: toy model on synthetic heads, styles, cached steps."""
