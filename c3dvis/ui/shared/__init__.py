"""Parts that several pages use: server resources, navigation, downloads, measures, progress, status line, notices."""
