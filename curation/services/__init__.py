"""The door for people's writes: every function takes `by=` and leaves an audit event."""
