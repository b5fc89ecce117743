"""The RPCs of identity: protobuf in, protobuf out, and nothing decided in between."""
