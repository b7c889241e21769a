"""The service and its page: recommendations in a browser, for one person or many."""
