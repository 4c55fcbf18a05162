"""Pages for a person with a browser: plain HTML made here, no script, nothing fetched from elsewhere."""
