# What makes packages, of the arguments that this project gives. Builds nothing: the path of what is
# made has the hash of all that it is made from, which has to be well-formed. An argument, or a
# package of Python, that is not listed is an error.
{
  lib,
  package,
  system,
  text,
}:
let
  # `inputs` are packages of any argument, `from` is the rest of what the path depends on.
  build =
    name: inputs: from: attrs:
    let
      wrong = lib.filter (input: !lib.isDerivation input) inputs;
      shown = map (input: if lib.isString input then input else builtins.typeOf input) wrong;
      content = builtins.toJSON {
        inherit from inputs system;
        meta = attrs.meta or { };
      };
    in
    text name (lib.throwIf (wrong != [ ])
      "${name} is made from what is no package: ${lib.concatStringsSep ", " shown}"
      content
    ) attrs;
  isSource =
    src: lib.throwIfNot (lib.isStringLike src) "src is no path, but a ${builtins.typeOf src}" src;

  pythonNames = [
    "hatchling"
    "hypothesis"
    "jinja2"
    "jsonschema"
    "mypy"
    "nats-py"
    "nkeys"
    "pexpect"
    "pulumi"
    "pulumi-command"
    "pulumi-hcloud"
    "pydantic"
    "pymongo"
    "pytest"
    "pytest-xdist"
    "pyyaml"
    "ruff"
    "types-jsonschema"
    "types-protobuf"
    "types-pyyaml"
  ];
  python = name: package "python3-${name}" { };
  python3Packages = lib.genAttrs pythonNames python // {
    nats-py = python "nats-py" // {
      optional-dependencies = {
        aiohttp = [ (python "aiohttp") ];
        nkeys = [ (python "nkeys") ];
      };
    };

    buildPythonApplication =
      {
        pname,
        version,
        src,
        build-system,
        dependencies,
        meta,
        pyproject,
        checkPhase ? "",
        pypaBuildFlags ? [ ],
        pythonImportsCheck ? [ ],
        pythonRelaxDeps ? false,
      }:
      let
        from = [
          (isSource src)
          checkPhase
          pyproject
          pypaBuildFlags
          pythonImportsCheck
          pythonRelaxDeps
        ];
      in
      build "${pname}-${version}" (build-system ++ dependencies) from {
        inherit
          dependencies
          meta
          pname
          src
          version
          ;
      };
  };
in
{
  inherit python3Packages;
  python3 = package "python3" { mainProgram = "python3"; } // {
    withPackages = choose: build "python3-env" (choose python3Packages) null { };
  };

  rustPlatform = {
    bindgenHook = package "bindgen-hook" { };
    buildRustPackage =
      {
        pname,
        version,
        src,
        buildInputs,
        cargoLock,
        doCheck,
        meta,
        nativeBuildInputs,
      }:
      let
        from = [
          (isSource src)
          (builtins.readFile cargoLock.lockFile)
          doCheck
        ];
      in
      build "${pname}-${version}" (buildInputs ++ nativeBuildInputs) from {
        inherit
          meta
          pname
          src
          version
          ;
      };
  };

  mkShell =
    {
      packages,
      shellHook ? "",
    }:
    build "nix-shell" packages shellHook { inherit packages; };

  runCommand =
    name:
    {
      nativeBuildInputs ? [ ],
      ...
    }@environment:
    command:
    build name nativeBuildInputs [ environment command ] { };

  writeShellApplication =
    {
      name,
      runtimeInputs,
      text,
    }:
    build name runtimeInputs text { meta.mainProgram = name; };

  linkFarm = name: links: build name [ ] (map (link: { inherit (link) name path; }) links) { };
}
