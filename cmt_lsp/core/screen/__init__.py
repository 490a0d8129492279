"""Pictures of the screen and of the clipboard, taken with the platform's own tools."""
