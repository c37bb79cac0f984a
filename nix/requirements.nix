# Requirements as in pyproject.toml, "name[extra]>=1", as packages of nixpkgs. What an extra adds is
# that package's to know; versions are nixpkgs' business.
{ lib, python3Packages }:
lib.concatMap (
  requirement:
  let
    parts = lib.match "([A-Za-z0-9._-]+)(\\[([^]]*)])?.*" requirement;
    package = python3Packages.${lib.elemAt parts 0};
    list = lib.elemAt parts 2;
    extras = if list == null then [ ] else lib.splitString "," list;
  in
  [ package ] ++ lib.concatMap (extra: package.optional-dependencies.${extra}) extras
)
