"""One editor window: its turns as the editor hears them, its attachments and its status."""
