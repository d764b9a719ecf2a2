"""Where videos come from: lists of sources, what a search would cost, addresses that are fetched politely."""
