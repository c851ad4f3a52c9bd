"""What metrics see of Python source: its tokens, its syntax tree, its data flow."""
