# Forwards by socat: the host's halves, and in a container the inner halves.
#
# Made by `just modules` from holo_infra.network.socat; do not edit.
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
  forwarder = {
    Type = "exec";
    Restart = "always";
    KillMode = "mixed";
    SuccessExitStatus = 143;
    RestrictAddressFamilies = "AF_INET";
  };
  socat = lib.getExe' pkgs.socat "socat";
  curl = lib.getExe' pkgs.curl "curl";
in
{
  options.holo.forwarders = lib.mkOption {
    type = lib.types.attrsOf (lib.types.submodule (
      { config, ... }:
      {
        options = {
          engine = lib.mkOption {
            type = lib.types.enum [ "socat" "nftables" ];
            default = "socat";
            description = ''
              `socat`: a process that listens on the container's address; `nftables`: the
              service does.
            '';
          };
          protocol = lib.mkOption {
            type = lib.types.enum [ "tcp" "udp" ];
            default = "tcp";
            description = "The transport protocol.";
          };
          port = lib.mkOption {
            type = lib.types.port;
            description = "The service's port: on 127.0.0.1, with `nftables` on the container's address.";
          };
          innerPort = lib.mkOption {
            type = lib.types.port;
            default = config.port;
            defaultText = lib.literalExpression "config.port";
            description = "The port to listen on, on the container's address, with `socat`.";
          };
          probe = lib.mkOption {
            type = lib.types.strMatching "tcp|none|http:/[A-Za-z0-9._~/?&=-]*";
            default = "tcp";
            description = ''
              When the service counts as ready, for `socat`: `tcp` once it accepts a
              connection, `http:PATH` once it answers GET PATH with success, `none` at once.
              Nothing listens on the container's address before.
            '';
          };
        };
      }
    ));
    default = { };
    description = ''
      The inner halves of the forwards that lead into this container: those of engine
      `socat`, which listen on the address that the container's identity gives when it
      starts, and the ports that those of engine `nftables` lead to.
    '';
    apply = lib.mapAttrs (
      name: value:
      lib.throwIf (builtins.match "[a-z][a-z0-9]{0,62}" name == null) (
        "holo.forwarders: the name does not match [a-z][a-z0-9]{0,62}: " + name
      ) value
    );
  };

  config.systemd.services = lib.mkMerge [
    (lib.mkMerge (lib.mapAttrsToList (
      container: c:
      let
        machine = "container@${container}.service";
      in
      lib.mkMerge (lib.mapAttrsToList (
        forward: f:
        let
          privileged = f.hostPort < 1024;
          family = { tcp = "TCP4"; udp = "UDP4"; }.${f.protocol};
          forking =
            { tcp = ",fork,reuseaddr,keepalive,keepidle=600,backlog=4096"; udp = ",fork,reuseaddr"; }.${f.protocol};
        in
        {
          "socat-${container}-${forward}" = lib.mkIf (
            c.network == "private" && f.engine == "socat"
          ) {
            description = "Forward ${forward} of container ${container}";
            after = [ machine ];
            bindsTo = [ machine ];
            wantedBy = [ machine "multi-user.target" ];
            unitConfig.StartLimitIntervalSec = 0;
            serviceConfig = lib.mkMerge [
              confined
              sandbox
              forwarder
              {
                AmbientCapabilities = lib.optional privileged "CAP_NET_BIND_SERVICE";
                CapabilityBoundingSet = if privileged then "CAP_NET_BIND_SERVICE" else "";
                PrivateUsers = !privileged;
              }
              {
                ExecStartPre =
                  lib.optional (
                    f.protocol == "tcp" && f.probe == "tcp"
                  ) "-${utils.escapeSystemdExecArgs [ socat "-u" "OPEN:/dev/null" "TCP4:${c.address}:${toString f.innerPort},forever,interval=0.1" ]}"
                  ++ lib.optional (
                    f.protocol == "tcp" && lib.hasPrefix "http:" f.probe
                  ) "-${utils.escapeSystemdExecArgs [ curl "--silent" "--fail" "--output" "/dev/null" "--max-time" "5" "--retry" "1000" "--retry-delay" "1" "--retry-all-errors" "http://${c.address}:${toString f.innerPort}${lib.removePrefix "http:" f.probe}" ]}";
                ExecStart = utils.escapeSystemdExecArgs (
                  [ socat ]
                  ++ (if f.protocol == "udp" then [ "-T" "60" ] else [ "-t" "300" ])
                  ++ [
                    "${family}-LISTEN:${toString f.hostPort},bind=${f.bind}${forking}"
                    "${family}:${c.address}:${toString f.innerPort}"
                  ]
                );
                RestartSec = 5;
                TimeoutStartSec = 300;
                TimeoutStopSec = 10;
              }
            ];
          };
        }
      ) c.forwards)
    ) cfg.containers))
    (lib.mkMerge (lib.mapAttrsToList (
      forward: f:
      let
        privileged = f.innerPort < 1024;
        family = { tcp = "TCP4"; udp = "UDP4"; }.${f.protocol};
        forking =
          { tcp = ",fork,reuseaddr,keepalive,keepidle=600,backlog=4096"; udp = ",fork,reuseaddr"; }.${f.protocol};
      in
      {
        "socat-internal-${forward}-forwarder" = lib.mkIf (f.engine == "socat") {
          description = "Inner half of forward ${forward}";
          after = [ "network.target" ];
          wantedBy = [ "multi-user.target" ];
          unitConfig.StartLimitIntervalSec = 0;
          serviceConfig = lib.mkMerge [
            confined
            sandbox
            forwarder
            {
              AmbientCapabilities = lib.optional privileged "CAP_NET_BIND_SERVICE";
              CapabilityBoundingSet = if privileged then "CAP_NET_BIND_SERVICE" else "";
              PrivateUsers = !privileged;
            }
            {
              EnvironmentFile = "/etc/holo/identity.env";
              ExecStartPre =
                lib.optional (
                  f.protocol == "tcp" && f.probe == "tcp"
                ) "-${utils.escapeSystemdExecArgs [ socat "-u" "OPEN:/dev/null" "TCP4:127.0.0.1:${toString f.port},forever,interval=0.1" ]}"
                ++ lib.optional (
                  f.protocol == "tcp" && lib.hasPrefix "http:" f.probe
                ) "-${utils.escapeSystemdExecArgs [ curl "--silent" "--fail" "--output" "/dev/null" "--max-time" "5" "--retry" "1000" "--retry-delay" "1" "--retry-all-errors" "http://127.0.0.1:${toString f.port}${lib.removePrefix "http:" f.probe}" ]}";
              ExecStart = lib.concatStringsSep " " [
                (utils.escapeSystemdExecArgs (
                  [ socat ] ++ (if f.protocol == "udp" then [ "-T" "60" ] else [ "-t" "300" ])
                ))
                "${family}-LISTEN:${toString f.innerPort},bind=\${HOLO_ADDRESS}${forking}"
                (utils.escapeSystemdExecArgs [ "${family}:127.0.0.1:${toString f.port}" ])
              ];
              RestartSec = 2;
              TimeoutStartSec = 60;
              TimeoutStopSec = 5;
            }
          ];
        };
      }
    ) cfg.forwarders))
  ];
}
