# The orchestrator, which places workloads on hosts.
#
# Made by `just modules` from holo_infra.services.orchestrator; do not edit.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  cfg = config.holo.orchestrator;
  secretFile =
    lib.types.strMatching "[A-Za-z_][A-Za-z0-9_.-]{0,199}|/([A-Za-mo-oq-z0-9_+@~-][A-Za-z0-9._+@~-]*|n([A-Za-hj-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|ni([A-Za-wy-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|nix[A-Za-z0-9._+@~-]+|p([A-Za-qs-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|pr([A-Za-np-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|pro([A-Za-bd-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|proc[A-Za-z0-9._+@~-]+)(/[A-Za-z0-9_+@~-][A-Za-z0-9._+@~-]*)*";
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
  secrets =
    lib.optional (cfg.nats.hub.passwordFile != null) "nats-password:${cfg.nats.hub.passwordFile}"
    ++ lib.optional (
      cfg.nats.hub.credentialsFile != null
    ) "nats.creds:${cfg.nats.hub.credentialsFile}"
    ++ lib.optional (cfg.nats.hub.nkeyFile != null) "nats.nk:${cfg.nats.hub.nkeyFile}"
    ++ (
      lib.optional (cfg.mongo.urlFile != null) "mongo-url:${cfg.mongo.urlFile}"
      ++ lib.optional (
        cfg.mongo.clusterIdFile != null
      ) "mongo-cluster-id:${cfg.mongo.clusterIdFile}"
      ++ lib.optional (cfg.mongo.passwordFile != null) "mongo-password:${cfg.mongo.passwordFile}"
    );
in
{
  options.holo.orchestrator = {
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
    logLevel = lib.mkOption {
      type = lib.types.enum [ "error" "warn" "info" "debug" "trace" ];
      default = "info";
      description = "How much it logs.";
    };
    mongo = {
      urlFile = lib.mkOption {
        type = lib.types.nullOr secretFile;
        default = null;
        description = "A file with the whole URL, on its first line.";
      };
      username = lib.mkOption {
        type = lib.types.strMatching "[A-Za-z0-9_.@-]{1,100}";
        default = "orchestrator";
        description = "The user at the database, without `url_file`.";
      };
      clusterIdFile = lib.mkOption {
        type = lib.types.nullOr secretFile;
        default = null;
        description = "A file with the cluster's name at Atlas, `cluster0.abcde`, without `url_file`.";
      };
      passwordFile = lib.mkOption {
        type = lib.types.nullOr secretFile;
        default = null;
        description = "A file with the user's password, without `url_file`.";
      };
    };
    nats.hub = {
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
      user = lib.mkOption {
        type = lib.types.nullOr (lib.types.strMatching "[A-Za-z0-9_.@-]{1,100}");
        default = null;
        description = "The user at the hub.";
      };
      passwordFile = lib.mkOption {
        type = lib.types.nullOr secretFile;
        default = null;
        description = "A file with the user's password, on its first line.";
      };
      nkeyFile = lib.mkOption {
        type = lib.types.nullOr secretFile;
        default = null;
        description = "A file with the seed of a user's key.";
      };
    };
  };

  config = {
    assertions = [
      {
        assertion =
          !cfg.enable
          || cfg.mongo.urlFile != null
          || cfg.mongo.clusterIdFile != null && cfg.mongo.passwordFile != null;
        message = "holo.orchestrator.mongo: give urlFile, or clusterIdFile and passwordFile";
      }
    ];
    systemd.services.holo-orchestrator = lib.mkIf cfg.enable {
      description = "Orchestrator of the fleet";
      after = [ "network-online.target" ];
      wants = [ "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
      unitConfig.StartLimitIntervalSec = 0;
      serviceConfig = lib.mkMerge [
        confined
        sandbox
        {
          Type = "exec";
          ExecStart = utils.escapeSystemdExecArgs (
            [ (lib.getExe' cfg.package "holo") "orchestrator" "run" "--log-level" cfg.logLevel ]
            ++ (
              [
                "--nats-url"
                (if cfg.nats.hub.url != null then cfg.nats.hub.url else "nats://127.0.0.1:4222")
              ]
              ++ lib.optional cfg.nats.hub.tlsInsecure "--nats-tls-insecure"
              ++ lib.optionals (cfg.nats.hub.user != null) [ "--nats-user" cfg.nats.hub.user ]
              ++ lib.optionals (cfg.nats.hub.passwordFile != null) [
                "--nats-password-file"
                "/run/credentials/holo-orchestrator.service/nats-password"
              ]
              ++ lib.optionals (cfg.nats.hub.credentialsFile != null) [
                "--nats-credentials-file"
                "/run/credentials/holo-orchestrator.service/nats.creds"
              ]
              ++ lib.optionals (cfg.nats.hub.nkeyFile != null) [
                "--nats-nkey-file"
                "/run/credentials/holo-orchestrator.service/nats.nk"
              ]
              ++ (
                if cfg.mongo.urlFile != null then
                  [ "--mongo-url-file" "/run/credentials/holo-orchestrator.service/mongo-url" ]
                else
                  [ "--mongo-username" cfg.mongo.username ]
                  ++ lib.optionals (cfg.mongo.clusterIdFile != null) [
                    "--mongo-cluster-id-file"
                    "/run/credentials/holo-orchestrator.service/mongo-cluster-id"
                  ]
                  ++ lib.optionals (cfg.mongo.passwordFile != null) [
                    "--mongo-password-file"
                    "/run/credentials/holo-orchestrator.service/mongo-password"
                  ]
              )
            )
          );
          LoadCredential = lib.mkIf (secrets != [ ]) secrets;
          User = "holo-orchestrator";
          Restart = "always";
          RestartSec = 2;
          TimeoutStopSec = 30;
          StateDirectory = "holo/orchestrator";
          StateDirectoryMode = "0700";
          CapabilityBoundingSet = "";
          PrivateUsers = true;
          RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX";
        }
      ];
    };
  };
}
