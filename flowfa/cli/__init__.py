"""The command line ``flowfa``: it parses, calls the library, and prints."""
