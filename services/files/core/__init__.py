"""Pure rules of files: media types, names, ranges, tus headers, speed."""
