"""Files become stretches of text; each is read in a process of its own, bounded in memory, time and length."""
