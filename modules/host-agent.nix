# The host agent, and the NATS leaf server that joins its host to the hub.
#
# Made by `just modules` from holo_infra.services.host_agent; do not edit.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  cfg = config.holo.host-agent;
  ipv4 =
    lib.types.strMatching "((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  secretFile =
    lib.types.strMatching "[A-Za-z_][A-Za-z0-9_.-]{0,199}|/([A-Za-mo-oq-z0-9_+@~-][A-Za-z0-9._+@~-]*|n([A-Za-hj-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|ni([A-Za-wy-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|nix[A-Za-z0-9._+@~-]+|p([A-Za-qs-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|pr([A-Za-np-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|pro([A-Za-bd-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|proc[A-Za-z0-9._+@~-]+)(/[A-Za-z0-9_+@~-][A-Za-z0-9._+@~-]*)*";
  joined = cfg.enable && cfg.nats.hub.url != null;
  leaf = lib.replaceStrings [ "\"@{" "}@\"" "\"@include\":" ] [
    "$"
    ""
    "include "
  ] (builtins.toJSON {
    host = cfg.nats.listenHost;
    port = cfg.nats.listenPort;
    server_name = if cfg.nats.domain != null then cfg.nats.domain else "@{HOLO_DOMAIN}@";
    max_payload = 3145728;
    jetstream = lib.filterAttrs (_: value: value != null) {
      domain = if cfg.nats.domain != null then cfg.nats.domain else "@{HOLO_DOMAIN}@";
      store_dir = cfg.nats.storeDir;
      max_file_store = null;
      sync_interval = "always";
    };
    leafnodes.remotes = [
      (lib.filterAttrs (_: value: value != null) {
        urls = lib.optional (cfg.nats.hub.url != null) cfg.nats.hub.url;
        credentials =
          if cfg.nats.hub.credentialsFile != null then
            "/run/credentials/holo-host-agent-nats.service/hub.creds"
          else
            null;
        "@include" =
          if cfg.nats.hub.nkeyFile != null && !(cfg.nats.hub.credentialsFile != null) then
            "../../../run/credentials/holo-host-agent-nats.service/hub.nk"
          else
            null;
        tls =
          if cfg.nats.hub.tlsInsecure then
            {
              insecure = true;
            }
          else
            null;
        account = cfg.nats.hub.account;
      })
    ];
  });
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
  leafSecrets =
    lib.optional (cfg.nats.hub.credentialsFile != null) "hub.creds:${cfg.nats.hub.credentialsFile}"
    ++ lib.optional (
      cfg.nats.hub.nkeyFile != null && !(cfg.nats.hub.credentialsFile != null)
    ) "hub.nk:${if cfg.nats.hub.nkeyFile != null then cfg.nats.hub.nkeyFile else ""}";
