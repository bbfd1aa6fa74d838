"""Screen figures: interactive HTML for notebooks and export."""
