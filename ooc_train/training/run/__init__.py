"""The run folder: what training writes, and how it resumes."""