in
{
  options.holo.host-agent = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether the service runs on this machine.";
    };
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.holo-infra;
      defaultText = lib.literalExpression "pkgs.holo-infra";
      description = "The package with `holo`.";
    };
    autoStart = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether it starts with the machine.";
    };
    logLevel = lib.mkOption {
      type = lib.types.enum [ "error" "warn" "info" "debug" "trace" ];
      default = "info";
      description = "How much it logs.";
    };
    nats = {
      package = lib.mkOption {
        type = lib.types.package;
        default = pkgs.nats-server;
        defaultText = lib.literalExpression "pkgs.nats-server";
        description = "The package of the leaf server.";
      };
      listenHost = lib.mkOption {
        type = ipv4;
        default = "127.0.0.1";
        description = "The address on which the leaf server listens.";
      };
      listenPort = lib.mkOption {
        type = lib.types.ints.between 1024 65535;
        default = 4222;
        description = "The port on which the leaf server listens.";
      };
      url = lib.mkOption {
        type =
          lib.types.strMatching "(nats|tls|ws|wss)://([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?[.])*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(:(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?(/[A-Za-z0-9._~/-]*)?";
        default =
          "nats://${config.holo.host-agent.nats.listenHost}:${toString config.holo.host-agent.nats.listenPort}";
        defaultText =
          lib.literalExpression "\"nats://\${config.holo.host-agent.nats.listenHost}:\${toString config.holo.host-agent.nats.listenPort}\"";
        description = "Where the agent reaches its server.";
      };
      credentialsFile = lib.mkOption {
        type = lib.types.nullOr secretFile;
        default = null;
        description = "A file of credentials (`.creds`) that the agent shows there.";
      };
      storeDir = lib.mkOption {
        type = lib.types.strMatching "/var/lib/[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)+";
        default = "/var/lib/holo/host-agent-nats";
        description = "Where the leaf server stores streams.";
      };
      domain = lib.mkOption {
        type = lib.types.nullOr (lib.types.strMatching "[A-Za-z0-9][A-Za-z0-9_-]{0,126}");
        default = null;
        description = "The leaf server's JetStream domain, by default the machine's name.";
      };
      hub = {
        url = lib.mkOption {
          type = lib.types.nullOr (
            lib.types.strMatching "(nats|tls|ws|wss)://([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?[.])*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(:(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?(/[A-Za-z0-9._~/-]*)?"
          );
          default = null;
          description = "Where the hub is; without it there is none.";
        };
        tlsInsecure = lib.mkOption {
          type = lib.types.bool;
          default = false;
          description = "Whether the hub's certificate is taken unchecked: for trials only.";
        };
        credentialsFile = lib.mkOption {
          type = lib.types.nullOr secretFile;
          default = null;
          description = "A file of credentials (`.creds`): a user's JWT and its seed.";
        };
        account = lib.mkOption {
          type = lib.types.nullOr (lib.types.strMatching "[A-Za-z0-9_$][A-Za-z0-9_-]{0,99}");
          default = null;
          description = ''
            The account whose users are joined to the hub; by default that of servers
            without accounts, `$G`.
          '';
        };
        nkeyFile = lib.mkOption {
          type = lib.types.nullOr secretFile;
          default = null;
          description = ''
            A file in NATS's own syntax with the line `nkey: "SU…"`, the seed of a user's
            key; it is not used with `credentials_file`.
          '';
        };
      };
    };
    containerPrivateNetwork = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = ''
        Whether containers of workloads have networks of their own, reached through
        forwards; else they share the host's. The agent reads it as `true` or `false` in
        `IS_CONTAINER_ON_PRIVATE_NETWORK`.
      '';
    };
    supportedHolochainVersionsPath = lib.mkOption {
      type = lib.types.nullOr (lib.types.strMatching "/[^[:cntrl:]]*");
      default = null;
      description = "A file that lists the versions of Holochain for which workloads are taken.";
    };
    extraDaemonizeArgs = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      description = "More arguments for `holo agent run`.";
    };
  };

  config = {
    environment.etc = lib.mkIf joined {
      "holo/services/holo-host-agent-nats.conf".text = leaf;
    };
    systemd.services = {
      holo-host-agent = lib.mkIf cfg.enable {
        description = "Holo host agent";
        after =
          [ "network-online.target" ]
          ++ lib.optional (cfg.nats.hub.url != null) "holo-host-agent-nats.service";
        wants =
          [ "network-online.target" ]
          ++ lib.optional (cfg.nats.hub.url != null) "holo-host-agent-nats.service";
        wantedBy = lib.optional cfg.autoStart "multi-user.target";
        environment.IS_CONTAINER_ON_PRIVATE_NETWORK = lib.boolToString cfg.containerPrivateNetwork;
        unitConfig.StartLimitIntervalSec = 0;
        serviceConfig = lib.mkMerge [
          confined
          {
            Type = "exec";
            ExecStart = utils.escapeSystemdExecArgs (
              [
                (lib.getExe' cfg.package "holo")
                "agent"
                "run"
                "--log-level"
                cfg.logLevel
                "--nats-url"
                cfg.nats.url
              ]
              ++ lib.optionals (cfg.nats.credentialsFile != null) [
                "--nats-credentials-file"
                "/run/credentials/holo-host-agent.service/nats.creds"
              ]
              ++ lib.optionals (cfg.supportedHolochainVersionsPath != null) [
                "--supported-holochain-versions"
                cfg.supportedHolochainVersionsPath
              ]
              ++ cfg.extraDaemonizeArgs
            );
            LoadCredential = lib.mkIf (cfg.nats.credentialsFile != null) (lib.optional (
              cfg.nats.credentialsFile != null
            ) "nats.creds:${cfg.nats.credentialsFile}");
            Restart = "always";
            RestartSec = 5;
            TimeoutStopSec = 30;
            KillMode = "mixed";
            StateDirectory = "holo/host-agent";
            StateDirectoryMode = "0700";
            CapabilityBoundingSet =
              "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_NET_ADMIN CAP_SYS_ADMIN";
            DevicePolicy = "closed";
            KeyringMode = "private";
            PrivateTmp = true;
            ProtectClock = true;
            ProtectControlGroups = true;
            ProtectHome = true;
            ProtectHostname = true;
            ProtectKernelLogs = true;
            ProtectKernelModules = true;
            ProtectKernelTunables = true;
            RestrictAddressFamilies = "AF_INET AF_INET6 AF_NETLINK AF_UNIX";
            SystemCallFilter = "@system-service @mount";
          }
        ];
      };
      holo-host-agent-nats = lib.mkIf joined {
        description = "NATS server";
        after = [ "network-online.target" ];
        wants = [ "network-online.target" ];
        wantedBy = [ "multi-user.target" ];
        restartTriggers = [ leaf ];
        environment.HOLO_DOMAIN = "\"%l\"";
        unitConfig.StartLimitIntervalSec = 0;
        serviceConfig = lib.mkMerge [
          confined
          sandbox
          {
            Type = "exec";
            EnvironmentFile = "-/etc/holo/identity.env";
            ExecStart = utils.escapeSystemdExecArgs [
              (lib.getExe' cfg.nats.package "nats-server")
              "--config"
              "/etc/holo/services/holo-host-agent-nats.conf"
            ];
            LoadCredential = lib.mkIf (leafSecrets != [ ]) leafSecrets;
            User = "holo-host-agent-nats";
            Restart = "always";
            RestartSec = 2;
            TimeoutStopSec = 30;
            StateDirectory = lib.removePrefix "/var/lib/" cfg.nats.storeDir;
            StateDirectoryMode = "0700";
            LimitNOFILE = 65536;
            CapabilityBoundingSet = "";
            PrivateUsers = true;
            RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX";
          }
        ];
      };
    };
  };
}
