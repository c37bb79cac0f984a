# Sets of files, and sources in the store made from them. Knows union and filter; keeps folders that
# the filter leaves empty, where nixpkgs drops them.
{ lib }:
let
  # A set: the paths below which its files are, and which of them they are.
  below = base: file: file == base || lib.hasPrefix "${base}/" file;
  toSet =
    path:
    let
      base = toString path;
    in
    if path._type or null == "fileset" then
      path
    else if !builtins.isPath path then
      throw "lib.fileset: a ${builtins.typeOf path} is no file set"
    else if !builtins.pathExists path then
      throw "lib.fileset: ${base} is a path that does not exist"
    else
      {
        _type = "fileset";
        bases = [ base ];
        has = below base;
      };

  # What a filter is told of a file.
  described = file: {
    name = baseNameOf file;
    type = "regular";
    hasExt = extension: lib.hasSuffix ".${extension}" (baseNameOf file);
  };
in
{
  fileFilter =
    keep: path:
    let
      set = toSet path;
    in
    set // { has = file: set.has file && keep (described file); };

  unions =
    paths:
    let
      sets = map toSet paths;
    in
    {
      _type = "fileset";
      bases = lib.concatMap (set: set.bases) sets;
      has = file: lib.any (set: set.has file) sets;
    };

  toSource =
    { root, fileset }:
    let
      set = toSet fileset;
      leadsTo = folder: lib.any (base: below base folder || below folder base) set.bases;
      outside = lib.filter (base: !below (toString root) base) set.bases;
      outPath = builtins.path {
        name = "source";
        path = root;
        filter = file: type: if type == "directory" then leadsTo file else set.has file;
      };
    in
    lib.throwIf (outside != [ ]) "lib.fileset.toSource: outside of root: ${toString outside}" {
      inherit outPath;
    };
}
