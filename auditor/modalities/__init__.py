"""What only one kind of data knows, a folder each; inside it the same stages as outside."""
