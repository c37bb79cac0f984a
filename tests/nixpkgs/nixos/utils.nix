# The helpers of nixos/lib/utils.nix for systemd's own syntax. Knows neither units nor options; does
# not resolve `.` and `..` in paths.
{ lib }:
let
  # Printable ASCII that systemd escapes in unit names, and the code of each.
  special = lib.stringToCharacters " !\"#$%&'()*+,;<=>?@[\\]^`{|}~-";
  codes = lib.splitString " " (
    "20 21 22 23 24 25 26 27 28 29 2a 2b 2c "
    + "3b 3c 3d 3e 3f 40 5b 5c 5d 5e 60 7b 7c 7d 7e 2d"
  );
in
rec {
  # A path as systemd-escape --path writes it: "/foo//a-b/" -> "foo-a\x2db", "/" -> "-".
  escapeSystemdPath =
    path:
    let
      parts = lib.filter (part: part != "") (lib.splitString "/" path);
      joined = if parts == [ ] then "/" else lib.concatStringsSep "/" parts;
      escaped = lib.replaceStrings special (map (code: "\\x${code}") codes) joined;
      undotted = lib.removePrefix "." escaped;
      dotted = if escaped == undotted then escaped else "\\x2e${undotted}";
    in
    lib.replaceStrings [ "/" ] [ "-" ] dotted;

  # One argument for Exec lines, quoted, specifiers and variables made literal.
  escapeSystemdExecArg =
    arg:
    let
      s =
        if builtins.isPath arg then
          "${arg}"
        else if lib.isString arg then
          arg
        else if lib.isInt arg || lib.isFloat arg || lib.isDerivation arg then
          toString arg
        else
          throw "escapeSystemdExecArg only allows strings, paths, numbers and derivations";
    in
    lib.replaceStrings [ "%" "$" ] [ "%%" "$$" ] (builtins.toJSON s);
  escapeSystemdExecArgs = lib.concatMapStringsSep " " escapeSystemdExecArg;
}
