"""What a user writes (`fleet`, `unit`), and the options of NixOS that it becomes (`options`)."""
