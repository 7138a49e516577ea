"""Dates as the site writes them: months in letters, so that nobody takes a month for a day."""

DATE_FORMAT = "j F Y"
SHORT_DATE_FORMAT = "j M Y"
