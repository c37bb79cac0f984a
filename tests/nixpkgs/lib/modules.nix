# The module system: from modules to `options` and `config`. Knows no option but `_module`; does not
# know disabledModules, _class, meta, extendModules or options declared inside a submodule's option.
{ lib }:
let
  property = x: if lib.isAttrs x then x._type or "" else "";
  collectNames = lib.zipAttrsWith (_: found: found);
  fail = loc: text: throw "The option `${lib.showOption loc}' ${text}";

  # Properties: wrappers around a value that say if, how strongly and where it counts.
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkOrder = priority: content: {
    _type = "order";
    inherit priority content;
  };
  mkOptionDefault = mkOverride 1500;

  setDefaultModuleLocation = file: module: {
    _file = file;
    imports = [ module ];
  };

  # A module in any of its forms -> { file, key, imports, options, config }.
  load =
    args: file: key: module:
    if lib.isFunction module then
      normalize file key (call key module args)
    else if lib.isAttrs module then
      if module._type or "module" == "module" then
        normalize file key module
      else if module._type == "if" || module._type == "override" then
        normalize file key { config = module; }
      else
        throw (
          "Could not load a value as a module, because it is of type \"${module._type}\", "
          + "in file ${file}."
        )
    else if lib.isList module then
      throw "Module imports can't be nested lists. Perhaps you meant to remove one level of lists?"
    else
      let
        path = toString module;
        content = import module;
      in
      normalize path path (if lib.isFunction content then call path content args else content);

  # Arguments are looked up by name, and late: `_module.args` may depend on the modules.
  call =
    key: module: args:
    let
      context = name: "while evaluating the module argument `${name}' in \"${key}\":";
      find = name: args.${name} or args.config._module.args.${name};
      given = lib.mapAttrs (name: _: lib.addErrorContext (context name) (find name));
    in
    module (args // given (lib.functionArgs module));

  normalize =
    file: key: m:
    let
      always = [
        "_class"
        "_file"
        "disabledModules"
        "freeformType"
        "imports"
        "key"
      ];
      long = m ? config || m ? options;
      rest = removeAttrs m (always ++ lib.optionals long [ "config" "options" ]);
      extra = lib.head (lib.attrNames rest);
      config = if long then m.config or { } else rest;
      freeform = { _module = { inherit (m) freeformType; }; };
    in
    if !lib.isAttrs m then
      throw "module ${file} (${key}) does not look like a module."
    else if long && rest != { } then
      throw (
        "Module `${key}' has an unsupported attribute `${extra}'. This is caused by introducing a "
        + "top-level `config' or `options' attribute."
      )
    else if m.disabledModules or [ ] != [ ] then
      throw "the nixpkgs stand-in of the tests does not know disabledModules (${file})"
    else
      {
        file = toString (m._file or file);
        key = toString (m.key or key);
        imports = m.imports or [ ];
        options = m.options or { };
        config = if m ? freeformType then mkMerge [ config freeform ] else config;
      };

  # All modules under `imports`, each key once; the later a module, the earlier its definitions.
  collect =
    args: modules:
    let
      loadAll = file: key: lib.imap1 (n: load args file "${key}:anon-${toString n}");
    in
    lib.reverseList (
      lib.genericClosure {
        startSet = loadAll "<unknown-file>" "" modules;
        operator = module: loadAll module.file module.key module.imports;
      }
    );

  # mkMerge, mkIf and mkOverride around a set of options move inwards, so that names stay visible.
  pushDown =
    value:
    if property value == "merge" then
      lib.concatMap pushDown value.contents
    else if property value == "if" then
      map (lib.mapAttrs (_: mkIf value.condition)) (pushDown value.content)
    else if property value == "override" then
      map (lib.mapAttrs (_: mkOverride value.priority)) (pushDown value.content)
    else
      [ value ];
  pushDownDef = def: map (value: def // { inherit value; }) (pushDown def.value);

  # Declarations [ { file, options } ] and definitions [ { file, value } ] of one place ->
  # { options, unmatched }: the tree of evaluated options, the definitions that no option takes.
  mergeTree =
    prefix: decls: defs:
    let
      split =
        def:
        if lib.isAttrs def.value then
          lib.mapAttrs (_: value: def // { inherit value; }) def.value
        else
          throw (
            "In module `${def.file}', you're trying to define a value of type "
            + "`${builtins.typeOf def.value}'\nrather than an attribute set for the option\n"
            + "`${lib.showOption prefix}'!"
          );
      splitDecl = decl: lib.mapAttrs (_: options: decl // { inherit options; }) decl.options;
      declared = collectNames (map splitDecl decls);
      defined = collectNames (map split defs);
      results = lib.mapAttrs (
        name: decls:
        let
          loc = prefix ++ [ name ];
          defs = defined.${name} or [ ];
          options = lib.filter (isDecl loc) decls;
          first = lib.head options;
          type = first.options.type.description or "<no description>";
        in
        if options == [ ] then
          mergeTree loc decls (lib.concatMap pushDownDef defs)
        else if lib.length options == lib.length decls then
          {
            options = evalOption loc (mergeDecls loc decls) defs;
            unmatched = [ ];
          }
        else
          fail loc (
            "in module `${first.file}' would be a parent of the following options, but its type "
            + "`${type}' does not support nested options."
          )
      ) declared;
      place = name: map (def: def // { loc = prefix ++ [ name ]; });
      undeclared = lib.mapAttrs place (removeAttrs defined (lib.attrNames results));
      below = lib.mapAttrs (_: result: result.unmatched) results;
    in
    {
      options = lib.mapAttrs (_: result: result.options) results;
      unmatched = lib.optionals (defs != [ ]) (
        lib.concatLists (lib.attrValues (below // undeclared))
      );
    };

  isDecl =
    loc: decl:
    if decl.options ? _type && decl.options._type != "option" then
      throw (
        "In module ${decl.file}: expected an option declaration at option path "
        + "`${lib.showOption loc}` but got an attribute set with type ${decl.options._type}"
      )
    else
      lib.isOption decl.options;

  # One option from all its declarations; types that can be joined may be declared in pieces.
  mergeDecls =
    loc:
    let
      add =
        opt: decl:
        let
          both = key: opt ? ${key} && decl.options ? ${key};
          once = [
            "apply"
            "default"
            "description"
            "example"
          ];
          joined = opt.type.typeMerge decl.options.type.functor;
          modules = lib.optionals (hasModules decl.options) decl.options.type.getSubModules;
        in
        if lib.any both once || both "type" && joined == null then
          fail loc "in `${decl.file}' is already declared in ${lib.showFiles opt.declarations}."
        else
          decl.options
          // opt
          // {
            declarations = opt.declarations ++ [ decl.file ];
            modules = map (setDefaultModuleLocation decl.file) modules ++ opt.modules;
          }
          // lib.optionalAttrs (both "type") { type = joined; };
    in
    lib.foldl' add {
      inherit loc;
      declarations = [ ];
      modules = [ ];
    };
  hasModules = opt: opt ? type && opt.type.getSubModules != null;

  evalOption =
    loc: opt: defs:
    let
      # As in nixpkgs the type is built anew around its modules: an addCheck around it is lost.
      type =
        if hasModules opt then
          opt.type.substSubModules opt.modules
        else
          opt.type or lib.types.unspecified;
      default = {
        file = lib.head opt.declarations;
        value = mkOptionDefault opt.default;
      };
      all = lib.optional (opt ? default) default ++ defs;
      merged = mergeDefinitions loc type all;
      twice = "is read-only, but it's set multiple times. Definition values:${lib.showDefs all}";
      value =
        if opt.readOnly or false && lib.length all > 1 then fail loc twice else merged.mergedValue;
    in
    removeAttrs opt [ "modules" ]
    // {
      inherit type;
      inherit (merged) highestPrio isDefined;
      value = lib.addErrorContext "while evaluating the option `${lib.showOption loc}':" (
        if opt ? apply then opt.apply value else value
      );
      definitions = lib.getValues merged.defsFinal;
      definitionsWithLocations = merged.defsFinal;
      files = map (def: def.file) merged.defsFinal;
      __toString = _: lib.showOption loc;
    };

  discharge =
    value:
    if property value == "merge" then
      lib.concatMap discharge value.contents
    else if property value == "if" then
      lib.throwIfNot (lib.isBool value.condition) "‘mkIf’ called with a non-Boolean condition" (
        lib.optionals value.condition (discharge value.content)
      )
    else
      [ value ];

  dischargeDef = def: map (value: def // { inherit value; }) (discharge def.value);

  rank =
    kind: default: def:
    if property def.value == kind then def.value.priority else default;
  strip =
    kind: def: if property def.value == kind then def // { value = def.value.content; } else def;

  priority = rank "override" 100;
  highest = lib.foldl' (best: def: if priority def < best then priority def else best) 9999;
  filterOverrides =
    defs: map (strip "override") (lib.filter (def: priority def == highest defs) defs);
  order = rank "order" 1000;
  sortOrders =
    defs:
    if lib.any (def: order def != 1000) defs then
      map (strip "order") (lib.sort (a: b: order a < order b) defs)
    else
      map (strip "order") defs;

  # The definitions that count, in their order, and the one value that the type makes of them.
  mergeDefinitions = loc: type: defs: rec {
    discharged = lib.concatMap dischargeDef defs;
    highestPrio = highest discharged;
    defsFinal = sortOrders (filterOverrides discharged);
    isDefined = defsFinal != [ ];
    invalid = lib.filter (def: !type.check def.value) defsFinal;
    optionalValue = lib.optionalAttrs isDefined { value = mergedValue; };
    mergedValue =
      if !isDefined then
        fail loc "was accessed but has no value defined. Try setting the option."
      else if invalid == [ ] then
        type.merge loc defsFinal
      else
        throw (
          "A definition for option `${lib.showOption loc}' is not of type `${type.description}'. "
          + "Definition values:${lib.showDefs invalid}"
        );
  };

  evalModules =
    {
      modules,
      prefix ? [ ],
      specialArgs ? { },
      class ? null,
    }:
    let
      internal = {
        _file = "lib/modules.nix";
        key = "lib/modules.nix";
        options._module = {
          args = lib.mkOption { type = lib.types.lazyAttrsOf lib.types.raw; };
          check = lib.mkOption {
            type = lib.types.bool;
            default = true;
          };
          freeformType = lib.mkOption {
            type = lib.types.nullOr lib.types.raw;
            default = null;
          };
        };
        config._module.args = { };
      };
      args = {
        inherit lib config specialArgs;
        inherit (tree) options;
      };
      loaded = collect (args // specialArgs) (modules ++ [ internal ]);
      definitions = module: pushDownDef { inherit (module) file; value = module.config; };
      tree = mergeTree prefix loaded (lib.concatMap definitions loaded);

      values = lib.mapAttrs (_: opt: if lib.isOption opt then opt.value else values opt);
      declared = values tree.options;
      inherit (declared._module) check freeformType;
      config =
        if freeformType == null || tree.unmatched == [ ] then
          declared
        else
          lib.recursiveUpdate (freeformType.merge prefix (map relative tree.unmatched)) declared;
      relative =
        def: def // { value = lib.setAttrByPath (lib.drop (lib.length prefix) def.loc) def.value; };

      first = lib.head tree.unmatched;
      checked =
        if check && freeformType == null && tree.unmatched != [ ] then
          fail first.loc "does not exist. Definition values:${lib.showDefs [ first ]}"
        else
          lib.id;
    in
    {
      _type = "configuration";
      inherit class;
      options = checked tree.options;
      config = checked (removeAttrs config [ "_module" ]);
      _module = checked config._module;
    };
in
{
  inherit
    evalModules
    filterOverrides
    mergeDefinitions
    mkIf
    mkMerge
    mkOptionDefault
    mkOrder
    mkOverride
    setDefaultModuleLocation
    ;
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  mkDerivedConfig = option: f: mkOverride option.highestPrio (f option.value);
}
