"""Networks of one hidden layer as the hybrid and the event solver see them."""
