"""Results that come with the program, one `<key>.h5` each: there before anything is rendered."""
