"""Users' own networks: models of other programs, read as data and translated to architectures."""
