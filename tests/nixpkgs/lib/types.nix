# The option types: what a value must be, and how several definitions become one. Knows no option;
# does not know coercedTo, functionTo, uniq, deferredModule, attrTag and other rare types.
{ lib }:
let
  inherit (lib) getValues mergeDefinitions showOption;

  # The description of a type inside another's, in parentheses unless its class reads well there.
  phrase =
    classes: type:
    if lib.elem type.descriptionClass classes then type.description else "(${type.description})";
  noun = [ "noun" ];
  nounOrComposite = noun ++ [ "composite" ];
  nounOrConjunction = noun ++ [ "conjunction" ];
  any = nounOrConjunction ++ [ "composite" ];

  mkOptionType =
    {
      name,
      description ? name,
      descriptionClass ? null,
      check ? (_: true),
      merge ? lib.mergeDefaultOption,
      emptyValue ? { },
      getSubOptions ? (_: { }),
      getSubModules ? null,
      substSubModules ? (_: null),
      nestedTypes ? { },
      # What distinguishes types of one name; the type of an option declared with this payload and
      # with another (null: refused).
      payload ? null,
      join ? (_: null),
    }:
    let
      type = {
        _type = "option-type";
        inherit
          check
          description
          descriptionClass
          emptyValue
          getSubModules
          getSubOptions
          merge
          name
          nestedTypes
          substSubModules
          ;
        functor = { inherit name payload; };
        typeMerge =
          other:
          if other.name != name then
            null
          else if payload == null then
            type
          else
            join other.payload;
      };
    in
    type;

  # A type of plain values, all definitions of which must be equal.
  simple =
    name: description: check:
    mkOptionType {
      inherit name description check;
      descriptionClass = "noun";
      merge = lib.mergeEqualOption;
    };

  # A type around one other type.
  wrap =
    self: elemType: args:
    mkOptionType (
      {
        inherit (elemType) getSubModules getSubOptions;
        substSubModules = modules: self (elemType.substSubModules modules);
        payload = elemType;
        join =
          other:
          let
            joined = elemType.typeMerge other.functor;
          in
          if joined == null then null else self joined;
        nestedTypes = { inherit elemType; };
      }
      // args
    );

  attrsOfWith =
    name: kind: finish: elemType:
    wrap types.${name} elemType {
      inherit name;
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "<name>" ]);
      description = "${kind} of ${phrase nounOrComposite elemType}";
      descriptionClass = "composite";
      check = lib.isAttrs;
      merge =
        loc: defs:
        finish elemType (
          lib.zipAttrsWith (name: mergeDefinitions (loc ++ [ name ]) elemType) (
            map (def: lib.mapAttrs (_: value: def // { inherit value; }) def.value) defs
          )
        );
      emptyValue.value = { };
    };

  types = {
    inherit mkOptionType;

    raw = simple "raw" "raw value" (_: true) // {
      merge = lib.mergeOneOption;
    };
    unspecified = simple "unspecified" "unspecified value" (_: true) // {
      merge = lib.mergeDefaultOption;
    };
    anything = simple "anything" "anything" (_: true) // {
      merge =
        loc: defs:
        let
          isString = v: lib.isAttrs v && lib.isStringLike v;
          kind = v: if isString v then "string-like" else builtins.typeOf v;
          kinds = lib.unique (map kind (getValues defs));
          files = lib.showFiles (map (def: def.file) defs);
        in
        if lib.length kinds != 1 then
          throw "The option `${showOption loc}' has conflicting option types in ${files}"
        else if kinds == [ "set" ] then
          (types.attrsOf types.anything).merge loc defs
        else if kinds == [ "string-like" ] then
          lib.mergeOneOption loc defs
        else
          lib.mergeEqualOption loc defs;
    };

    bool = simple "bool" "boolean" lib.isBool;
    int = simple "int" "signed integer" lib.isInt;
    float = simple "float" "floating point number" lib.isFloat;
    ints =
      let
        checked =
          name: description: check:
          types.addCheck types.int check // { inherit description name; };
        range = low: high: "between ${toString low} and ${toString high} (both inclusive)";
        inside =
          low: high: x:
          low <= x && x <= high;
        bits =
          n: high:
          checked "unsignedInt${n}" "${n} bit unsigned integer; ${range 0 high}" (inside 0 high);
        descriptionClass = "nonRestrictiveClause";
      in
      {
        between = low: high: checked "intBetween" "integer ${range low high}" (inside low high);
        unsigned = checked "unsignedInt" "unsigned integer, meaning >=0" (x: x >= 0) // {
          inherit descriptionClass;
        };
        positive = checked "positiveInt" "positive integer, meaning >0" (x: x > 0) // {
          inherit descriptionClass;
        };
        u8 = bits "8" 255;
        u16 = bits "16" 65535;
        u32 = bits "32" 4294967295;
      };
    port = types.ints.u16;

    str = simple "str" "string" lib.isString;
    nonEmptyStr = simple "nonEmptyStr" "non-empty string" (
      x: lib.isString x && lib.match "[ \t\n]*" x == null
    );
    strMatching =
      pattern:
      simple "strMatching ${lib.escapeNixString pattern}" "string matching the pattern ${pattern}" (
        x: lib.isString x && lib.match pattern x != null
      );
    singleLineStr =
      simple "singleLineStr" "(optionally newline-terminated) single-line string" (
        x: lib.isString x && lib.match "[^\n\r]*\n?" x != null
      )
      // {
        merge = loc: defs: lib.removeSuffix "\n" (lib.mergeEqualOption loc defs);
      };
    separatedString =
      separator:
      mkOptionType {
        name = "separatedString";
        description =
          if separator == "" then
            "Concatenated string"
          else
            "strings concatenated with ${builtins.toJSON separator}";
        descriptionClass = "noun";
        check = lib.isString;
        merge = _: defs: lib.concatStringsSep separator (getValues defs);
        payload = separator;
        join = other: if other == separator then types.separatedString separator else null;
      };
    lines = types.separatedString "\n";
    commas = types.separatedString ",";
    enum =
      values:
      let
        show = v: if lib.isString v then "\"${v}\"" else builtins.toJSON v;
      in
      mkOptionType {
        name = "enum";
        description =
          if values == [ ] then
            "impossible (empty enum)"
          else if lib.length values == 1 then
            "value ${show (lib.head values)} (singular enum)"
          else
            "one of ${lib.concatMapStringsSep ", " show values}";
        descriptionClass = if lib.length values < 2 then "noun" else "conjunction";
        check = x: lib.elem x values;
        merge = lib.mergeEqualOption;
        payload = values;
        join = other: types.enum (lib.unique (values ++ other));
      };

    path = simple "path" "path" (x: lib.isStringLike x && lib.hasPrefix "/" (toString x));
    package = simple "package" "package" (x: lib.isDerivation x || lib.isStorePath x) // {
      merge = lib.mergeOneOption;
    };
    attrs = mkOptionType {
      name = "attrs";
      description = "attribute set";
      check = lib.isAttrs;
      merge = _: defs: lib.foldl' (a: b: a // b) { } (getValues defs);
      emptyValue.value = { };
    };

    nullOr =
      elemType:
      wrap types.nullOr elemType {
        name = "nullOr";
        description = "null or ${phrase nounOrConjunction elemType}";
        descriptionClass = "conjunction";
        check = x: x == null || elemType.check x;
        merge =
          loc: defs:
          let
            given = lib.filter (def: def.value != null) defs;
            files = lib.showFiles (map (def: def.file) defs);
          in
          if given == [ ] then
            null
          else if lib.length given == lib.length defs then
            elemType.merge loc defs
          else
            throw "The option `${showOption loc}` is defined both null and not null, in ${files}.";
        emptyValue.value = null;
      };
    listOf =
      elemType:
      wrap types.listOf elemType {
        name = "listOf";
        getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "*" ]);
        description = "list of ${phrase nounOrComposite elemType}";
        descriptionClass = "composite";
        check = lib.isList;
        merge =
          loc: defs:
          let
            name = n: m: "[definition ${toString n}-entry ${toString m}]";
            entry =
              n: def: m: value:
              mergeDefinitions (loc ++ [ (name n m) ]) elemType [ (def // { inherit value; }) ];
            entries = lib.concatLists (lib.imap1 (n: def: lib.imap1 (entry n def) def.value) defs);
          in
          map (e: e.mergedValue) (lib.filter (e: e.isDefined) entries);
        emptyValue.value = [ ];
      };
    nonEmptyListOf =
      elemType:
      let
        list = types.listOf elemType;
      in
      types.addCheck list (l: l != [ ])
      // {
        description = "non-empty ${phrase noun list}";
        emptyValue = { };
        substSubModules = modules: types.nonEmptyListOf (elemType.substSubModules modules);
      };
    attrsOf = attrsOfWith "attrsOf" "attribute set" (
      _: merged: lib.mapAttrs (_: v: v.mergedValue) (lib.filterAttrs (_: v: v.isDefined) merged)
    );
    lazyAttrsOf = attrsOfWith "lazyAttrsOf" "lazy attribute set" (
      elemType:
      lib.mapAttrs (_: v: v.optionalValue.value or elemType.emptyValue.value or v.mergedValue)
    );

    either =
      left: right:
      mkOptionType {
        name = "either";
        description =
          if left.descriptionClass == "nonRestrictiveClause" then
            "${left.description}, or ${phrase nounOrConjunction right}"
          else
            "${phrase nounOrConjunction left} or ${phrase any right}";
        descriptionClass = "conjunction";
        check = x: left.check x || right.check x;
        merge =
          loc: defs:
          if lib.all left.check (getValues defs) then
            left.merge loc defs
          else if lib.all right.check (getValues defs) then
            right.merge loc defs
          else
            lib.mergeOneOption loc defs;
        payload = { inherit left right; };
        join =
          other:
          let
            a = left.typeMerge other.left.functor;
            b = right.typeMerge other.right.functor;
          in
          if a == null || b == null then null else types.either a b;
        nestedTypes = { inherit left right; };
      };
    oneOf = ts: lib.foldl' types.either (lib.head ts) (lib.tail ts);
    addCheck = type: check: type // { check = x: type.check x && check x; };

    submodule =
      modules:
      types.submoduleWith {
        modules = lib.toList modules;
        shorthandOnlyDefinesConfig = true;
      };
    submoduleWith =
      {
        modules,
        specialArgs ? { },
        shorthandOnlyDefinesConfig ? false,
        description ? "submodule",
        class ? null,
      }@args:
      let
        toModule =
          def:
          if lib.isAttrs def.value && shorthandOnlyDefinesConfig then
            {
              _file = def.file;
              config = def.value;
            }
          else
            lib.setDefaultModuleLocation def.file def.value;
      in
      mkOptionType {
        name = "submodule";
        inherit description;
        check = x: lib.isAttrs x || lib.isFunction x || types.path.check x;
        merge =
          loc: defs:
          (lib.evalModules {
            inherit class specialArgs;
            prefix = loc;
            modules = modules ++ [ { _module.args.name = lib.last loc; } ] ++ map toModule defs;
          }).config;
        emptyValue.value = { };
        getSubOptions =
          prefix:
          (lib.evalModules {
            inherit class prefix specialArgs;
            modules = modules ++ [ { _module.args.name = lib.mkOptionDefault "‹name›"; } ];
          }).options;
        getSubModules = modules;
        substSubModules = modules: types.submoduleWith (args // { inherit modules; });
        payload = args;
        join = other: types.submoduleWith (args // { modules = modules ++ other.modules; });
      };
  };
in
types
