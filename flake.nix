# The project as a flake: its NixOS modules. Fleets compiled by `holo compile` take it as an input.
{
  description = "Typed fleets of NixOS hosts with systemd-nspawn containers on private networks";

  outputs =
    { ... }:
    {
      nixosModules = {
        default = ./modules;
        containers = ./modules/containers.nix;
        firewall = ./modules/firewall.nix;
        haproxy = ./modules/haproxy.nix;
        ports = ./modules/ports.nix;
        readiness = ./modules/readiness.nix;
        socat = ./modules/socat.nix;
        socket-proxyd = ./modules/socket-proxyd.nix;
        units = ./modules/units.nix;
      };
    };
}
