"""Money: every attempt that left this machine, what it cost, what may be spent, and what a turn will cost."""
