"""Rows of tf-idf values: terms counted, chosen and looked up."""
