"""Where rows come from: files of each format, read as rows with their labels and places."""
