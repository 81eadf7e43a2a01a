"""HTML pages: one template environment, one base page and one stylesheet for every package."""
