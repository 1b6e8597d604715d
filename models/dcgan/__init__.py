"""Two networks against each other: pictures out of noise, and sound that goes on for ever."""
