"""Storage: the state folder, SQLite files with their migrations and salvage, the thread that writes, and the locks."""
