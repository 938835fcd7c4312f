"""plan -> measure -> judge: the stages and the files between them."""
