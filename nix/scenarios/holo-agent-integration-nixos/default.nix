# Scenario holo-agent-integration-nixos. Made by `python -m holo_infra.scenarios`; do not edit.
{
  name = "holo-agent-integration-nixos";
  also = [ ];
  classes = { };
  etc = { };
  hosts = {
    hub = {
      module = ./hosts/hub.nix;
      addresses = [
        {
          address = "192.0.2.10";
          prefixLength = 24;
        }
      ];
    };
    host1 = {
      module = ./hosts/host1.nix;
      addresses = [
        {
          address = "192.0.2.21";
          prefixLength = 24;
        }
      ];
    };
    host2 = {
      module = ./hosts/host2.nix;
      addresses = [
        {
          address = "192.0.2.22";
          prefixLength = 24;
        }
      ];
    };
    host3 = {
      module = ./hosts/host3.nix;
      addresses = [
        {
          address = "192.0.2.23";
          prefixLength = 24;
        }
      ];
    };
    host4 = {
      module = ./hosts/host4.nix;
      addresses = [
        {
          address = "192.0.2.24";
          prefixLength = 24;
        }
      ];
    };
    host5 = {
      module = ./hosts/host5.nix;
      addresses = [
        {
          address = "192.0.2.25";
          prefixLength = 24;
        }
      ];
    };
  };
  packages = [ "holo-scenario-nats" ];
  script = ./script.py;
}
