# This tool, `holo`. Name, version and requirements are pyproject.toml's.
{ lib, python3Packages }:
let
  inherit (lib.importTOML ../pyproject.toml) project;
  requirements = import ./requirements.nix { inherit lib python3Packages; };
  sources = lib.fileset.fileFilter (file: !file.hasExt "pyc");
in
python3Packages.buildPythonApplication {
  pname = project.name;
  inherit (project) version;
  pyproject = true;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../LICENSE
      ../README.md
      ../pyproject.toml
      (sources ../holo_infra)
      (sources ../nixgen)
      (sources ../vmtests)
    ];
  };

  # pyproject.toml names one hatchling, and bounds of the others that a release of nixpkgs need not
  # keep. Whether what it has will do is asked below.
  build-system = [ python3Packages.hatchling ];
  pypaBuildFlags = [ "--skip-dependency-check" ];
  dependencies = requirements project.dependencies;
  pythonRelaxDeps = true;

  checkPhase = ''
    runHook preCheck
    $out/bin/holo compile ${../examples/mixed}/fleet.yaml --locked --out compiled
    runHook postCheck
  '';
  pythonImportsCheck = [
    "holo_infra.cli"
    "nixgen"
    "vmtests"
  ];

  meta = {
    inherit (project) description;
    license = lib.licenses.asl20;
    mainProgram = "holo";
    platforms = lib.platforms.linux;
  };
}
