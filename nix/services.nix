# A NixOS machine that runs every service of ours, to be evaluated. It is not meant to be started:
# it has no disk, and nobody has the secrets.
{ config, lib, ... }:
let
  services = lib.filterAttrs (_: service: service ? enable) config.holo;
  off = lib.attrNames (lib.filterAttrs (_: service: !service.enable) services);
  hub.url = "nats://127.0.0.1:4222";
in
{
  boot.isContainer = true;
  networking.hostName = "everything";
  system.stateVersion = "26.05";

  holo = {
    nats-server = {
      enable = true;
      caddy.enable = true;
      websocket.enable = true;
    };
    host-agent = {
      enable = true;
      containerPrivateNetwork = true;
      nats = {
        inherit hub;
        listenPort = 4224;
      };
    };
    orchestrator = {
      enable = true;
      mongo.urlFile = "/run/keys/mongo-url";
      nats = { inherit hub; };
    };
    gateway = {
      enable = true;
      nats = { inherit hub; };
    };
    holochain = {
      enable = true;
      passphraseFile = "/run/keys/conductor-passphrase";
    };
    hc-http-gw = {
      enable = true;
      allowedFnsPerAppId.forum = "posts/get";
    };
    holochain-bootstrap.enable = true;
  };

  assertions = [
    {
      assertion = off == [ ];
      message = "not every service is on: ${lib.concatStringsSep ", " off}";
    }
  ];
}
