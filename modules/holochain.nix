# A Holochain conductor, its configuration in the form of its version.
#
# Made by `just modules` from holo_infra.services.holochain; do not edit.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  cfg = config.holo.holochain;
  httpUrl = lib.types.strMatching "https?://[^[:cntrl:][:space:]\"'\\\\]+";
  websocketUrl = lib.types.strMatching "wss?://[^[:cntrl:][:space:]\"'\\\\]+";
  secretFile =
    lib.types.strMatching "[A-Za-z_][A-Za-z0-9_.-]{0,199}|/([A-Za-mo-oq-z0-9_+@~-][A-Za-z0-9._+@~-]*|n([A-Za-hj-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|ni([A-Za-wy-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|nix[A-Za-z0-9._+@~-]+|p([A-Za-qs-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|pr([A-Za-np-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|pro([A-Za-bd-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|proc[A-Za-z0-9._+@~-]+)(/[A-Za-z0-9_+@~-][A-Za-z0-9._+@~-]*)*";
  webrtcConfig =
    if cfg.webrtcTransportPoolIceServers == [ ] then
      null
    else
      {
        iceServers = map (url: {
          urls = [ url ];
        }) cfg.webrtcTransportPoolIceServers;
      };
  configuration = builtins.toJSON (
    lib.recursiveUpdate (
      lib.recursiveUpdate {
        data_root_path = "/var/lib/holo/holochain";
        keystore.type = "lair_server_in_proc";
        admin_interfaces = [
          {
            driver = {
              type = "websocket";
              port = cfg.adminWebsocketPort;
              allowed_origins = cfg.adminWebsocketAllowedOrigins;
            };
          }
        ];
      } { "0.3" = {
        network = {
          network_type = "quic_bootstrap";
          bootstrap_service = cfg.bootstrapServiceUrl;
          transport_pool = [
            (lib.filterAttrs (_: value: value != null) {
              type = "webrtc";
              signal_url = cfg.webrtcTransportPoolSignalUrl;
              webrtc_config = webrtcConfig;
            })
          ];
        };
      }; "0.4" = {
        network = {
          network_type = "quic_bootstrap";
          bootstrap_service = cfg.bootstrapServiceUrl;
          transport_pool = [
            (lib.filterAttrs (_: value: value != null) {
              type = "webrtc";
              signal_url = cfg.webrtcTransportPoolSignalUrl;
              webrtc_config = webrtcConfig;
            })
          ];
        };
        dpki = {
          dna_path = null;
          network_seed = "";
          allow_throwaway_random_dpki_agent_key = false;
          no_dpki = true;
        };
      }; "0.5" = {
        network = lib.filterAttrs (_: value: value != null) {
          bootstrap_url = cfg.bootstrapServiceUrl;
          signal_url = cfg.webrtcTransportPoolSignalUrl;
          webrtc_config = webrtcConfig;
        };
      }; latest = {
        network = lib.filterAttrs (_: value: value != null) {
          bootstrap_url = cfg.bootstrapServiceUrl;
          signal_url = cfg.webrtcTransportPoolSignalUrl;
          webrtc_config = webrtcConfig;
        };
      }; }.${cfg.version}
    ) cfg.conductorConfigOverrides
  );
  features = builtins.toJSON cfg.features;
  confined = {
    LockPersonality = true;
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
  };
  privileged = cfg.adminWebsocketPort < 1024;
