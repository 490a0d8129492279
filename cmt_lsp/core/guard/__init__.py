"""What may leave: secrets in texts, names of files that hold them, and the workspace's ignore files."""
