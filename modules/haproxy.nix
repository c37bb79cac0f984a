# Forwards by HAProxy: a socket on the host, a proxy in a container's network.
#
# Made by `just modules` from holo_infra.network.haproxy; do not edit.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  cfg = config.holo;
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
  proxy = {
    Type = "exec";
    Restart = "always";
    RestartSec = 2;
    TimeoutStartSec = 300;
    TimeoutStopSec = 10;
    KillMode = "mixed";
    CapabilityBoundingSet = "";
    PrivateUsers = true;
    RestrictAddressFamilies = "AF_INET";
    IPAddressAllow = "localhost";
    IPAddressDeny = "any";
  };
  socat = lib.getExe' pkgs.socat "socat";
  curl = lib.getExe' pkgs.curl "curl";
  haproxy = lib.getExe' pkgs.haproxy "haproxy";
in
{
  config = {
    environment.etc = lib.mkMerge (lib.mapAttrsToList (
      container: c:
      lib.mkMerge (lib.mapAttrsToList (forward: f: {
        "holo/haproxy/${container}-${forward}.cfg" = lib.mkIf (
          c.network == "private" && f.protocol == "tcp" && f.engine == "haproxy"
        ) {
          text = lib.concatStringsSep "\n" [
            "global"
            "  maxconn 4096"
            "  nbthread 1"
            "  tune.bufsize 65536"
            "defaults"
            "  mode tcp"
            "  timeout connect 5s"
            "  timeout client 24d"
            "  timeout server 24d"
            "  timeout client-fin 300s"
            "  timeout server-fin 300s"
            "listen forward"
            "  bind fd@3"
            "  server service 127.0.0.1:${toString f.port}"
            ""
          ];
        };
      }) c.forwards)
    ) cfg.containers);
    systemd = {
      services = lib.mkMerge (lib.mapAttrsToList (
        container: c:
        lib.mkMerge (lib.mapAttrsToList (
          forward: f: {
            "haproxy-${container}-${forward}" = lib.mkIf (
              c.network == "private" && f.protocol == "tcp" && f.engine == "haproxy"
            ) {
              description = "Proxy of forward ${forward} of container ${container}";
              after = [ "container@${container}.service" "haproxy-${container}-${forward}.socket" ];
              requires = [ "haproxy-${container}-${forward}.socket" ];
              bindsTo = [ "container@${container}.service" ];
              restartTriggers = [
                (lib.concatStringsSep "\n" [
                  "global"
                  "  maxconn 4096"
                  "  nbthread 1"
                  "  tune.bufsize 65536"
                  "defaults"
                  "  mode tcp"
                  "  timeout connect 5s"
                  "  timeout client 24d"
                  "  timeout server 24d"
                  "  timeout client-fin 300s"
                  "  timeout server-fin 300s"
                  "listen forward"
                  "  bind fd@3"
                  "  server service 127.0.0.1:${toString f.port}"
                  ""
                ])
              ];
              unitConfig.StartLimitIntervalSec = 0;
              serviceConfig = lib.mkMerge [
                confined
                sandbox
                proxy
                {
                  NetworkNamespacePath = "/run/netns/${container}";
                  ExecStartPre =
                    lib.optional (
                      f.protocol == "tcp" && f.probe == "tcp"
                    ) "-${utils.escapeSystemdExecArgs [ socat "-u" "OPEN:/dev/null" "TCP4:127.0.0.1:${toString f.port},forever,interval=0.1" ]}"
                    ++ lib.optional (
                      f.protocol == "tcp" && lib.hasPrefix "http:" f.probe
                    ) "-${utils.escapeSystemdExecArgs [ curl "--silent" "--fail" "--output" "/dev/null" "--max-time" "5" "--retry" "1000" "--retry-delay" "1" "--retry-all-errors" "http://127.0.0.1:${toString f.port}${lib.removePrefix "http:" f.probe}" ]}";
                  ExecStart = utils.escapeSystemdExecArgs [
                    haproxy
                    "-q"
                    "-db"
                    "-f"
                    "/etc/holo/haproxy/${container}-${forward}.cfg"
                  ];
                  LimitNOFILE = 12288;
                  SuccessExitStatus = 143;
                }
              ];
            };
          }
        ) c.forwards)
      ) cfg.containers);
      sockets = lib.mkMerge (lib.mapAttrsToList (
        container: c:
        lib.mkMerge (lib.mapAttrsToList (forward: f: {
          "haproxy-${container}-${forward}" = lib.mkIf (
            c.network == "private" && f.protocol == "tcp" && f.engine == "haproxy"
          ) {
            description = "Forward ${forward} of container ${container}";
            after = [ "container@${container}.service" ];
            before = [ "shutdown.target" ];
            bindsTo = [ "container@${container}.service" ];
            conflicts = [ "shutdown.target" ];
            wantedBy = [ "container@${container}.service" "multi-user.target" ];
            unitConfig = {
              StartLimitIntervalSec = 0;
              DefaultDependencies = false;
            };
            listenStreams = [ "${f.bind}:${toString f.hostPort}" ];
            socketConfig = {
              Backlog = 4096;
              FreeBind = true;
              KeepAlive = true;
              KeepAliveTimeSec = 600;
              NoDelay = true;
              TriggerLimitIntervalSec = 0;
            };
          };
        }) c.forwards)
      ) cfg.containers);
    };
  };
}
