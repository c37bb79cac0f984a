# Sets of attributes as one, where no two may have the same name. Unlike `//`, in which the later
# one silently takes the place of the earlier, with all that is below it.
{ lib }:
let
  add =
    a: b:
    let
      twice = lib.attrNames (builtins.intersectAttrs a b);
    in
    lib.throwIf (twice != [ ]) "defined twice: ${lib.concatStringsSep ", " twice}" (a // b);
in
lib.foldl' add { }
