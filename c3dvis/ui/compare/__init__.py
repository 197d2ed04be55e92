"""The Compare page: up to six clips side by side, played in step."""
