"""The names of the commands, and what each gives."""

COMMANDS = {
    "convert": "labelled data of any size to one HDF5 file of features",
    "train": "a model from such a file, in bounded memory",
    "evaluate": "a model's scores on the rows of a file",
    "predict": "the classes of new rows",
    "inspect": "what is in a converted file",
}
