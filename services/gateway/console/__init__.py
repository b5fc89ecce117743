"""The operators' console: pages and modules, shipped as they are, that speak to the REST door, and the app that serves them."""