in
{
  options.holo.holochain = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether the service runs on this machine.";
    };
    version = lib.mkOption {
      type = lib.types.enum [ "0.3" "0.4" "0.5" "latest" ];
      default = "0.5";
      description = "The version, which decides the form of the configuration; `latest` is 0.5.";
    };
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.holochain;
      defaultText = lib.literalExpression "pkgs.holochain";
      description = "The package of the conductor. It has to be of `version`.";
    };
    features = lib.mkOption {
      type = lib.types.listOf (lib.types.strMatching "[^[:cntrl:]]*([\t\n][^[:cntrl:]]*)*");
      default = [ ];
      example = [ "unstable-functions" ];
      description = ''
        Cargo features that the conductor is to be built with. A built conductor has no
        such switch: this is data for the function that makes `package`, and is kept in
        `/etc/holo/services/holochain-features.json`.
      '';
    };
    adminWebsocketPort = lib.mkOption {
      type = lib.types.ints.between 1 65535;
      default = 8000;
      description = ''
        The port of the admin interface. The conductor binds it to loopback, and asks
        nobody who reaches it for a password.
      '';
    };
    adminWebsocketAllowedOrigins = lib.mkOption {
      type = lib.types.strMatching "[^[:cntrl:][:space:]\"'\\\\]+";
      default = "*";
      description = ''
        The origins from which browsers may use the admin interface: `*`, or some with
        commas between.
      '';
    };
    bootstrapServiceUrl = lib.mkOption {
      type = httpUrl;
      default = "https://bootstrap.holo.host";
      description = "Where peers find each other.";
    };
    webrtcTransportPoolSignalUrl = lib.mkOption {
      type = websocketUrl;
      default = "wss://sbd.holo.host";
      description = "Where peers agree on a connection.";
    };
    webrtcTransportPoolIceServers = lib.mkOption {
      type = lib.types.listOf (
        lib.types.strMatching "(stun|stuns|turn|turns):[^[:cntrl:][:space:]\"'\\\\]+"
      );
      default = [ ];
      example = [ "stun:stun.example.org:3478" ];
      description = ''
        Servers that tell the conductor its public address; without any those that it
        has built in. One that asks for a password cannot stand here.
      '';
    };
    passphraseFile = lib.mkOption {
      type = lib.types.nullOr secretFile;
      default = null;
      description = ''
        A file with the passphrase of the keystore, on its first line, of at most 511
        bytes. The conductor does not start without one.
      '';
    };
    conductorConfigOverrides = lib.mkOption {
      type = lib.types.attrsOf (pkgs.formats.json { }).type;
      default = { };
      example.db_sync_strategy = "Resilient";
      description = ''
        More of the conductor's configuration, in the names of its version. Below every
        name it takes the place of ours; lists are replaced as a whole. It is no place
        for secrets.
      '';
    };
    logLevel = lib.mkOption {
      type = lib.types.strMatching "[A-Za-z0-9_][A-Za-z0-9_:=,./-]*";
      default = "info";
      description = "What the conductor logs (RUST_LOG).";
    };
    wasmLogLevel = lib.mkOption {
      type = lib.types.strMatching "[A-Za-z0-9_][A-Za-z0-9_:=,./-]*";
      default = "info";
      description = "What the applications in it log (WASM_LOG).";
    };
  };

  config = {
    assertions = [
      {
        assertion = !cfg.enable || cfg.passphraseFile != null;
        message = "holo.holochain.passphraseFile: the keystore needs a passphrase";
      }
    ];
    environment.etc = lib.mkIf cfg.enable (lib.mkMerge [
      {
        "holo/services/conductor.json".text = configuration;
      }
      {
        "holo/services/holochain-features.json".text = features;
      }
    ]);
    systemd.services.holochain = lib.mkIf cfg.enable {
      description = "Holochain conductor";
      after = [ "network-online.target" ];
      wants = [ "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
      restartTriggers = [ configuration features ];
      environment = {
        RUST_LOG = cfg.logLevel;
        WASM_LOG = cfg.wasmLogLevel;
      };
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
          Type = "notify";
          LoadCredential = lib.optional (
            cfg.passphraseFile != null
          ) "passphrase:${cfg.passphraseFile}";
          ExecStart = utils.escapeSystemdExecArgs [
            (lib.getExe' pkgs.bash "sh")
            "-c"
            "IFS= read -r line <\"$0\"; case \"$line\" in *[![:space:]]*) exec \"$@\" <\"$0\";; esac; echo \"$0: no passphrase on the first line\" >&2; exit 1"
            "/run/credentials/holochain.service/passphrase"
            (lib.getExe' cfg.package "holochain")
            "--piped"
            "--config-path"
            "/etc/holo/services/conductor.json"
          ];
          KillSignal = "SIGINT";
          User = "holo-conductor";
          Restart = "always";
          RestartSec = 5;
          TimeoutStartSec = 300;
          TimeoutStopSec = 30;
          StateDirectory = "holo/holochain";
          StateDirectoryMode = "0700";
          LimitNOFILE = 65536;
          ProtectKernelTunables = true;
          RestrictAddressFamilies = "AF_INET AF_INET6 AF_NETLINK AF_UNIX";
        }
      ];
    };
  };
}
