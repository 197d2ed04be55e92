"""How parameters become a volume: parametrisations, the canvas, and the random views."""
