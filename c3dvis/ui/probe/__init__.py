"""The page Probe: what a real clip excites, and where the network looks."""
