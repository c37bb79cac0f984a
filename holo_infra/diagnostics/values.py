"""Mistakes in the file itself, and in values by themselves: HI0xx."""

from __future__ import annotations

from holo_infra.diagnostics.entry import Entry

VALUES: dict[str, Entry] = {
    "HI001": Entry(
        "the file cannot be read",
        "There is no such file, it may not be read, it is not UTF-8 text, or its name ends in"
        " neither .py nor .yaml.",
        "Give the path of a fleet.py or fleet.yaml that exists.",
    ),
    "HI002": Entry(
        "not valid YAML",
        "The file breaks the grammar of YAML at the place that is named.",
        "Mend the line; often a quote, a colon or the indentation is wrong.",
    ),
    "HI003": Entry(
        "the program of the fleet fails",
        "A fleet.py is a Python program. It is no valid Python, or it ended with an exception.",
        "Mend the line that is named; `python fleet.py` shows the same.",
    ),
    "HI004": Entry(
        "the file defines no fleet",
        "A fleet.py ends with a variable `fleet` that holds a Fleet; a fleet.yaml is a mapping with"
        " `name` and `hosts`.",
        "End the program with `fleet = Fleet(name=…, hosts={…})`, or begin with `holo init`.",
    ),
    "HI005": Entry(
        "a key is given twice",
        "YAML readers keep one of the two and drop the other without a word.",
        "Take one out, or join the two.",
    ),
    "HI006": Entry(
        "a key is not text",
        "All keys of a fleet are names; YAML reads `8000:` as a number and `true:` as a boolean.",
        "Put the key in quotes, or use a name.",
    ),
    "HI007": Entry(
        "YAML that a fleet does not use",
        "Tags, documents after the first, aliases that contain themselves, and very deep or very"
        " large structures are refused.",
        "Write the values out.",
    ),
    "HI010": Entry(
        "a field is missing",
        "The field has no default.",
        "Add it.",
    ),
    "HI011": Entry(
        "a field is not known",
        "Nothing would read it; most often it is misspelt, or stands one level too deep.",
        "Correct the name, or take it out; `holo schema` lists all fields.",
    ),
    "HI012": Entry(
        "a value is of another type",
        'Values are not converted: `"8000"` is text and no number, `26.05` a number and no text.',
        "Write the value as the type that is named; in YAML, quotes make text.",
    ),
    "HI013": Entry(
        "a value or name has another form",
        "Names become parts of unit names, host names and namespaces, addresses and paths reach"
        " systemd and Nix. What these would read differently is refused.",
        "Write it as the message says.",
    ),
    "HI014": Entry(
        "a number is out of range",
        "Ports are 1 to 65535; other numbers have the bounds that are named.",
        "Give a number within the bounds.",
    ),
    "HI015": Entry(
        "a value is not one of the choices",
        "The field takes one of a few words.",
        "Use one of those that are named.",
    ),
    "HI016": Entry(
        "something is empty that must not be",
        "A command, for one, has at least the name of a program.",
        "Give at least one item.",
    ),
    "HI017": Entry(
        "text that cannot be carried",
        "A Nix string cannot hold NUL, systemd refuses noncharacters and values over 64 KiB, and"
        " a command begins with an absolute path or the bare name of a program.",
        "Change the text as the message says.",
    ),
}
