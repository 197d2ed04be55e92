"""Results that come with the program, one `<key>.h5` each, so that the first visit shows finished filters."""
