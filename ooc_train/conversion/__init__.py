"""The conversion half: from labelled text to one HDF5 file of features, in bounded memory."""
