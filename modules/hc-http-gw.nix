# Holochain's HTTP gateway: calls of zome functions over HTTP.
#
# Made by `just modules` from holo_infra.services.hc_http_gw; do not edit.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  cfg = config.holo.hc-http-gw;
  websocketUrl = lib.types.strMatching "wss?://[^[:cntrl:][:space:]\"'\\\\]+";
  ipv4 =
    lib.types.strMatching "((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
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
  privileged = cfg.listenPort < 1024;
in
{
  options.holo.hc-http-gw = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether the service runs on this machine.";
    };
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.hc-http-gw;
      defaultText = lib.literalExpression "pkgs.hc-http-gw";
      description = "The package of the gateway.";
    };
    adminWebsocketUrl = lib.mkOption {
      type = websocketUrl;
      default = "ws://127.0.0.1:8000";
      description = "The conductor's admin interface.";
    };
    listenAddress = lib.mkOption {
      type = ipv4;
      default = "127.0.0.1";
      description = "The address to listen on; 0.0.0.0: all.";
    };
    listenPort = lib.mkOption {
      type = lib.types.ints.between 1 65535;
      default = 8090;
      description = "The port to listen on.";
    };
    allowedFnsPerAppId = lib.mkOption {
      type = lib.types.attrsOf (
        lib.types.strMatching "[*]|[A-Za-z0-9_-]+/[A-Za-z0-9_-]+(,[A-Za-z0-9_-]+/[A-Za-z0-9_-]+)*"
      );
      default = { };
      example.forum = "posts/get_all,posts/get";
      description = ''
        What may be called, by application: `*`, or `zome/function` with commas between.
        The gateway calls with the rights of the conductor's own agent.
      '';
      apply = lib.mapAttrs (
        name: value:
        lib.throwIf (builtins.match "[A-Za-z0-9_]{1,200}" name == null) (
          "holo.hc-http-gw.allowedFnsPerAppId: the name does not match [A-Za-z0-9_]{1,200}: " + name
        ) value
      );
    };
    allowedAppIds = lib.mkOption {
      type = lib.types.listOf (lib.types.strMatching "[A-Za-z0-9_]{1,200}");
      default = lib.mapAttrsToList (app: name: app) config.holo.hc-http-gw.allowedFnsPerAppId;
      defaultText =
        lib.literalExpression "lib.mapAttrsToList (app: name: app) config.holo.hc-http-gw.allowedFnsPerAppId";
      description = ''
        The applications that may be called, by default all in `allowedFnsPerAppId`. The
        gateway does not start when one of them has no functions there.
      '';
    };
    payloadLimitBytes = lib.mkOption {
      type = lib.types.nullOr (lib.types.ints.between 1 2147483647);
      default = null;
      description = "The longest payload that is taken, by default 10 KiB.";
    };
    maxAppConnections = lib.mkOption {
      type = lib.types.nullOr (lib.types.ints.between 1 2147483647);
      default = null;
      description = "How many applications it keeps connections to, by default 50.";
    };
    zomeCallTimeoutMs = lib.mkOption {
      type = lib.types.nullOr (lib.types.ints.between 1 2147483647);
      default = null;
      description = "How long a call may take, in milliseconds, by default 10 s.";
    };
    logLevel = lib.mkOption {
      type = lib.types.strMatching "[A-Za-z0-9_][A-Za-z0-9_:=,./-]*";
      default = "info";
      description = "What the gateway logs (RUST_LOG).";
    };
  };

  config.systemd.services.hc-http-gw = lib.mkIf cfg.enable {
    description = "HTTP gateway of Holochain";
    after = [ "network.target" "holochain.service" ];
    wantedBy = [ "multi-user.target" ];
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
        ExecStart = utils.escapeSystemdExecArgs [ (lib.getExe' cfg.package "hc-http-gw") ];
        User = "holo-hc-http-gw";
        Restart = "always";
        RestartSec = 2;
        KillMode = "mixed";
        TimeoutStopSec = 10;
        RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX";
      }
    ];
    environment = lib.mkMerge [
      {
        HC_GW_ADMIN_WS_URL = lib.replaceStrings [ "%" ] [ "%%" ] cfg.adminWebsocketUrl;
        HC_GW_ADDRESS = cfg.listenAddress;
        HC_GW_PORT = "${toString cfg.listenPort}";
        HC_GW_ALLOWED_APP_IDS = lib.concatStringsSep "," cfg.allowedAppIds;
        RUST_LOG = cfg.logLevel;
      }
      {
        HC_GW_PAYLOAD_LIMIT_BYTES =
          lib.mkIf (
            cfg.payloadLimitBytes != null
          ) "${toString (if cfg.payloadLimitBytes != null then cfg.payloadLimitBytes else 0)}";
        HC_GW_MAX_APP_CONNECTIONS =
          lib.mkIf (
            cfg.maxAppConnections != null
          ) "${toString (if cfg.maxAppConnections != null then cfg.maxAppConnections else 0)}";
        HC_GW_ZOME_CALL_TIMEOUT_MS =
          lib.mkIf (
            cfg.zomeCallTimeoutMs != null
          ) "${toString (if cfg.zomeCallTimeoutMs != null then cfg.zomeCallTimeoutMs else 0)}";
      }
      (lib.mkMerge (lib.mapAttrsToList (app: functions: {
        "HC_GW_ALLOWED_FNS_${app}" = functions;
      }) cfg.allowedFnsPerAppId))
    ];
  };
}
