# What containers in private networks may reach, by nftables.
#
# Made by `just modules` from holo_infra.network.firewall; do not edit.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  cfg = config.holo;
  ipv4 =
    lib.types.strMatching "((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
  links = lib.concatLists (lib.mapAttrsToList (
    name: c:
    lib.optional (c.network == "private") "\"holo-${toString c.index}\""
  ) cfg.containers);
  together = lib.concatLists (lib.mapAttrsToList (
    name: c:
    lib.optional (c.network == "private" && !c.isolated) "\"holo-${toString c.index}\""
  ) cfg.containers);
  toHub = lib.concatLists (lib.mapAttrsToList (
    name: c:
    lib.optional (c.network == "private" && c.egress == "hub") "\"holo-${toString c.index}\""
  ) cfg.containers);
  toInternet = lib.concatLists (lib.mapAttrsToList (
    name: c:
    lib.optional (c.network == "private" && c.egress == "internet") "\"holo-${toString c.index}\""
  ) cfg.containers);
  leaving = lib.concatLists (lib.mapAttrsToList (
    name: c:
    lib.optional (c.network == "private" && c.egress != "none") c.address
  ) cfg.containers);
  exposed = lib.concatLists (lib.mapAttrsToList (
    name: c:
    lib.optional (
      lib.concatLists (lib.mapAttrsToList (
        name2: f:
        lib.optional (
          c.network == "private" && f.engine == "nftables" && !lib.hasPrefix "127." f.bind
        ) name2
      ) c.forwards)
      != [ ]
    ) c.address
  ) cfg.containers);
  services = lib.concatLists (lib.mapAttrsToList (
    name: c:
    lib.concatLists (lib.mapAttrsToList (
      name2: f:
      lib.optional (
        c.network == "private" && f.engine == "nftables" && !lib.hasPrefix "127." f.bind
      ) "${c.address} . ${f.protocol} . ${toString f.port}"
    ) c.forwards)
  ) cfg.containers);
  ofOne = lib.concatLists (lib.mapAttrsToList (
    name: c:
    lib.concatLists (lib.mapAttrsToList (
      name2: f:
      lib.optional (
        c.network == "private"
        && f.engine == "nftables"
        && !lib.hasPrefix "127." f.bind
        && f.bind != "0.0.0.0"
      ) "${f.bind} . ${f.protocol} . ${toString f.hostPort} : ${c.address} . ${toString f.port}"
    ) c.forwards)
  ) cfg.containers);
  ofAll = lib.concatLists (lib.mapAttrsToList (
    name: c:
    lib.concatLists (lib.mapAttrsToList (
      name2: f:
      lib.optional (
        c.network == "private"
        && f.engine == "nftables"
        && !lib.hasPrefix "127." f.bind
        && f.bind == "0.0.0.0"
      ) "${f.protocol} . ${toString f.hostPort} : ${c.address} . ${toString f.port}"
    ) c.forwards)
  ) cfg.containers);
  hub = lib.optionals (cfg.hub != null) (lib.optional (
    toHub != [ ]
  ) "    iifname @hub ip daddr ${cfg.hub} accept");
  rules = lib.concatStringsSep "\n" (
    [ "table inet holo" "delete table inet holo" "table inet holo {" ]
    ++ lib.optional (
      links != [ ]
    ) "  set links { type ifname; elements = { ${lib.concatStringsSep ", " links} }; }"
    ++ lib.optional (
      together != [ ]
    ) "  set together { type ifname; elements = { ${lib.concatStringsSep ", " together} }; }"
    ++ lib.optional (
      toHub != [ ]
    ) "  set hub { type ifname; elements = { ${lib.concatStringsSep ", " toHub} }; }"
    ++ lib.optional (
      toInternet != [ ]
    ) "  set internet { type ifname; elements = { ${lib.concatStringsSep ", " toInternet} }; }"
    ++ lib.optional (
      leaving != [ ]
    ) "  set leaving { type ipv4_addr; elements = { ${lib.concatStringsSep ", " leaving} }; }"
    ++ (
      lib.optional (
        exposed != [ ]
      ) "  set exposed { type ipv4_addr; elements = { ${lib.concatStringsSep ", " exposed} }; }"
      ++ lib.optional (
        services != [ ]
      ) "  set services { type ipv4_addr . inet_proto . inet_service; elements = { ${lib.concatStringsSep ", " services} }; }"
      ++ lib.optional (
        ofOne != [ ]
      ) "  map of_one { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; elements = { ${lib.concatStringsSep ", " ofOne} }; }"
      ++ lib.optional (
        ofAll != [ ]
      ) "  map of_all { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { ${lib.concatStringsSep ", " ofAll} }; }"
    )
    ++ [
      "  chain input {"
      "    type filter hook input priority filter; policy accept;"
      "    iifname @links ct state established,related accept"
    ]
    ++ hub
    ++ [
      "    iifname @links reject with icmpx admin-prohibited"
      "  }"
      "  chain forward {"
      "    type filter hook forward priority filter; policy accept;"
    ]
    ++ lib.optional (
      exposed != [ ]
    ) "    ip daddr @exposed oifname != @links reject with icmpx admin-prohibited"
    ++ [
      "    iifname != @links oifname != @links accept"
      "    ct state established,related accept"
    ]
    ++ lib.optional (
      exposed != [ ]
    ) "    iifname != @links oifname @links ct status dnat ip daddr . meta l4proto . th dport @services accept"
    ++ lib.concatLists (lib.mapAttrsToList (
      name: c:
      lib.concatLists (map (
        name2:
        let
          peer = builtins.getAttr name2 cfg.containers;
        in
        lib.optional (
          c.network == "private" && peer.network == "private"
        ) "    iifname \"holo-${toString c.index}\" oifname \"holo-${toString peer.index}\" accept"
      ) c.allowedPeers)
    ) cfg.containers)
    ++ lib.optional (together != [ ]) "    iifname @together oifname @together accept"
    ++ hub
    ++ lib.optional (
      toInternet != [ ]
    ) "    iifname @internet oifname != @links ip daddr != 169.254.0.0/16 accept"
    ++ [ "    reject with icmpx admin-prohibited" "  }" ]
    ++ (
      lib.optionals (exposed != [ ]) [
        "  chain prerouting {"
        "    type nat hook prerouting priority dstnat; policy accept;"
        "    iifname != @links jump lead"
        "  }"
        "  chain output {"
        "    type nat hook output priority -100; policy accept;"
        "    jump lead"
        "  }"
        "  chain lead {"
        "    ip daddr 127.0.0.0/8 return"
      ]
      ++ lib.optional (
        ofOne != [ ]
      ) "    meta l4proto { tcp, udp } dnat ip to ip daddr . meta l4proto . th dport map @of_one"
      ++ lib.optional (
        ofAll != [ ]
      ) "    fib daddr type local meta l4proto { tcp, udp } dnat ip to meta l4proto . th dport map @of_all"
      ++ lib.optionals (exposed != [ ]) [
        "  }"
        "  chain astray {"
        "    type filter hook postrouting priority filter; policy accept;"
        "    ip daddr @exposed oifname != @links drop"
        "  }"
      ]
    )
    ++ lib.optionals (leaving != [ ]) [
      "  chain postrouting {"
      "    type nat hook postrouting priority srcnat; policy accept;"
      "    ip saddr @leaving oifname != @links masquerade"
      "  }"
    ]
    ++ [ "}" "" ]
  );
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
  };
  nft = lib.getExe' pkgs.nftables "nft";
  load =
    [ (utils.escapeSystemdExecArgs [ nft "--file" "/etc/holo/firewall.nft" ]) ]
    ++ lib.optional (
      lib.concatLists (lib.mapAttrsToList (
        name: c:
        lib.optional (
          c.network == "private" && (c.egress != "none" || !c.isolated || c.allowedPeers != [ ])
          || lib.concatLists (lib.mapAttrsToList (
            name2: f:
            lib.optional (
              c.network == "private" && f.engine == "nftables" && !lib.hasPrefix "127." f.bind
            ) name2
          ) c.forwards)
          != [ ]
        ) name
      ) cfg.containers)
      != [ ]
    ) (utils.escapeSystemdExecArgs [
      (lib.getExe' pkgs.procps "sysctl")
      "--quiet"
      "net.ipv4.ip_forward=1"
    ]);
in
{
  options.holo = {
    hub = lib.mkOption {
      type = lib.types.nullOr ipv4;
      default = null;
      description = "The address that containers of egress `hub` may reach.";
    };
    nameservers = lib.mkOption {
      type = lib.types.listOf ipv4;
      default = [ ];
      description = "Who answers questions for names, for containers of egress `internet`.";
    };
  };

  config = {
    environment.etc."holo/firewall.nft" = lib.mkIf (links != [ ]) {
      text = rules;
    };
    systemd.services.holo-firewall = lib.mkIf (links != [ ]) {
      description = "What containers may reach";
      after = [ "nftables.service" "systemd-sysctl.service" ];
      partOf = [ "nftables.service" ];
      wantedBy = [ "multi-user.target" "nftables.service" ];
      restartTriggers = [ rules ];
      reloadIfChanged = true;
      unitConfig.ReloadPropagatedFrom = "nftables.service";
      serviceConfig = lib.mkMerge [
        confined
        sandbox
        {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = load;
          ExecReload = load;
          AmbientCapabilities = "CAP_NET_ADMIN";
          CapabilityBoundingSet = "CAP_NET_ADMIN";
          IPAddressDeny = "any";
          RestrictAddressFamilies = "AF_NETLINK";
        }
      ];
    };
  };
}
