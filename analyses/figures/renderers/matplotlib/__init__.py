"""Paper figures: vector PDF and SVG, exact column widths, embedded fonts."""
