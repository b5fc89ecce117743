"""The client package against a real gRPC server that fails on command."""
