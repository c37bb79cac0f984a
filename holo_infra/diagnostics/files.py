"""What is wrong with the lock file, and with the folder that is written: HI3xx."""

from __future__ import annotations

from holo_infra.diagnostics.entry import Entry

FILES: dict[str, Entry] = {
    "HI301": Entry(
        "the lock file is broken",
        "Numbers are only kept while it can be read; without it all would be given anew.",
        "Take the file back from version control.",
    ),
    "HI302": Entry(
        "the lock file is of another version",
        "It was written by a newer holo.",
        "Use that version of holo.",
    ),
    "HI303": Entry(
        "a number or name is twice in the lock file",
        "That is what a merge leaves when two branches took the same number, or both have a line of"
        " one name. Of two such lines, one would be dropped without a word.",
        "Take one of the two out of the lock file: `holo compile` gives new numbers to what has"
        " none.",
    ),
    "HI304": Entry(
        "the lock file would change",
        "`--locked` compiles only what has all its numbers in the lock file already.",
        "Run `holo compile` without `--locked`, and commit the lock file.",
    ),
    "HI310": Entry(
        "the output folder is not ours",
        "It is not empty, and has no manifest of `holo compile`: it may be somebody's work.",
        "Give an empty or new folder, or one that `holo compile` has written.",
    ),
    "HI311": Entry(
        "a file is in the way",
        "What `holo compile` did not write has the name of a file or folder that it writes.",
        "Move it away.",
    ),
    "HI312": Entry(
        "a file was changed by hand",
        "The next run would overwrite the changes.",
        "Move the changes away: into a module that `Host.imports` names, or into the fleet.",
    ),
    "HI313": Entry(
        "the folder cannot be written",
        "The new tree is made beside the old one, and takes its place in one step. That needs a"
        " folder, and one above it, that are writable, and a file system with hard links that can"
        " exchange two folders; none can be mounted inside.",
        "Give another folder, or change its mode or owner.",
    ),
    "HI314": Entry(
        "a module that a host imports is missing",
        "`Host.imports` names files of yours in the output folder, by their paths inside it. Nix"
        " will not evaluate the host without them.",
        "Put the module there; `holo compile` leaves it alone.",
        "warning",
    ),
    "HI320": Entry(
        "a program is missing",
        "The command uses a program of the system that is not installed.",
        "Install it as the hint says.",
    ),
}
