"""Text to hashed tokens: analyzers, folding, tokens, and what hashes take: tables, collisions."""
