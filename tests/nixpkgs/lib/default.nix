# A small nixpkgs `lib` for tests: plain functions with the real meaning. Knows no NixOS option and
# no package; far from complete. A real nixpkgs/lib may take the place of this whole folder.
let
  functions = rec {
    inherit (builtins)
      addErrorContext
      all
      any
      attrNames
      attrValues
      concatLists
      concatMap
      concatStringsSep
      elem
      elemAt
      filter
      foldl'
      functionArgs
      genericClosure
      hasAttr
      head
      isAttrs
      isBool
      isFloat
      isFunction
      isInt
      isList
      isString
      length
      listToAttrs
      mapAttrs
      match
      readFile
      removeAttrs
      replaceStrings
      sort
      stringLength
      substring
      tail
      trace
      zipAttrsWith
      ;

    # Functions and errors
    id = x: x;
    const = x: _: x;
    flip =
      f: a: b:
      f b a;
    pipe = foldl' (x: f: f x);
    throwIf = condition: message: if condition then throw message else id;
    throwIfNot = condition: throwIf (!condition);
    warn = message: trace "warning: ${message}";
    boolToString = b: if b then "true" else "false";

    # Lists
    optional = condition: x: if condition then [ x ] else [ ];
    optionals = condition: xs: if condition then xs else [ ];
    toList = x: if isList x then x else [ x ];
    flatten = x: if isList x then concatMap flatten x else [ x ];
    imap0 = f: xs: builtins.genList (n: f n (elemAt xs n)) (length xs);
    imap1 = f: imap0 (n: f (n + 1));
    drop = n: xs: builtins.genList (i: elemAt xs (n + i)) (length xs - n);
    last = xs: elemAt xs (length xs - 1);
    reverseList = xs: imap0 (n: _: elemAt xs (length xs - 1 - n)) xs;
    unique = foldl' (seen: x: if elem x seen then seen else seen ++ [ x ]) [ ];

    # Attribute sets
    nameValuePair = name: value: { inherit name value; };
    genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
    mapAttrs' = f: set: listToAttrs (mapAttrsToList f set);
    mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
    filterAttrs =
      keep: set: removeAttrs set (filter (name: !keep name set.${name}) (attrNames set));
    optionalAttrs = condition: set: if condition then set else { };
    setAttrByPath =
      path: value:
      if path == [ ] then value else { ${head path} = setAttrByPath (tail path) value; };
    hasAttrByPath =
      path: set:
      path == [ ] || (set ? ${head path} && hasAttrByPath (tail path) set.${head path});
    attrByPath =
      path: default: set:
      if hasAttrByPath path set then foldl' (inner: name: inner.${name}) set path else default;
    getAttrFromPath =
      path: attrByPath path (throw "cannot find attribute '${concatStringsSep "." path}'");
    recursiveUpdate =
      a: b:
      let
        both = name: isAttrs b.${name} && isAttrs (a.${name} or null);
      in
      a // mapAttrs (name: new: if both name then recursiveUpdate a.${name} new else new) b;

    # Strings
    concatStrings = concatStringsSep "";
    concatMapStrings = f: xs: concatStrings (map f xs);
    concatMapStringsSep =
      separator: f: xs:
      concatStringsSep separator (map f xs);
    optionalString = condition: s: if condition then s else "";
    hasPrefix = prefix: s: substring 0 (stringLength prefix) s == prefix;
    hasSuffix = suffix: s: removeSuffix suffix s + suffix == s;
    removePrefix =
      prefix: s: if hasPrefix prefix s then substring (stringLength prefix) (-1) s else s;
    removeSuffix =
      suffix: s:
      let
        rest = stringLength s - stringLength suffix;
      in
      if rest >= 0 && substring rest (-1) s == suffix then substring 0 rest s else s;
    stringToCharacters = s: builtins.genList (n: substring n 1 s) (stringLength s);
    escape = characters: replaceStrings characters (map (c: "\\${c}") characters);
    escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");
    escapeNixString = s: escape [ "$" ] (builtins.toJSON s);
    escapeNixIdentifier =
      s:
      let
        keyword = "assert|else|if|in|inherit|let|or|rec|then|with";
        plain = match "[a-zA-Z_][a-zA-Z0-9_'-]*" s != null && match keyword s == null;
      in
      if plain then s else escapeNixString s;
    escapeShellArg =
      value:
      let
        s = toString value;
        quoted = "'${replaceStrings [ "'" ] [ "'\\''" ] s}'";
      in
      if match "[[:alnum:],._+:@%/-]+" s == null then quoted else s;
    splitString = separator: s: filter isString (builtins.split (escapeRegex separator) s);
    toInt =
      s:
      let
        parts = match "[[:space:]]*(-?[[:digit:]]+)[[:space:]]*" s;
        padded = match "[[:space:]]*-?0[[:digit:]]+[[:space:]]*" s != null;
        shown = escapeNixString s;
      in
      if parts == null then
        throw "toInt: Could not convert ${shown} to int."
      else if padded then
        throw "toInt: Ambiguity in interpretation of ${shown} between octal and zero padded."
      else
        builtins.fromJSON (head parts);
    fileContents = file: removeSuffix "\n" (readFile file);
    importJSON = file: builtins.fromJSON (readFile file);
    importTOML = file: builtins.fromTOML (readFile file);

    # Packages
    licenses.asl20.spdxId = "Apache-2.0";
    platforms.linux = [
      "aarch64-linux"
      "x86_64-linux"
    ];
    isDerivation = x: x.type or null == "derivation";
    isStringLike = x: isString x || builtins.isPath x || x ? outPath || x ? __toString;
    isStorePath = x: isStringLike x && dirOf (toString x) == builtins.storeDir;
    getBin = package: package.bin or package.out or package;
    makeBinPath = concatMapStringsSep ":" (package: "${getBin package}/bin");
    getExe' =
      package: program:
      let
        wrong = "lib.meta.getExe': The first argument is of type ${builtins.typeOf package}";
        nested = "lib.meta.getExe': The second argument \"${program}\" is a nested path";
      in
      throwIfNot (isDerivation package) "${wrong}, but it should be a derivation instead." (
        throwIf (match ".*/.*" program != null) nested "${getBin package}/bin/${program}"
      );
    getExe =
      package:
      let
        missing = "getExe: Package ${package.name} does not have the meta.mainProgram attribute.";
        guess = package.pname or (builtins.parseDrvName package.name).name;
      in
      getExe' package (package.meta.mainProgram or (warn missing guess));
  };

  lib =
    functions
    // import ./options.nix { inherit lib; }
    // import ./modules.nix { inherit lib; }
    // {
      fileset = import ./fileset.nix { inherit lib; };
      types = import ./types.nix { inherit lib; };
      inherit (lib.types) mkOptionType;
    };
in
lib
