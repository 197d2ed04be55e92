"""Texture and motion apart: one still texture and a displacement per frame that give a found clip."""
