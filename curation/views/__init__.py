"""Pages about what people make."""
