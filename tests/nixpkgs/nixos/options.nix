# The NixOS options that this project sets or reads, with their real types. Knows little of what
# NixOS does with them, and no other option: setting one is an error here, wherever it may be right.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  required = type: mkOption { inherit type; };
  bool = option types.bool;
  str = option types.str;
  maybe = type: option (types.nullOr type) null;
  listOf = type: option (types.listOf type) [ ];
  attrsOf = module: option (types.attrsOf (types.submodule module)) { };

  ports = mkOption {
    type = types.listOf types.port;
    default = [ ];
    apply = list: lib.unique (lib.sort (a: b: a < b) list);
  };
  portRanges = listOf (types.attrsOf types.port);
  openPorts = {
    allowedTCPPortRanges = portRanges;
    allowedTCPPorts = ports;
    allowedUDPPortRanges = portRanges;
    allowedUDPPorts = ports;
  };

  etcFile =
    {
      config,
      name,
      options,
      ...
    }:
    {
      options = {
        enable = bool true;
        gid = option types.int 0;
        group = str "+${toString config.gid}";
        mode = str "symlink";
        source = required types.path;
        target = required types.str;
        text = maybe types.lines;
        uid = option types.int 0;
        user = str "+${toString config.uid}";
      };
      config = {
        target = lib.mkDefault name;
        source = lib.mkIf (config.text != null) (
          lib.mkDerivedConfig options.text (pkgs.writeText "etc-${baseNameOf name}")
        );
      };
    };

  families = [
    "ip"
    "ip6"
    "inet"
    "arp"
    "bridge"
    "netdev"
  ];
  table =
    { name, ... }:
    {
      options = {
        content = required types.lines;
        enable = bool true;
        family = required (types.enum families);
        name = str name;
      };
    };

  tmpfile =
    { name, ... }:
    {
      options = {
        age = str "-";
        argument = str "";
        group = str "-";
        mode = str "-";
        type = str name;
        user = str "-";
      };
    };

  word = types.addCheck types.str (s: lib.match "[^:\n]*" s != null);
  user =
    { config, name, ... }:
    {
      options = {
        createHome = bool false;
        description = option word "";
        extraGroups = listOf types.str;
        group = str "";
        hashedPasswordFile = maybe types.str;
        home = option types.path "/var/empty";
        isNormalUser = bool false;
        isSystemUser = bool false;
        linger = bool false;
        name = option word name;
        openssh.authorizedKeys.keyFiles = listOf types.path;
        openssh.authorizedKeys.keys = listOf types.singleLineStr;
        packages = listOf types.package;
        shell = maybe (types.either types.package types.path);
        uid = maybe types.int;
      };
      config = lib.mkIf config.isNormalUser {
        createHome = lib.mkDefault true;
        group = lib.mkDefault "users";
        home = lib.mkDefault "/home/${config.name}";
      };
    };
  group =
    { name, ... }:
    {
      options = {
        gid = maybe types.int;
        members = listOf word;
        name = option word name;
      };
    };
  userAssertions =
    user:
    let
      path = "users.users.${user.name}";
      isSystem = user.isSystemUser || (user.uid != null && user.uid < 1000);
    in
    [
      {
        assertion = user.isNormalUser != isSystem;
        message = "Exactly one of ${path}.isSystemUser and ${path}.isNormalUser must be set.";
      }
      {
        assertion = user.group != "";
        message = "${path}.group is unset. This used to default to nogroup, but this is unsafe.";
      }
    ];

  address = types.submodule {
    options = {
      address = required types.str;
      prefixLength = required types.int;
    };
  };

  # A kernel parameter: set once, or with different priorities.
  sysctl = lib.mkOptionType {
    name = "sysctl option value";
    check =
      value:
      let
        plain = x: x == null || lib.isBool x || lib.isString x || lib.isInt x;
      in
      plain value || (value._type or "" == "override" && plain value.content);
    merge = loc: defs: lib.mergeOneOption loc (lib.filterOverrides defs);
  };
in
{
  options = {
    assertions = listOf types.unspecified;
    warnings = listOf types.str;

    boot.enableContainers = bool true;
    boot.isContainer = bool false;
    boot.isNspawnContainer = bool false;
    boot.initrd.availableKernelModules = listOf types.str;
    boot.loader.grub = {
      devices = listOf types.str;
      efiInstallAsRemovable = bool false;
      efiSupport = bool false;
      enable = bool true;
    };
    boot.kernel.sysctl = option (types.submodule { freeformType = types.attrsOf sysctl; }) { };

    environment.etc = attrsOf etcFile;
    environment.systemPackages = listOf types.package;

    fileSystems = attrsOf {
      options = {
        device = maybe types.str;
        fsType = str "auto";
        options = option (types.listOf types.str) [ "defaults" ];
      };
    };

    networking.dhcpcd.denyInterfaces = listOf types.str;
    networking.firewall = openPorts // {
      enable = bool true;
      interfaces = attrsOf { options = openPorts; };
      trustedInterfaces = listOf types.str;
    };
    networking.hostName = option (types.strMatching (
      "^$|^[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?$"
    )) "nixos";
    networking.interfaces = attrsOf { options.ipv4.addresses = listOf address; };
    networking.nftables.enable = bool false;
    networking.nftables.tables = attrsOf table;
    networking.useDHCP = bool true;
    networking.useHostResolvConf = bool false;
    networking.useNetworkd = bool false;

    nixpkgs.hostPlatform = mkOption {
      type = types.either types.str types.attrs;
      apply = platform: if lib.isString platform then { system = platform; } else platform;
    };

    services.openssh.enable = bool false;
    system.stateVersion = str "25.05";
    systemd.package = mkOption {
      type = types.package;
      default = pkgs.systemd;
    };
    systemd.packages = listOf types.package;
    systemd.tmpfiles.rules = listOf types.str;
    systemd.tmpfiles.settings = option (types.attrsOf (
      types.attrsOf (types.attrsOf (types.submodule tmpfile))
    )) { };
    time.timeZone = maybe (types.strMatching "[^ ]+");

    users.groups = attrsOf group;
    users.users = attrsOf user;
  };

  config = {
    assertions = lib.concatMap userAssertions (lib.attrValues config.users.users);
    networking.firewall.trustedInterfaces = lib.mkIf config.networking.firewall.enable [ "lo" ];
    users.users.root = {
      description = "System administrator";
      group = "root";
      home = "/root";
      uid = 0;
    };
  };
}
