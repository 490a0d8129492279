"""Pictures in a terminal: which protocol it speaks, and the bytes that draw a small picture with it."""
