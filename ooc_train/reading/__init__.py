"""Reading rows: their order, windows, batches, and the forms that other libraries take."""
