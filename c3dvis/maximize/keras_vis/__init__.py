"""The engine `keras-vis`: the original library, unmodified."""
