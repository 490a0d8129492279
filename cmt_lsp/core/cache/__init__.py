"""What the prompt cache did for settled turns: counted, priced, and what could be done better."""
