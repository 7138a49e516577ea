"""Dates as the site writes them: months in letters also where there is little room."""

SHORT_DATE_FORMAT = "j M Y"
