"""The formats of files, one module each; `table` lists them."""
