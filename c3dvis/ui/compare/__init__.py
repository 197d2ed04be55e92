"""The Compare page: two to six specs side by side, or one setting in five values."""
