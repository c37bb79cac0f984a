# The HTTP gateway of the fleet, with a TLS proxy before it.
#
# Made by `just modules` from holo_infra.services.gateway; do not edit.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  cfg = config.holo.gateway;
  ipv4 =
    lib.types.strMatching "((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  secretFile =
    lib.types.strMatching "[A-Za-z_][A-Za-z0-9_.-]{0,199}|/([A-Za-mo-oq-z0-9_+@~-][A-Za-z0-9._+@~-]*|n([A-Za-hj-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|ni([A-Za-wy-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|nix[A-Za-z0-9._+@~-]+|p([A-Za-qs-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|pr([A-Za-np-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|pro([A-Za-bd-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|proc[A-Za-z0-9._+@~-]+)(/[A-Za-z0-9_+@~-][A-Za-z0-9._+@~-]*)*";
  dnsName =
    lib.types.strMatching "([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?[.])*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
  proxy = builtins.toJSON {
    admin = {
      disabled = true;
      config.persist = false;
    };
    storage = {
      module = "file_system";
      root = "/var/lib/holo/holo-gateway-caddy";
    };
    apps = {
      http = {
        https_port = cfg.externalPort;
        servers.proxy = {
          listen = [ ":${toString cfg.externalPort}" ];
          protocols = [ "h1" "h2" ];
          automatic_https.disable_redirects = true;
          tls_connection_policies = [
            {
              default_sni = cfg.caddy.serverName;
            }
          ];
          routes = [
            {
              match = [
                {
                  host = [ cfg.caddy.serverName ];
                }
              ];
              handle = [
                {
                  handler = "reverse_proxy";
                  upstreams = [
                    {
                      dial =
                        "${if cfg.address == "0.0.0.0" then "127.0.0.1" else cfg.address}:${toString cfg.port}";
                    }
                  ];
                }
              ];
              terminal = true;
            }
          ];
        };
      };
      tls.automation.policies = [
        {
          subjects = [ cfg.caddy.serverName ];
          issuers = [
            (
              if cfg.caddy.issuer == "internal" then
                {
                  module = "internal";
                }
              else
                {
                  module = "acme";
                  ca =
                    if cfg.caddy.staging then
                      "https://acme-staging-v02.api.letsencrypt.org/directory"
                    else
                      "https://acme-v02.api.letsencrypt.org/directory";
                  challenges.http.disabled = true;
                }
            )
          ];
        }
      ];
      pki.certificate_authorities.local.install_trust = false;
    };
  };
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
    ++ lib.optional (cfg.nats.hub.nkeyFile != null) "nats.nk:${cfg.nats.hub.nkeyFile}";
  privileged = cfg.externalPort < 1024;
in
{
  options.holo.gateway = {
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
    address = lib.mkOption {
      type = ipv4;
      default = "127.0.0.1";
      description = "The address to listen on; 0.0.0.0: all.";
    };
    port = lib.mkOption {
      type = lib.types.ints.between 1024 65535;
      default = 8080;
      description = "The port to listen on.";
    };
    externalPort = lib.mkOption {
      type = lib.types.ints.between 1 65535;
      default = 443;
      description = "The port on which Caddy serves it with TLS.";
    };
    openFirewall = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = ''
        Whether NixOS's firewall lets others reach it: `external_port` with Caddy, else
        `port`.
      '';
    };
    logLevel = lib.mkOption {
      type = lib.types.enum [ "error" "warn" "info" "debug" "trace" ];
      default = "info";
      description = "How much it logs.";
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
    caddy = {
      enable = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether Caddy serves the port that others reach.";
      };
      staging = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = ''
          Whether the certificate comes from Let's Encrypt's staging service, which nobody
          trusts and which allows many more requests: for trials.
        '';
      };
      issuer = lib.mkOption {
        type = lib.types.enum [ "acme" "internal" ];
        default = "acme";
        description = ''
          Who signs the certificate: `acme` Let's Encrypt; `internal` an authority of
          Caddy's own, its root in `/var/lib/holo/UNIT/pki/authorities/local/root.crt`,
          for networks without internet.
        '';
      };
      serverName = lib.mkOption {
        type = dnsName;
        default = "localhost";
        description = "The name by which clients reach this machine: the certificate's.";
      };
    };
  };

  config = {
    environment.etc = lib.mkIf (cfg.enable && cfg.caddy.enable) {
      "holo/services/holo-gateway-caddy.json".text = proxy;
    };
    networking.firewall.allowedTCPPorts =
      if cfg.caddy.enable then
        lib.optional (cfg.enable && cfg.openFirewall) cfg.externalPort
      else
        lib.optional (cfg.enable && cfg.openFirewall && !lib.hasPrefix "127." cfg.address) cfg.port;
    systemd.services = {
      holo-gateway = lib.mkIf cfg.enable {
        description = "HTTP gateway of the fleet";
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
              [ (lib.getExe' cfg.package "holo") "gateway" "run" "--log-level" cfg.logLevel ]
              ++ (
                [ "--address" cfg.address "--port" "${toString cfg.port}" ]
                ++ (
                  [
                    "--nats-url"
                    (if cfg.nats.hub.url != null then cfg.nats.hub.url else "nats://127.0.0.1:4222")
                  ]
                  ++ lib.optional cfg.nats.hub.tlsInsecure "--nats-tls-insecure"
                  ++ lib.optionals (cfg.nats.hub.user != null) [ "--nats-user" cfg.nats.hub.user ]
                  ++ lib.optionals (cfg.nats.hub.passwordFile != null) [
                    "--nats-password-file"
                    "/run/credentials/holo-gateway.service/nats-password"
                  ]
                  ++ lib.optionals (cfg.nats.hub.credentialsFile != null) [
                    "--nats-credentials-file"
                    "/run/credentials/holo-gateway.service/nats.creds"
                  ]
                  ++ lib.optionals (cfg.nats.hub.nkeyFile != null) [
                    "--nats-nkey-file"
                    "/run/credentials/holo-gateway.service/nats.nk"
                  ]
                )
              )
            );
            LoadCredential = lib.mkIf (secrets != [ ]) secrets;
            User = "holo-gateway";
            Restart = "always";
            RestartSec = 2;
            TimeoutStopSec = 30;
            StateDirectory = "holo/gateway";
            StateDirectoryMode = "0700";
            CapabilityBoundingSet = "";
            PrivateUsers = true;
            RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX";
          }
        ];
      };
      holo-gateway-caddy = lib.mkIf (cfg.enable && cfg.caddy.enable) {
        description = "TLS proxy of holo-gateway";
        after = [ "network-online.target" "holo-gateway.service" ];
        wants = [ "network-online.target" ];
        wantedBy = [ "multi-user.target" ];
        restartTriggers = [ proxy ];
        environment.HOME = "/var/lib/holo/holo-gateway-caddy";
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
            ExecStart = utils.escapeSystemdExecArgs [
              (lib.getExe' pkgs.caddy "caddy")
              "run"
              "--config"
              "/etc/holo/services/holo-gateway-caddy.json"
            ];
            User = "holo-gateway-caddy";
            Restart = "always";
            RestartSec = 2;
            StateDirectory = "holo/holo-gateway-caddy";
            StateDirectoryMode = "0700";
            LimitNOFILE = 65536;
            RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX";
          }
        ];
      };
    };
  };
}
