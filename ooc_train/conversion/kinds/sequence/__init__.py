"""Rows of word ids: words counted, numbered and looked up."""
