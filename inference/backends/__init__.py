"""One module per runtime behind one seam; ``base`` holds the promises."""
