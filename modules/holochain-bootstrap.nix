# Bootstrap and signal services, by which conductors find each other.
#
# Made by `just modules` from holo_infra.services.holochain_bootstrap; do not edit.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  cfg = config.holo.holochain-bootstrap;
  ipv4 =
    lib.types.strMatching "((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  opens = cfg.enable && cfg.openFirewall && !lib.hasPrefix "127." cfg.listenAddress;
  apart = { "0.3" = true; "0.4" = true; "0.5" = false; latest = false; }.${cfg.version};
  confined = {
    LockPersonality = true;
    MemoryDenyWriteExecute = true;
    NoNewPrivileges = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    SystemCallErrorNumber = "EPERM";
    UMask = "0077";
  };
  sandbox = {
    DynamicUser = true;
    KeyringMode = "private";
    PrivateDevices = true;
    PrivateMounts = true;
    PrivateTmp = true;
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHome = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectProc = "invisible";
    ProtectSystem = "strict";
    RemoveIPC = true;
    RestrictNamespaces = true;
    SystemCallFilter = [ "@system-service" "~@privileged @resources" ];
    ProcSubset = "pid";
    ProtectKernelTunables = true;
  };
  privileged = cfg.port < 1024;
  privileged2 = cfg.signalPort < 1024;
in
{
  options.holo.holochain-bootstrap = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether the service runs on this machine.";
    };
    version = lib.mkOption {
      type = lib.types.enum [ "0.3" "0.4" "0.5" "latest" ];
      default = "0.5";
      description = ''
        The version of the conductors. Since 0.5 one program serves both on `port`; up
        to 0.4 the signal service has `signalPort`.
      '';
    };
    package = lib.mkOption {
      type = lib.types.nullOr lib.types.package;
      default = null;
      description = "The package of the program: by default `kitsune2-bootstrap-srv`, up to 0.4 `hc`.";
    };
    listenAddress = lib.mkOption {
      type = ipv4;
      default = "127.0.0.1";
      description = "The address to listen on, without TLS; 0.0.0.0: all.";
    };
    port = lib.mkOption {
      type = lib.types.ints.between 1 65535;
      default = 50000;
      description = "The port of the bootstrap service.";
    };
    signalPort = lib.mkOption {
      type = lib.types.ints.between 1 65535;
      default = 50001;
      description = "The port of the signal service, up to 0.4.";
    };
    openFirewall = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether NixOS's firewall lets others reach the ports.";
    };
    logLevel = lib.mkOption {
      type = lib.types.strMatching "[A-Za-z0-9_][A-Za-z0-9_:=,./-]*";
      default = "info";
      description = "What the programs log (RUST_LOG).";
    };
  };

  config = {
    networking.firewall.allowedTCPPorts =
      lib.optional opens cfg.port ++ lib.optional (opens && apart) cfg.signalPort;
    systemd.services = {
      holochain-bootstrap = lib.mkIf cfg.enable {
        description = "Bootstrap service of Holochain";
        after = [ "network.target" ];
        wantedBy = [ "multi-user.target" ];
        environment.RUST_LOG = cfg.logLevel;
        unitConfig.StartLimitIntervalSec = 0;
        serviceConfig = lib.mkMerge [
          confined
          sandbox
          {
            AmbientCapabilities = lib.optional privileged "CAP_NET_BIND_SERVICE";
            CapabilityBoundingSet = if privileged then "CAP_NET_BIND_SERVICE" else "";
            PrivateUsers = !privileged;
          }
          {
            Type = "exec";
            ExecStart =
              if apart then
                utils.escapeSystemdExecArgs [
                  (
                    lib.getExe' (if cfg.package != null then cfg.package else pkgs.${"hc"}) "hc-run-local-services"
                  )
                  "--disable-signal"
                  "--bootstrap-interface"
                  cfg.listenAddress
                  "--bootstrap-port"
                  "${toString cfg.port}"
                ]
              else
                utils.escapeSystemdExecArgs [
                  (
                    lib.getExe' (if cfg.package != null then cfg.package else pkgs.${"kitsune2-bootstrap-srv"}) "kitsune2-bootstrap-srv"
                  )
                  "--production"
                  "--listen"
                  "${cfg.listenAddress}:${toString cfg.port}"
                ];
            KillSignal = "SIGINT";
            User = "holo-holochain-bootstrap";
            Restart = "always";
            RestartSec = 2;
            TimeoutStopSec = 10;
            LimitNOFILE = 65536;
            RestrictAddressFamilies = "AF_INET AF_INET6 AF_NETLINK AF_UNIX";
          }
        ];
      };
      holochain-signal = lib.mkIf (cfg.enable && apart) {
        description = "Signal service of Holochain";
        after = [ "network.target" ];
        wantedBy = [ "multi-user.target" ];
        environment.RUST_LOG = cfg.logLevel;
        unitConfig.StartLimitIntervalSec = 0;
        serviceConfig = lib.mkMerge [
          confined
          sandbox
          {
            AmbientCapabilities = lib.optional privileged2 "CAP_NET_BIND_SERVICE";
            CapabilityBoundingSet = if privileged2 then "CAP_NET_BIND_SERVICE" else "";
            PrivateUsers = !privileged2;
          }
          {
            Type = "exec";
            ExecStart = utils.escapeSystemdExecArgs [
              (
                lib.getExe' (if cfg.package != null then cfg.package else pkgs.${"hc"}) "hc-run-local-services"
              )
              "--disable-bootstrap"
              "--signal-interfaces"
              cfg.listenAddress
              "--signal-port"
              "${toString cfg.signalPort}"
            ];
            KillSignal = "SIGINT";
            User = "holo-holochain-signal";
            Restart = "always";
            RestartSec = 2;
            TimeoutStopSec = 10;
            LimitNOFILE = 65536;
            RestrictAddressFamilies = "AF_INET AF_INET6 AF_NETLINK AF_UNIX";
          }
        ];
      };
    };
  };
}
