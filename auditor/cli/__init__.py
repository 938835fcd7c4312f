"""One file per command: parse, call one library function, print, exit code. Heavy imports wait until a command runs."""
