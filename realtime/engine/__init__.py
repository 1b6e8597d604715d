"""A deck's sound without its process: runners of a model's methods, their state, bends, live input."""
