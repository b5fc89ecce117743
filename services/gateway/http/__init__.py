"""The HTTP/JSON door: turns requests into calls and answers into responses, all of it from the descriptors of the contract.

`build_app` compiles routes, JSON mapping and the OpenAPI document at start-up; `HttpServer` serves the app. An RPC added to a .proto with a
`google.api.http` binding appears here by itself.
"""
