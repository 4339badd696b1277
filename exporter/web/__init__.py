"""The HTTP side: routes, pages, the JSON API, TLS and authentication."""
