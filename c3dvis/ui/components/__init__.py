"""Streamlit components without a build step: each is a folder with one script and one style sheet of the same name."""
