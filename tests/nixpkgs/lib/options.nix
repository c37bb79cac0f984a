# Declaring options, and merging and showing what was given for them. Knows no module; shows only
# the beginning of what a real nixpkgs would show of a long value.
{ lib }:
rec {
  isOption = x: x._type or null == "option";

  mkOption =
    {
      default ? null,
      defaultText ? null,
      example ? null,
      description ? null,
      relatedPackages ? null,
      type ? null,
      apply ? null,
      internal ? null,
      visible ? null,
      readOnly ? null,
    }@attrs:
    attrs // { _type = "option"; };

  mkEnableOption =
    name:
    mkOption {
      default = false;
      example = true;
      description = "Whether to enable ${name}.";
      type = lib.types.bool;
    };

  mkPackageOption =
    pkgs: name:
    {
      nullable ? false,
      default ? name,
      example ? null,
      extraDescription ? "",
      pkgsText ? "pkgs",
    }:
    let
      inherit (lib.types) nullOr package;
      dotted = lib.concatStringsSep ".";
      title = if lib.isList name then lib.last name else name;
      path = lib.toList default;
      missing = throw "${dotted path} cannot be found in ${pkgsText}";
      space = lib.optionalString (extraDescription != "") " ";
    in
    mkOption (
      {
        type = if nullable then nullOr package else package;
        description = "The ${title} package to use.${space}${extraDescription}";
      }
      // lib.optionalAttrs (default != null) {
        default = lib.attrByPath path missing pkgs;
        defaultText = literalExpression "${pkgsText}.${dotted path}";
      }
      // lib.optionalAttrs (default == null && nullable) { default = null; }
      // lib.optionalAttrs (example != null) {
        example = literalExpression (
          if lib.isList example then "${pkgsText}.${dotted example}" else example
        );
      }
    );

  literal =
    _type: text:
    lib.throwIfNot (lib.isString text) "${_type} expects a string." { inherit _type text; };
  literalExpression = literal "literalExpression";
  literalMD = literal "literalMD";

  # Names, files and values as error messages show them.
  showOption =
    let
      placeholder = part: part == "*" || builtins.match "<.*>" part != null;
    in
    lib.concatMapStringsSep "." (
      part: if placeholder part then part else lib.escapeNixIdentifier part
    );
  showFiles = lib.concatMapStringsSep " and " (file: "`${file}'");
  showDefs = lib.concatMapStrings (
    def:
    let
      shown = builtins.tryEval (showValue def.value);
    in
    "\n- In `${def.file}'${lib.optionalString shown.success ": ${shown.value}"}"
  );
  showValue =
    v:
    if lib.isString v then
      lib.escapeNixString v
    else if lib.isDerivation v then
      "<derivation ${v.name}>"
    else if lib.isFunction v then
      "<function>"
    else if lib.isAttrs v then
      (if v == { } then "{ }" else "{ ... }")
    else if lib.isList v then
      (if v == [ ] then "[ ]" else "[ ... ]")
    else if builtins.isPath v then
      toString v
    else
      builtins.toJSON v;

  # Merging: each takes the option's place and a list of { file, value }.
  failMerge =
    loc: text: defs:
    throw (
      "The option `${showOption loc}' ${text}${showDefs defs}\n"
      + "Use `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of these "
      + "definitions.\n"
    );
  getValues = map (def: def.value);
  mergeOneOption =
    loc: defs:
    let
      text = "is defined multiple times while it's expected to be unique.\n\nDefinition values:";
    in
    if lib.length defs == 1 then (lib.head defs).value else failMerge loc text defs;
  mergeEqualOption =
    loc: defs:
    let
      first = lib.head defs;
      other = lib.filter (def: def.value != first.value) (lib.tail defs);
    in
    if other == [ ] then
      first.value
    else
      failMerge loc "has conflicting definition values:" ([ first ] ++ other);
  mergeDefaultOption =
    loc: defs:
    let
      values = getValues defs;
    in
    if lib.length values == 1 then
      lib.head values
    else if lib.all lib.isList values then
      lib.concatLists values
    else if lib.all lib.isAttrs values then
      lib.foldl' (a: b: a // b) { } values
    else if lib.all lib.isBool values then
      lib.any lib.id values
    else if lib.all lib.isString values then
      lib.concatStrings values
    else if lib.all lib.isInt values && lib.length (lib.unique values) == 1 then
      lib.head values
    else
      throw "Cannot merge definitions of `${showOption loc}'. Definition values:${showDefs defs}";
}
