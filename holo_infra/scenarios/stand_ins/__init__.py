"""Stand-ins for Holochain's programs, where there are none: each a file that runs alone.

They do what the units need of the real ones, bind 127.0.0.1 only, and say what they are.
"""
