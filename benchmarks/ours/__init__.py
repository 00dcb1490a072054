"""The package's side of a comparison where it is no command: scripts like those of the peers."""
