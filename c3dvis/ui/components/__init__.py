"""Components that run in the browser: each a folder with a script and a style sheet, sent as they are."""
