"""How a command is measured: a fresh process, its memory, its limit, the machine."""
