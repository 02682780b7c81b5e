"""Breaking a run on purpose: a library that traces and fails file operations, and a model of disks."""
