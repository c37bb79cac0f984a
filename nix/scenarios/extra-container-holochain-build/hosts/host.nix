# Fleet build: host host. Made by `python -m holo_infra.scenarios`; do not edit.
{ classes, ... }:
{
  networking.hostName = "host";
  system.stateVersion = "26.05";
  holo = {
    containers = {
      holochain0 = {
        index = 0;
        forwards = {
          admin = {
            hostPort = 8000;
            port = 8000;
          };
          again = {
            hostPort = 8081;
            port = 8090;
            engine = "haproxy";
            probe = "http:/health";
          };
          httpgw = {
            hostPort = 8080;
            port = 8090;
            engine = "socat";
            probe = "http:/health";
          };
        };
        secrets.passphrase = "/etc/holo-scenario/passphrase";
        system = classes.holochain-hc-http-gw-ce9040aa5986895c;
      };
      holochain1 = {
        index = 0;
        network = "shared";
        secrets.passphrase = "/etc/holo-scenario/passphrase";
        system = classes.holochain-4adf13b07f8763e2;
      };
    };
    nats-server = {
      enable = true;
      monitorPort = 8222;
      jetstream.domain = "host";
    };
    host-agent = {
      enable = true;
      autoStart = false;
    };
  };
}
