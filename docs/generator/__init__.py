"""What the site has beside the committed pages: a page per analysis, the API, linked sources."""
