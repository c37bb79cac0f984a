# systemd's services, sockets and targets as options, and the unit files they become, as in
# nixos/lib/systemd-*.nix. Knows no timers, mounts, paths, slices, user units nor upstream's units.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.systemd;
  option = type: default: mkOption { inherit type default; };
  required = type: mkOption { inherit type; };

  unitName = types.strMatching (
    "[a-zA-Z0-9@%:_.\\-]+[.]"
    + "(service|socket|device|mount|automount|swap|target|path|timer|scope|slice)"
  );
  unitNames = option (types.listOf unitName) [ ];

  # A directive: lists add up, anything else is given once or equal.
  unitOption = lib.mkOptionType {
    name = "systemd option";
    merge =
      loc: defs:
      let
        defs' = lib.filterOverrides defs;
      in
      if lib.any (def: lib.isList def.value) defs' then
        lib.concatMap (def: lib.toList def.value) defs'
      else
        lib.mergeEqualOption loc defs';
  };
  section = types.attrsOf unitOption;
  allowed = {
    Restart = "no|on-success|on-failure|on-abnormal|on-abort|always";
    Type = "exec|simple|forking|oneshot|dbus|notify|notify-reload|idle";
  };
  checkService =
    attrs:
    let
      wrapped = value: value._type or "" == "if" || value._type or "" == "override";
      content = value: if wrapped value then value.content else value;
      valid = key: lib.elem (content attrs.${key}) (lib.splitString "|" allowed.${key});
    in
    lib.all (key: !attrs ? ${key} || valid key) (lib.attrNames allowed);

  strategies = [
    "asDropinIfExists"
    "asDropin"
  ];
  installOptions = {
    aliases = unitNames;
    enable = option types.bool true;
    name = required types.str;
    overrideStrategy = option (types.enum strategies) "asDropinIfExists";
    requiredBy = unitNames;
    upheldBy = unitNames;
    wantedBy = unitNames;
  };

  # The relations to other units: option -> key of [Unit].
  relations = {
    after = "After";
    before = "Before";
    bindsTo = "BindsTo";
    conflicts = "Conflicts";
    onFailure = "OnFailure";
    onSuccess = "OnSuccess";
    partOf = "PartOf";
    requires = "Requires";
    requisite = "Requisite";
    upholds = "Upholds";
    wants = "Wants";
  };
  unit =
    suffix:
    {
      config,
      name,
      options,
      ...
    }:
    let
      nonEmpty = key: value: lib.optionalAttrs (value != "") { ${key} = value; };
      given = key: option: lib.optionalAttrs option.isDefined { ${key} = toString option.value; };
      triggers =
        key: items:
        let
          show = x: if builtins.isPath x then "${x}" else x;
          text = toString (map show (lib.flatten items));
        in
        lib.optionalAttrs (items != [ ]) { ${key} = "${pkgs.writeText "${key}-${name}" text}"; };
      related = lib.mapAttrsToList (
        option: key: nonEmpty key (toString config.${option})
      ) relations;
    in
    {
      options =
        installOptions
        // lib.mapAttrs (_: _: unitNames) relations
        // {
          description = option types.singleLineStr "";
          documentation = option (types.listOf types.str) [ ];
          reloadTriggers = option (types.listOf unitOption) [ ];
          restartTriggers = option (types.listOf types.unspecified) [ ];
          startLimitBurst = required types.int;
          startLimitIntervalSec = required types.int;
          unitConfig = option section { };
        };
      config = {
        name = "${name}.${suffix}";
        unitConfig = lib.foldl' (a: b: a // b) { } (
          related
          ++ [
            (nonEmpty "Description" config.description)
            (nonEmpty "Documentation" (toString config.documentation))
            (given "StartLimitBurst" options.startLimitBurst)
            (given "StartLimitIntervalSec" options.startLimitIntervalSec)
            (triggers "X-Reload-Triggers" config.reloadTriggers)
            (triggers "X-Restart-Triggers" config.restartTriggers)
          ]
        );
      };
    };

  environmentType =
    let
      inherit (types) package path str;
      value = types.either str (types.either path package);
    in
    types.attrsOf (types.nullOr value);

  # The shell snippets of a service: option -> directive.
  scripts = {
    postStart = "ExecStartPost";
    postStop = "ExecStopPost";
    preStart = "ExecStartPre";
    preStop = "ExecStop";
    reload = "ExecReload";
    script = "ExecStart";
  };
  service =
    { config, name, ... }:
    let
      job =
        option: directive:
        let
          # postStart -> post-start, script -> start
          suffix = lib.replaceStrings [ "St" "script" ] [ "-st" "start" ] option;
          text = "set -e\n\n${config.${option}}\n";
          program = lib.getExe (pkgs.writeShellScriptBin "${name}-${suffix}" text);
          isList = option == "preStart" || option == "postStart";
          line = if option == "script" then "${program} ${config.scriptArgs}" else program;
        in
        lib.mkIf (config.${option} != "") {
          serviceConfig.${directive} = if isList then [ line ] else line;
        };
      folders = name: lib.concatMapStringsSep ":" (package: "${package}/${name}") config.path;
      common.path = lib.mkAfter [
        pkgs.coreutils
        pkgs.findutils
        pkgs.gnugrep
        pkgs.gnused
        pkgs.systemd
      ];
      search.environment.PATH = lib.mkIf (config.path != [ ]) "${folders "bin"}:${folders "sbin"}";
    in
    {
      options = lib.mapAttrs (_: _: option types.lines "") scripts // {
        environment = option environmentType { };
        notSocketActivated = option types.bool false;
        path = option (types.listOf (types.either types.package types.str)) [ ];
        reloadIfChanged = option types.bool false;
        restartIfChanged = option types.bool true;
        scriptArgs = option types.str "";
        serviceConfig = option (types.addCheck section checkService) { };
        stopIfChanged = option types.bool true;
      };
      config = lib.mkMerge (
        lib.mapAttrsToList job scripts
        ++ [
          common
          search
        ]
      );
    };

  socket.options = {
    listenDatagrams = option (types.listOf types.str) [ ];
    listenStreams = option (types.listOf types.str) [ ];
    socketConfig = option section { };
  };

  # Rendering: a list is repeated lines, a boolean true or false, null the empty value.
  show = value: if lib.isBool value then lib.boolToString value else toString value;
  line = key: value: "${key}=${show value}\n";
  lines = lib.mapAttrsToList (key: value: lib.concatMapStrings (line key) (lib.toList value));
  render = attrs: lib.concatStringsSep "" (lines attrs);
  toUnit = def: text: {
    inherit (def)
      aliases
      enable
      name
      overrideStrategy
      requiredBy
      upheldBy
      wantedBy
      ;
    text = "[Unit]\n${render def.unitConfig}\n${text}";
  };
  serviceToUnit =
    def:
    let
      environment = cfg.globalEnvironment // def.environment;
      set = lib.filterAttrs (_: value: value != null) environment;
      assign = name: value: "Environment=${builtins.toJSON "${name}=${value}"}\n";
    in
    toUnit def (
      "[Service]\n"
      + lib.concatStringsSep "" (lib.mapAttrsToList assign set)
      + (
        if def.reloadIfChanged then
          line "X-ReloadIfChanged" true
        else
          lib.optionalString (!def.restartIfChanged) (line "X-RestartIfChanged" false)
      )
      + lib.optionalString (!def.stopIfChanged) (line "X-StopIfChanged" false)
      + lib.optionalString def.notSocketActivated (line "X-NotSocketActivated" true)
      + render def.serviceConfig
    );
  socketToUnit =
    def:
    let
      listen = key: lib.concatMapStringsSep "\n" (address: "${key}=${address}");
      streams = listen "ListenStream" def.listenStreams;
      datagrams = listen "ListenDatagram" def.listenDatagrams;
    in
    toUnit def "[Socket]\n${render def.socketConfig}\n${streams}\n${datagrams}\n";
  targetToUnit = def: toUnit def "";

  unitsOf = toUnit': defs: lib.mapAttrs' (_: def: lib.nameValuePair def.name (toUnit' def)) defs;
  attrsOfModules = modules: option (types.attrsOf (types.submodule modules)) { };
in
{
  options.systemd = {
    globalEnvironment = option environmentType { };
    services = attrsOfModules [
      (unit "service")
      service
    ];
    sockets = attrsOfModules [
      (unit "socket")
      socket
    ];
    targets = attrsOfModules (unit "target");
    units = attrsOfModules (
      { name, ... }:
      {
        options = installOptions // {
          text = option (types.nullOr types.str) null;
        };
        config.name = lib.mkDefault name;
      }
    );
  };
  config.systemd = {
    globalEnvironment = {
      LOCALE_ARCHIVE = "${pkgs.glibcLocales}/lib/locale/locale-archive";
      TZDIR = "${pkgs.tzdata}/share/zoneinfo";
    };
    units = lib.mkMerge [
      (unitsOf serviceToUnit cfg.services)
      (unitsOf socketToUnit cfg.sockets)
      (unitsOf targetToUnit cfg.targets)
    ];
  };
}
