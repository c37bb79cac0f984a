# A NATS server, as hub or as a leaf, with a TLS proxy before its websocket.
#
# Made by `just modules` from holo_infra.services.nats_server; do not edit.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  cfg = config.holo.nats-server;
  ipv4 =
    lib.types.strMatching "((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  secretFile =
    lib.types.strMatching "[A-Za-z_][A-Za-z0-9_.-]{0,199}|/([A-Za-mo-oq-z0-9_+@~-][A-Za-z0-9._+@~-]*|n([A-Za-hj-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|ni([A-Za-wy-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|nix[A-Za-z0-9._+@~-]+|p([A-Za-qs-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|pr([A-Za-np-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|pro([A-Za-bd-z0-9._+@~-][A-Za-z0-9._+@~-]*)?|proc[A-Za-z0-9._+@~-]+)(/[A-Za-z0-9_+@~-][A-Za-z0-9._+@~-]*)*";
  dnsName =
    lib.types.strMatching "([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?[.])*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
  isHub = !(cfg.hub.url != null);
  systemAccount = if cfg.systemAccount != null then cfg.systemAccount else "$SYS";
  configuration = lib.replaceStrings [ "\"@{" "}@\"" "\"@include\":" ] [
    "$"
    ""
    "include "
  ] (builtins.toJSON (
    lib.recursiveUpdate (lib.filterAttrs (_: value: value != null) {
      host = cfg.host;
      port = cfg.port;
      server_name =
        if cfg.jetstream.enable then
          if cfg.jetstream.domain != null then cfg.jetstream.domain else "@{HOLO_DOMAIN}@"
        else
          null;
      max_payload = 3145728;
      http =
        if cfg.monitorPort != null then
          "127.0.0.1:${toString (if cfg.monitorPort != null then cfg.monitorPort else 0)}"
        else
          null;
      jetstream =
        if cfg.jetstream.enable then
          lib.filterAttrs (_: value: value != null) {
            domain =
              if cfg.jetstream.domain != null then cfg.jetstream.domain else "@{HOLO_DOMAIN}@";
            store_dir = cfg.jetstream.storeDir;
            max_file_store = cfg.jetstream.maxStorage;
            sync_interval = "always";
          }
        else
          null;
      leafnodes =
        if isHub then
          {
            host = cfg.leafnodeHost;
            port = cfg.leafnodePort;
            no_advertise = true;
          }
        else
          {
            remotes = [
              (lib.filterAttrs (_: value: value != null) {
                urls = lib.optional (cfg.hub.url != null) cfg.hub.url;
                credentials =
                  if cfg.hub.credentialsFile != null then
                    "/run/credentials/holo-nats-server.service/hub.creds"
                  else
                    null;
                "@include" =
                  if cfg.hub.nkeyFile != null && !(cfg.hub.credentialsFile != null) then
                    "../../../run/credentials/holo-nats-server.service/hub.nk"
                  else
                    null;
                tls =
                  if cfg.hub.tlsInsecure then
                    {
                      insecure = true;
                    }
                  else
                    null;
                account = cfg.hub.account;
              })
            ];
          };
      websocket =
        if cfg.websocket.enable || cfg.caddy.enable then
          {
            host = cfg.websocket.host;
            port = cfg.websocket.port;
            no_tls = true;
          }
        else
          null;
      accounts =
        if cfg.accounts != { } then
          lib.mapAttrs (
            name: account:
            lib.filterAttrs (_: value: value != null) {
              jetstream = if account.jetstream && !(name == systemAccount) then "enabled" else null;
              users = lib.mapAttrsToList (
                user: of:
                lib.filterAttrs (_: value: value != null) {
                  nkey = of.nkey;
                  user = if of.nkey != null then null else user;
                  "@include" =
                    if of.passwordFile != null && !(of.nkey != null) then
                      "../../../run/credentials/holo-nats-server.service/password.${name}.${user}"
                    else
                      null;
                  permissions = lib.filterAttrs (_: value: value != null) {
                    publish =
                      if of.publish != null then
                        if (if of.publish != null then of.publish else [ ]) == [ ] then
                          {
                            deny = [ ">" ];
                          }
                        else
                          {
                            allow = if of.publish != null then of.publish else [ ];
                          }
                      else
                        null;
                    subscribe =
                      if of.subscribe != null then
                        if (if of.subscribe != null then of.subscribe else [ ]) == [ ] then
                          {
                            deny = [ ">" ];
                          }
                        else
                          {
                            allow = if of.subscribe != null then of.subscribe else [ ];
                          }
                      else
                        null;
                    allow_responses = if of.allowResponses then of.allowResponses else null;
                  };
                }
              ) account.users;
            }
          ) cfg.accounts
        else
          null;
      no_auth_user = cfg.noAuthUser;
      operator =
        if cfg.operatorFile != null then
          "/run/credentials/holo-nats-server.service/operator"
        else
          null;
      system_account = cfg.systemAccount;
      resolver =
        if cfg.operatorFile != null then
          {
            type = "full";
            dir = "${cfg.jetstream.storeDir}/accounts";
          }
        else
          null;
      resolver_preload = if cfg.resolverPreload != { } then cfg.resolverPreload else null;
    }) cfg.extraAttrs
  ));
  proxy = builtins.toJSON {
    admin = {
      disabled = true;
      config.persist = false;
    };
    storage = {
      module = "file_system";
      root = "/var/lib/holo/holo-nats-server-caddy";
    };
    apps = {
      http = {
        https_port = cfg.websocket.externalPort;
        servers.proxy = {
          listen = [ ":${toString cfg.websocket.externalPort}" ];
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
                        "${if cfg.websocket.host == "0.0.0.0" then "127.0.0.1" else cfg.websocket.host}:${toString cfg.websocket.port}";
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
  opens = cfg.enable && cfg.openFirewall;
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
    lib.optional (cfg.operatorFile != null) "operator:${cfg.operatorFile}"
    ++ (
      lib.optional (cfg.hub.credentialsFile != null) "hub.creds:${cfg.hub.credentialsFile}"
      ++ lib.optional (
        cfg.hub.nkeyFile != null && !(cfg.hub.credentialsFile != null)
      ) "hub.nk:${if cfg.hub.nkeyFile != null then cfg.hub.nkeyFile else ""}"
    )
    ++ lib.concatLists (lib.mapAttrsToList (
      account: of:
      lib.concatLists (lib.mapAttrsToList (
        name: user:
        lib.optional (
          user.passwordFile != null && !(user.nkey != null)
        ) "password.${account}.${name}:${if user.passwordFile != null then user.passwordFile else ""}"
      ) of.users)
    ) cfg.accounts);
  privileged = cfg.websocket.externalPort < 1024;
in
{
  options.holo.nats-server = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether the service runs on this machine.";
    };
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.nats-server;
      defaultText = lib.literalExpression "pkgs.nats-server";
      description = "The package of the server, of version 2.10 or later.";
    };
    host = lib.mkOption {
      type = ipv4;
      default = "127.0.0.1";
      description = "The address to listen on for clients; 0.0.0.0: all.";
    };
    port = lib.mkOption {
      type = lib.types.ints.between 1024 65535;
      default = 4222;
      description = "The port for clients.";
    };
    leafnodeHost = lib.mkOption {
      type = ipv4;
      default = "0.0.0.0";
      description = "The address on which a hub listens for leaves.";
    };
    leafnodePort = lib.mkOption {
      type = lib.types.ints.between 1024 65535;
      default = 7422;
      description = "The port on which a hub listens for leaves.";
    };
    monitorPort = lib.mkOption {
      type = lib.types.nullOr (lib.types.ints.between 1024 65535);
      default = null;
      description = "The port for `/healthz` and other questions, on 127.0.0.1.";
    };
    openFirewall = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether NixOS's firewall lets others reach `port` and `leafnode_port`.";
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
    jetstream = {
      enable = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = "Whether the server stores streams.";
      };
      domain = lib.mkOption {
        type = lib.types.nullOr (lib.types.strMatching "[A-Za-z0-9][A-Za-z0-9_-]{0,126}");
        default = null;
        description = ''
          The server's domain. Hub and leaves need different ones; by default it is the
          machine's name, in a container of a fleet `HOST_CONTAINER`.
        '';
      };
      storeDir = lib.mkOption {
        type = lib.types.strMatching "/var/lib/[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)+";
        default = "/var/lib/holo/nats-server";
        description = "Where streams are stored.";
      };
      maxStorage = lib.mkOption {
        type = lib.types.nullOr (lib.types.strMatching "[1-9][0-9]{0,9}[KMGT]");
        default = null;
        description = ''
          What streams may take on the disk: `20G`; by default three quarters of what is
          free.
        '';
      };
    };
    websocket = {
      enable = lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether the server takes websockets; with `caddy.enable` it does.";
      };
      host = lib.mkOption {
        type = ipv4;
        default = "127.0.0.1";
        description = "The address to listen on, without TLS.";
      };
      port = lib.mkOption {
        type = lib.types.ints.between 1024 65535;
        default = 4223;
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
        description = "Whether NixOS's firewall lets others reach `external_port`.";
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
    accounts = lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule {
        options = {
          jetstream = lib.mkOption {
            type = lib.types.bool;
            default = true;
            description = "Whether it may have streams.";
          };
          users = lib.mkOption {
            type = lib.types.attrsOf (lib.types.submodule {
              options = {
                nkey = lib.mkOption {
                  type = lib.types.nullOr (lib.types.strMatching "U[A-Z2-7]{55}");
                  default = null;
                  description = "The public half of the key by which it proves who it is.";
                };
                passwordFile = lib.mkOption {
                  type = lib.types.nullOr secretFile;
                  default = null;
                  description = ''
                    A file in NATS's own syntax with the line `password: "…"`, plain or hashed by
                    bcrypt.
                  '';
                };
                publish = lib.mkOption {
                  type = lib.types.nullOr (lib.types.listOf (
                    lib.types.strMatching "(([*]|[A-Za-z0-9_$-]+)[.])*(([*]|[A-Za-z0-9_$-]+)|>)"
                  ));
                  default = null;
                  description = "The subjects to which it may publish; null: all.";
                };
                subscribe = lib.mkOption {
                  type = lib.types.nullOr (lib.types.listOf (
                    lib.types.strMatching "(([*]|[A-Za-z0-9_$-]+)[.])*(([*]|[A-Za-z0-9_$-]+)|>)( [A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*)?"
                  ));
                  default = null;
                  description = "The subjects to which it may subscribe; null: all.";
                };
                allowResponses = lib.mkOption {
                  type = lib.types.bool;
                  default = false;
                  description = "Whether it may answer each request that it was sent.";
                };
              };
            });
            default = { };
            description = "Its users, by name; one with an `nkey` has its name for readers only.";
            apply = lib.mapAttrs (
              name: value:
              lib.throwIf (builtins.match "[A-Za-z0-9][A-Za-z0-9_.@-]{0,99}" name == null) (
                "holo.nats-server.accounts.<name>.users: the name does not match [A-Za-z0-9][A-Za-z0-9_.@-]{0,99}: "
                + name
              ) value
            );
          };
        };
      });
      default = { };
      description = "Who may do what; without accounts everyone who reaches the server may do all.";
      apply = lib.mapAttrs (
        name: value:
        lib.throwIf (builtins.match "[A-Za-z0-9_$][A-Za-z0-9_-]{0,99}" name == null) (
          "holo.nats-server.accounts: the name does not match [A-Za-z0-9_$][A-Za-z0-9_-]{0,99}: "
          + name
        ) value
      );
    };
    noAuthUser = lib.mkOption {
      type = lib.types.nullOr (lib.types.strMatching "[A-Za-z0-9][A-Za-z0-9_.@-]{0,99}");
      default = null;
      description = "The user that is taken to be meant when a client names none.";
    };
    operatorFile = lib.mkOption {
      type = lib.types.nullOr secretFile;
      default = null;
      description = ''
        A file with the operator's JWT: accounts come as JWTs that it has signed, by
        `$SYS.REQ.CLAIMS.UPDATE`, and not from `accounts`.
      '';
    };
    systemAccount = lib.mkOption {
      type = lib.types.nullOr (lib.types.strMatching "[A-Za-z0-9_$][A-Za-z0-9_-]{0,99}");
      default = null;
      description = "The account of the server itself: a name in `accounts`, with an operator a key.";
    };
    resolverPreload = lib.mkOption {
      type = lib.types.attrsOf (
        lib.types.strMatching "[A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.][A-Za-z0-9_-]+"
      );
      default = { };
      description = "Accounts' JWTs that the server knows from the first start, with an operator.";
      apply = lib.mapAttrs (
        name: value:
        lib.throwIf (builtins.match "A[A-Z2-7]{55}" name == null) (
          "holo.nats-server.resolverPreload: the name does not match A[A-Z2-7]{55}: " + name
        ) value
      );
    };
    extraAttrs = lib.mkOption {
      type = lib.types.attrsOf (pkgs.formats.json { }).type;
      default = { };
      description = ''
        More of the server's configuration, which takes the place of ours. A text
        `@{NAME}@` is the variable `$NAME` of NATS; no other text can hold `@{` or `}@`,
        and no name begins with `@`.
      '';
    };
  };

  config = {
    assertions = [
      {
        assertion =
          !cfg.enable
          || lib.concatLists (lib.mapAttrsToList (
            name: account:
            lib.concatLists (lib.mapAttrsToList (
              name2: user:
              lib.optional (
                !(user.nkey != null)
                && !(user.passwordFile != null)
                && name2 != (if cfg.noAuthUser != null then cfg.noAuthUser else "")
              ) name2
            ) account.users)
          ) cfg.accounts)
          == [ ];
        message = "holo.nats-server.accounts: a user needs nkey or passwordFile";
      }
      {
        assertion = !cfg.enable || !(cfg.operatorFile != null) || cfg.accounts == { };
        message = "holo.nats-server: with operatorFile, accounts are the operator's";
      }
    ];
    environment.etc = lib.mkMerge [
      (lib.mkIf cfg.enable {
        "holo/services/holo-nats-server.conf".text = configuration;
      })
      (lib.mkIf (cfg.enable && cfg.caddy.enable) {
        "holo/services/holo-nats-server-caddy.json".text = proxy;
      })
    ];
    networking.firewall.allowedTCPPorts =
      lib.optional (opens && !lib.hasPrefix "127." cfg.host) cfg.port
      ++ lib.optional (opens && !(cfg.hub.url != null)) cfg.leafnodePort
      ++ lib.optional (
        cfg.enable && cfg.caddy.enable && cfg.websocket.openFirewall
      ) cfg.websocket.externalPort;
    systemd.services = {
      holo-nats-server = lib.mkIf cfg.enable {
        description = "NATS server";
        after = [ "network-online.target" ];
        wants = [ "network-online.target" ];
        wantedBy = [ "multi-user.target" ];
        restartTriggers = [ configuration ];
        environment.HOLO_DOMAIN = "\"%l\"";
        unitConfig.StartLimitIntervalSec = 0;
        serviceConfig = lib.mkMerge [
          confined
          sandbox
          {
            Type = "exec";
            EnvironmentFile = "-/etc/holo/identity.env";
            ExecStart = utils.escapeSystemdExecArgs [
              (lib.getExe' cfg.package "nats-server")
              "--config"
              "/etc/holo/services/holo-nats-server.conf"
            ];
            LoadCredential = lib.mkIf (secrets != [ ]) secrets;
            User = "holo-nats-server";
            Restart = "always";
            RestartSec = 2;
            TimeoutStopSec = 30;
            StateDirectory = lib.removePrefix "/var/lib/" cfg.jetstream.storeDir;
            StateDirectoryMode = "0700";
            LimitNOFILE = 65536;
            CapabilityBoundingSet = "";
            PrivateUsers = true;
            RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX";
          }
        ];
      };
      holo-nats-server-caddy = lib.mkIf (cfg.enable && cfg.caddy.enable) {
        description = "TLS proxy of holo-nats-server";
        after = [ "network-online.target" "holo-nats-server.service" ];
        wants = [ "network-online.target" ];
        wantedBy = [ "multi-user.target" ];
        restartTriggers = [ proxy ];
        environment.HOME = "/var/lib/holo/holo-nats-server-caddy";
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
              "/etc/holo/services/holo-nats-server-caddy.json"
            ];
            User = "holo-nats-server-caddy";
            Restart = "always";
            RestartSec = 2;
            StateDirectory = "holo/holo-nats-server-caddy";
            StateDirectoryMode = "0700";
            LimitNOFILE = 65536;
            RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX";
          }
        ];
      };
    };
  };
}
