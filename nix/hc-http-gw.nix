# The HTTP gateway of Holochain from its source, which is no flake with packages. Each release
# speaks with conductors of one version only.
{
  cmake,
  go,
  lib,
  openssl,
  perl,
  pkg-config,
  rustPlatform,
  src,
}:
let
  inherit (lib.importTOML "${src}/Cargo.toml") package;
in
rustPlatform.buildRustPackage {
  pname = "hc-http-gw";
  inherit (package) version;
  inherit src;
  cargoLock = {
    lockFile = "${src}/Cargo.lock";
    allowBuiltinFetchGit = true;
  };

  # What its own development shell has, for libraries in C and Go of the client that it links.
  nativeBuildInputs = [
    cmake
    go
    perl
    pkg-config
    rustPlatform.bindgenHook
  ];
  buildInputs = [ openssl ];

  # Its tests start conductors.
  doCheck = false;

  meta = {
    inherit (package) description;
    license = lib.licenses.asl20;
    mainProgram = "hc-http-gw";
    platforms = lib.platforms.linux;
  };
}
